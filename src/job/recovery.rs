//! Recovery from device failure: reopen the device once, then fall back to the CPU.

use std::cell::{Cell, OnceCell};

use super::device::{Chosen, Size};
use super::request::{BackendKind, DeviceOptions};
use crate::backend::Backend;
use crate::backend::cpu::Cpu;
use crate::error::{Error, Result};
use crate::event::Watch;

/// Opens the device again.
type Reopen = Box<dyn Fn() -> Result<Box<dyn Backend>>>;

/// The backends of a job, in the order in which they are tried. The results are the same on all of them.
pub(super) struct Ladder {
    chosen: Box<dyn Backend>,
    reopen: Reopen,
    reopened: OnceCell<Box<dyn Backend>>,
    cpu: Cpu,
    strict: bool,
    rung: Cell<Rung>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    Chosen,
    Reopened,
    Cpu,
}

impl Ladder {
    /// `strict`: only the chosen backend.
    pub(super) fn new(chosen: Box<dyn Backend>, cpu: Cpu, strict: bool, reopen: Reopen) -> Self {
        Ladder { chosen, reopen, reopened: OnceCell::new(), cpu, strict, rung: Cell::new(Rung::Chosen) }
    }

    /// The current backend.
    pub(super) fn backend(&self) -> &dyn Backend {
        match (self.rung.get(), self.reopened.get()) {
            (Rung::Cpu, _) => &self.cpu,
            (Rung::Reopened, Some(reopened)) => reopened.as_ref(),
            _ => self.chosen.as_ref(),
        }
    }

    /// The CPU, for work that does not run on the device.
    pub(super) fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// The backend to continue on after `fault`, which is reported as a warning; None if it is not a device fault, or
    /// if no backend is left to try.
    pub(super) fn after(&self, fault: &Error, watch: Watch<'_>) -> Option<&dyn Backend> {
        let lost = match fault {
            Error::DeviceLost(_) => true,
            Error::Environment(_) => false,
            _ => return None,
        };
        if self.strict || self.backend().name() != "gpu" {
            return None;
        }
        self.backend().abandon();
        // A device without enough memory would not have enough the second time either.
        if lost && self.rung.get() == Rung::Chosen {
            match (self.reopen)() {
                Ok(device) => {
                    watch.warn(format!("{fault}; continuing on {} after reopening it", device.device()));
                    self.rung.set(Rung::Reopened);
                    return Some(self.reopened.get_or_init(|| device).as_ref());
                }
                Err(e) => watch.warn(format!("the device could not be reopened: {e}")),
            }
        }
        watch.warn(format!("{fault}; continuing on {}", self.cpu.device()));
        self.rung.set(Rung::Cpu);
        Some(&self.cpu)
    }
}

impl Chosen {
    /// The ladder of a job that starts on this backend.
    pub(super) fn ladder(self, request: &DeviceOptions, size: Size, budget: u64) -> Result<Ladder> {
        let again = DeviceOptions { backend: Some(BackendKind::Gpu), ..request.clone() };
        let reopen = Box::new(move || Ok(again.choose(size, budget)?.backend));
        Ok(Ladder::new(self.backend, request.cpu()?, request.strict_device, reopen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Session;
    use crate::tiles::Tiles;

    struct Fake;

    impl Backend for Fake {
        fn name(&self) -> &'static str {
            "gpu"
        }

        fn device(&self) -> String {
            "a fake".into()
        }

        fn open<'a>(&'a self, _: &'a Tiles, _: usize, _: Watch<'_>) -> Result<Box<dyn Session + 'a>> {
            Err(Error::DeviceLost("lost".into()))
        }
    }

    fn ladder(strict: bool, again: bool) -> Ladder {
        let reopen = move || -> Result<Box<dyn Backend>> {
            if again { Ok(Box::new(Fake)) } else { Err(Error::environment("gone".into())) }
        };
        Ladder::new(Box::new(Fake), Cpu::new(None).unwrap(), strict, Box::new(reopen))
    }

    fn lost() -> Error {
        Error::DeviceLost("lost".into())
    }

    #[test]
    fn a_lost_device_is_reopened_once() {
        let ladder = ladder(false, true);
        assert_eq!(ladder.after(&lost(), Watch::none()).map(Backend::name), Some("gpu"));
        assert_eq!(ladder.backend().name(), "gpu");
        assert_eq!(ladder.after(&lost(), Watch::none()).map(Backend::name), Some("cpu"));
        assert_eq!(ladder.backend().name(), "cpu");
        assert!(ladder.after(&lost(), Watch::none()).is_none(), "there is nothing after the CPU");
    }

    #[test]
    fn the_cpu_follows_where_it_does_not_open_or_has_no_room() {
        assert_eq!(ladder(false, false).after(&lost(), Watch::none()).map(Backend::name), Some("cpu"));
        let full = Error::environment("no room".into());
        assert_eq!(ladder(false, true).after(&full, Watch::none()).map(Backend::name), Some("cpu"));
    }

    #[test]
    fn other_faults_and_strict_devices_end_the_job() {
        assert!(ladder(false, true).after(&Error::Interrupted, Watch::none()).is_none());
        assert!(ladder(true, true).after(&lost(), Watch::none()).is_none());
    }
}
