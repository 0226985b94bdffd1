//! The house: a module uses only modules that stand above it, and `unsafe` lives where it was let in.

use std::path::{Path, PathBuf};

use crate::harness::{root, tests};

tests!(modules_use_only_what_stands_above_them, unsafe_lives_in_named_files, every_shader_has_a_header);

/// From top to bottom. A module may use itself and those before it.
const ORDER: [&str; 18] = [
    "error", "panics", "event", "simd", "data", "backend", "cluster", "rules", "model", "label", "audit", "job",
    "bench", "check", "doctor", "features", "synth", "cli",
];

/// `synth` makes input and stands beside the way of the data: it uses only the general rooms.
const SYNTH_USES: [&str; 3] = ["error", "event", "data"];

/// Files that may allow `unsafe`.
const UNSAFE: [&str; 2] = ["src/data/landing.rs", "src/main.rs"];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, out: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("src can be listed").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("source can be read");
                let path = path.strip_prefix(root()).expect("below the root").to_path_buf();
                out.push((path, text));
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join("src"), &mut out);
    assert!(out.len() > 40, "only {} sources were found", out.len());
    out
}

/// The room of a file: the first part of its path below src.
fn room(path: &Path) -> String {
    let first = path.components().nth(1).expect("a path below src").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a source names by `crate::` or, in the command line, by `hyades::`.
fn used(text: &str, is_cli: bool) -> Vec<String> {
    let prefix = if is_cli { "hyades::" } else { "crate::" };
    let code: String = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        let words = if let Some(list) = rest.strip_prefix('{') {
            list.split('}').next().unwrap_or_default().split(',').map(str::trim).collect()
        } else {
            vec![rest]
        };
        for word in words {
            let name: String = word.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            // Re-exports of the root: Error and Result are of the room `error`.
            if name.starts_with(char::is_lowercase) {
                found.push(name);
            }
        }
    }
    found
}

fn modules_use_only_what_stands_above_them() {
    let position = |name: &str| ORDER.iter().position(|m| *m == name);
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let here = room(&path);
        if here == "lib" || here == "main" {
            continue;
        }
        let mine = position(&here).unwrap_or_else(|| panic!("{} is in no known room", path.display()));
        for name in used(&text, here == "cli") {
            let Some(theirs) = position(&name) else { continue };
            let allowed =
                if here == "synth" { name == here || SYNTH_USES.contains(&name.as_str()) } else { theirs <= mine };
            if !allowed {
                faults.push(format!("{} uses {name}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // The finder finds: the order turned around would be broken.
    assert!(used("use crate::data::Tiles;\nuse crate::{backend, cluster::Fit};", false).len() == 3);
}

fn unsafe_lives_in_named_files() {
    for (path, text) in sources() {
        let allows = text.contains("allow(unsafe_code") || text.contains("expect(unsafe_code");
        let named = UNSAFE.iter().any(|p| Path::new(p) == path);
        assert!(named || !allows, "{} allows unsafe", path.display());
        if named {
            let blocks = text.matches("unsafe {").count() + text.matches("unsafe impl").count();
            let reasons = text.matches("SAFETY:").count();
            assert!(blocks <= reasons, "{}: {blocks} unsafe blocks, {reasons} reasons", path.display());
        }
    }
}

fn every_shader_has_a_header() {
    let mut shaders = 0;
    for entry in std::fs::read_dir(root().join("shaders")).expect("shaders can be listed").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("a shader can be read");
        assert!(text.starts_with("//"), "{} has no header", entry.path().display());
        shaders += 1;
    }
    assert!(shaders >= 2);
}
