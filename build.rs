//! Names the build: the commit, if the sources are a git checkout, and the target. The manifest records both.

use std::process::Command;

fn main() {
    // With these, the script runs whenever what is built changes: a clean commit is that of the sources.
    for path in ["build.rs", "src", "shaders", "Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={path}");
    }
    if let Some(commit) = commit() {
        println!("cargo:rustc-env=HYADES_COMMIT={commit}");
    }
    if let Ok(target) = std::env::var("TARGET") {
        println!("cargo:rustc-env=HYADES_TARGET={target}");
    }
}

/// The commit, with `-dirty` if files differ from it. None outside a checkout, also in a package within another one.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let ran = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(ran.stdout).ok()?;
        ran.status.success().then(|| text.trim().to_owned())
    };
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    git(&["describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"])
}
