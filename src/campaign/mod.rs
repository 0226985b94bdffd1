//! Campaigns: what a campaign did, measured against customers whom chance left out.

mod evaluation;

pub use self::evaluation::{
    ArmComparison, ArmFigures, AssignedArm, CampaignValue, Estimate, EvaluateRequest, EvaluationReport, MetricKind,
    MetricReport, SampleRatio, Verdict, evaluate,
};
