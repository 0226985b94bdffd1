//! The lines of the log.

use serde::{Deserialize, Serialize};

use super::contents::ListedFile;

/// The format of log and pointer that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// What a version says about itself, for lists of versions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VersionFacts {
    /// The date that it describes, such as `2026-11-30`.
    pub as_of: Option<String>,
    /// The version that was current when it was made; it can be published only while that is still so.
    pub based_on: Option<u64>,
    /// The fixed version that drift was measured against; it is kept as long as this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<u64>,
    /// Customers.
    pub customers: u64,
    /// Segments.
    pub segments: u64,
    /// The share of customers of both versions whose segment changed.
    pub moved: Option<f64>,
    /// The outcome of its gates.
    pub gates: GateTally,
    /// Anything else, for programs.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub more: serde_json::Value,
}

/// Gates by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateTally {
    /// Gates that held.
    pub passed: u64,
    /// Gates that did not hold, and only warn.
    pub warned: u64,
    /// Gates that did not hold, and refuse the version.
    pub failed: u64,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LogLine {
    pub(super) format: u32,
    /// 1, 2, 3 ...
    pub(super) seq: u64,
    /// When it was written, in UTC.
    pub(super) time: String,
    /// The version that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u64>,
    #[serde(flatten)]
    pub(super) event: LogEvent,
    /// blake3 of the line before, without its line feed.
    pub(super) before: Option<String>,
}

/// What happened. A new event is a new [`FORMAT`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum LogEvent {
    /// A run took the number.
    Claimed,
    /// The run ended without a version.
    Abandoned,
    /// The version is complete, and will not change.
    Candidate(Box<SealLine>),
    /// The version waits for somebody.
    AwaitsApproval { why: String },
    /// The version is not to be published.
    Refused { why: String },
    /// Somebody approved the version.
    Approved { blake3: String, by: String, note: String },
    /// The version became the current one, in place of `retires`.
    Published { blake3: String, retires: Option<u64> },
    /// The publication before did not take place.
    Withdrawn { why: String },
    /// The folder of the version was removed.
    Removed { files: u64, bytes: u64 },
    /// The log ended in part of a line, which was dropped.
    Repaired { dropped: String },
}

/// What sealing records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SealLine {
    /// Its hash.
    pub(super) blake3: String,
    pub(super) facts: VersionFacts,
    /// The version whose files these are, if it is a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<u64>,
    /// The files that the hash covers.
    pub(super) files: Vec<ListedFile>,
    /// `run.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<ListedFile>,
}

impl LogLine {
    /// Its text, without a line feed. It ends with the hash of what stands before, which reveals that somebody edited
    /// the line even if no other follows.
    pub(super) fn encode(&self) -> crate::Result<String> {
        let text = serde_json::to_string(self).map_err(|e| crate::Error::Internal(e.to_string()))?;
        let body = text.strip_suffix('}').unwrap_or(&text);
        Ok(format!("{body}{CHECK}{}\"}}", blake3::hash(body.as_bytes()).to_hex()))
    }

    /// Reads a line.
    pub(super) fn decode(text: &[u8]) -> Result<Self, LineFault> {
        let json: serde_json::Value = serde_json::from_slice(text).map_err(|_| LineFault::Changed)?;
        match json["format"].as_u64() {
            Some(format) if format > u64::from(FORMAT) => return Err(LineFault::Newer(format)),
            _ => {}
        }
        let length = CHECK.len() + 2 * blake3::OUT_LEN + 2;
        let (body, check) = text.split_at(text.len().saturating_sub(length));
        let expected = format!("{CHECK}{}\"}}", blake3::hash(body).to_hex());
        if check != expected.as_bytes() {
            return Err(LineFault::Changed);
        }
        serde_json::from_value(json).map_err(|_| LineFault::Changed)
    }
}

/// What introduces the hash at the end of a line.
const CHECK: &str = ",\"check\":\"";

/// Why a line cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFault {
    /// It is not what this program wrote.
    Changed,
    /// It has a format that this program does not know.
    Newer(u64),
}
