//! Campaigns: lists of customers to contact, with control groups that measure later what the contacts changed.
//!
//! `file` is the campaign as people write it (`reading` tells its faults), `customers` the tables that it reads. For
//! every customer, in this order: the conditions of the lists (`rules`), suppression (`excluded`), the pressure of
//! earlier contacts, the hold-out, and the side that a keyed hash gives him (`draw`). Candidates (`candidates`) are
//! ranked within a limit of memory (`ranked`), and the ranked list is walked until its cap of contacted customers is
//! full (`walk`); the controls passed on the way are the control group. The `waterfall` says where every customer
//! stayed, and adds up. `files` writes members as they come, with columns `gathered` from the customers: the table of
//! sides, and a `sheet` for each list. `design` is what the evaluation reads. `offers` calculates the next product and
//! the channel of every customer, `alike` how far he is from seeds, and `strategy` sums up what is offered to whom;
//! `page` shows both to people.
//!
//! `evaluation` says afterwards what a campaign brought, beside customers whom chance left out.
//!
//! Deliberately absent: the current time. Lists made twice from the same data are the same lists.

mod alike;
mod candidates;
mod cells;
mod customers;
mod design;
mod draw;
mod evaluation;
mod excluded;
mod file;
mod files;
mod gathered;
mod lists;
mod offers;
mod page;
mod ranked;
mod reading;
mod sheet;
mod strategy;
mod tables;
mod walk;
mod waterfall;

pub use self::design::{
    CampaignDesign, DesignFile, DesignHoldOut, DesignJoin, DesignKey, DesignList, DesignPressure, DesignSuppression,
    DesignTable,
};
pub use self::evaluation::{
    ArmComparison, ArmFigures, AssignedArm, CampaignValue, Estimate, EvaluateRequest, EvaluationReport, EventCounts,
    GroupRatio, MetricKind, MetricReport, SampleRatio, Verdict, evaluate,
};
pub use self::file::{
    CampaignFile, CampaignOptions, CapPerValue, ContactPressure, CustomerTables, ListOptions, SegmentRef,
    SharedHoldOut, Suppression,
};
pub use self::lists::{ListsOutcome, ListsRequest, lists};
pub use self::strategy::StrategyLine;
pub use self::waterfall::{CellCounts, ListWaterfall, StepCounts, SuppressedCount, Waterfall};
