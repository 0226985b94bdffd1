//! Input that must be refused: exit code, message, nothing half-written.

use crate::harness::tests;

tests!();
