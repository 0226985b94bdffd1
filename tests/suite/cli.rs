//! The command as a user runs it.

use crate::harness::tests;

tests!();
