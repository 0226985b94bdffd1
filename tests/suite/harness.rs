//! Shared by all tests: registration, scratch folders, the command, the GPU.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use hyades::backend::gpu::{DeviceChoice, Gpu, adapters};
use libtest_mimic::{Failed, Trial};

/// A test that runs everywhere. It passes by returning and fails by panicking.
pub(crate) fn test(name: &str, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

/// Registers functions of this module as tests, each under its path; an attribute such as `#[cfg(unix)]` says where.
macro_rules! tests {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        /// The tests of this module.
        pub(crate) fn tests() -> Vec<libtest_mimic::Trial> {
            let module = module_path!().rsplit("::").next().unwrap_or_default();
            Vec::from([
                $($(#[$attribute])* crate::harness::test(&format!("{module}::{}", stringify!($name)), $name)),*
            ])
        }
    };
}
pub(crate) use tests;

/// The index of a device that can run GPU code, including software devices.
pub(crate) fn gpu_device() -> Option<usize> {
    static FOUND: OnceLock<Option<usize>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        adapters().into_iter().find(|a| Gpu::open(&DeviceChoice::Index(a.index)).is_ok()).map(|a| a.index)
    })
}

/// Whether a variable forbids to ignore tests.
fn is_required(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|v| v == "1")
}

/// A test that needs a GPU: ignored if there is none, or failed if one is required.
pub(crate) fn gpu_test(name: &str, run: impl FnOnce(usize) + Send + 'static) -> Trial {
    let device = gpu_device();
    let ignored = device.is_none() && !is_required("HYADES_REQUIRE_GPU");
    Trial::test(name, move || match device {
        Some(device) => {
            run(device);
            Ok(())
        }
        None => Err(Failed::from("HYADES_REQUIRE_GPU=1, but no Vulkan device can be opened (see hyades doctor)")),
    })
    .with_ignored_flag(ignored)
}

fn is_without_python() -> bool {
    std::env::var_os("HYADES_WITHOUT_PYTHON").is_some_and(|v| v == "1")
}

/// A test that needs Python with NumPy and pyarrow: failed if there is none, or ignored with HYADES_WITHOUT_PYTHON=1.
/// HYADES_PYTHON names another Python than `python3`.
pub(crate) fn python_test(name: &str, run: impl FnOnce(&str) + Send + 'static) -> Trial {
    let test = move || {
        let python = std::env::var("HYADES_PYTHON").unwrap_or_else(|_| "python3".into());
        let found = std::process::Command::new(&python).args(["-c", "import numpy, pyarrow.parquet"]).output();
        if !found.is_ok_and(|ran| ran.status.success()) {
            let text = format!(
                "{python} has no NumPy or no pyarrow: run pip install numpy pyarrow, name another Python with \
                 HYADES_PYTHON, or leave this test out with HYADES_WITHOUT_PYTHON=1"
            );
            return Err(Failed::from(text));
        }
        run(&python);
        Ok(())
    };
    Trial::test(name, test).with_ignored_flag(is_without_python())
}

/// The file that names SwiftShader's Vulkan driver: the one in HYADES_SWIFTSHADER, or one of an installed Chromium.
fn swiftshader() -> Option<PathBuf> {
    let named = std::env::var_os("HYADES_SWIFTSHADER").map(PathBuf::from);
    let folders = ["/usr/lib/chromium", "/usr/lib64/chromium-browser", "/opt/google/chrome"];
    let installed = folders.map(|folder| Path::new(folder).join("vk_swiftshader_icd.json"));
    named.into_iter().chain(installed).find(|file| file.is_file())
}

/// A test that needs SwiftShader, given its driver: ignored if there is none, or failed if it is required.
pub(crate) fn swiftshader_test(name: &str, run: impl FnOnce(&Path) + Send + 'static) -> Trial {
    let driver = swiftshader();
    let ignored = driver.is_none() && !is_required("HYADES_REQUIRE_SWIFTSHADER");
    Trial::test(name, move || match driver {
        Some(driver) => {
            run(&driver);
            Ok(())
        }
        None => Err(Failed::from("HYADES_REQUIRE_SWIFTSHADER=1, but Chromium's vk_swiftshader_icd.json is not there")),
    })
    .with_ignored_flag(ignored)
}

/// Chromium: named in HYADES_BROWSER, or installed.
fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("HYADES_BROWSER").map(PathBuf::from);
    let names = ["chromium", "chromium-browser", "chromium-headless-shell", "google-chrome"];
    let folders = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let installed = folders.into_iter().flatten().flat_map(|folder| names.map(|name| folder.join(name)));
    named.into_iter().chain(installed).find(|file| file.is_file())
}

/// A test that needs Chromium, given its program: ignored if there is none, or failed if it is required.
pub(crate) fn browser_test(name: &str, run: impl FnOnce(&Path) + Send + 'static) -> Trial {
    let program = browser();
    let ignored = program.is_none() && !is_required("HYADES_REQUIRE_BROWSER");
    Trial::test(name, move || match program {
        Some(program) => {
            run(&program);
            Ok(())
        }
        None => Err(Failed::from("HYADES_REQUIRE_BROWSER=1, but Chromium is not installed")),
    })
    .with_ignored_flag(ignored)
}

/// Prints why tests were ignored.
#[allow(clippy::print_stderr, reason = "beside the harness's own lines")]
pub(crate) fn explain_ignored() {
    if gpu_device().is_none() && !is_required("HYADES_REQUIRE_GPU") {
        eprintln!("GPU tests were ignored: no Vulkan device can be opened (Debian: apt install mesa-vulkan-drivers)");
    }
    if swiftshader().is_none() && !is_required("HYADES_REQUIRE_SWIFTSHADER") {
        eprintln!(
            "SwiftShader tests were ignored: Chromium, which brings this software GPU, is not installed (Debian: apt \
             install chromium-common, or name its vk_swiftshader_icd.json in HYADES_SWIFTSHADER)"
        );
    }
    if browser().is_none() && !is_required("HYADES_REQUIRE_BROWSER") {
        eprintln!(
            "tests of pages were ignored: Chromium is not installed (Debian: apt install chromium, or name its program \
             in HYADES_BROWSER)"
        );
    }
    if is_without_python() {
        eprintln!("tests with NumPy were ignored: HYADES_WITHOUT_PYTHON=1");
    }
}

/// A folder that disappears with its handle.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The command `hyades`.
pub(crate) fn command() -> std::process::Command {
    std::process::Command::new(env!("CARGO_BIN_EXE_hyades"))
}

/// Runs `hyades` with these arguments.
pub(crate) fn hyades<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    command().args(arguments).output().expect("hyades runs")
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
