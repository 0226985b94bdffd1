//! The structure that ARCHITECTURE.md describes: modules use only modules above them, files form no circles, a type
//! name means one thing, functions fit a screen, and `unsafe` stays in the files that need it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::harness::{root, tests};
use crate::sources::{self, Module, circles, code, declared, functions, modules, texts, uses};

tests!(
    modules_use_only_what_stands_above_them,
    no_circle_of_files,
    a_type_name_means_one_thing,
    functions_fit_a_screen,
    lines_fit_the_page,
    unsafe_lives_in_named_files,
    every_shader_has_a_header,
);

/// From top to bottom. A module may use itself and those before it.
const ORDER: &[&str] = &[
    "error",
    "faults",
    "panics",
    "event",
    "simd",
    "run",
    "text",
    "numeric",
    "input",
    "tiles",
    "roles",
    "prepare",
    "backend",
    "cluster",
    "validity",
    "rules",
    "drift",
    "model",
    "survey",
    "output",
    "audit",
    "profile",
    "explain",
    "identity",
    "gates",
    "migration",
    "report",
    "describe",
    "portrait",
    "choose",
    "history",
    "job",
    "bench",
    "check",
    "compare",
    "evidence",
    "resegment",
    "doctor",
    "transactions",
    "campaign",
    "tags",
    "synth",
    "cli",
];

/// `synth` makes input and stands beside the flow of data: it uses only general modules, `numeric` for its hash and
/// `output` to publish.
const SYNTH_USES: [&str; 7] = ["error", "event", "numeric", "output", "roles", "synth", "text"];

/// Type names that may stand twice, each with its reason.
const TWICE: [(&str, &str); 0] = [];

/// Functions longer than [`MOST_LINES`], each with its reason.
const LONG: [(&str, &str); 0] = [];

/// Functions with more than [`MOST_PARAMETERS`], each with its reason.
const WIDE: [(&str, &str); 0] = [];

const MOST_LINES: usize = 60;
const MOST_PARAMETERS: usize = 6;
const MOST_COLUMNS: usize = 120;

/// Files that may allow `unsafe`.
const UNSAFE: [&str; 2] = ["src/main.rs", "src/tiles/landing.rs"];

fn modules_use_only_what_stands_above_them() {
    let position = |module: &Module| {
        let name = &module[0];
        ORDER.iter().position(|m| m == name).unwrap_or_else(|| panic!("{name} has no place in the order"))
    };
    let mut faults = Vec::new();
    for (module, used) in uses(&modules()).iter().filter(|(module, _)| !module.is_empty()) {
        for other in used {
            let allowed = match module[0].as_str() {
                "synth" => SYNTH_USES.contains(&other[0].as_str()),
                _ => position(other) <= position(module),
            };
            if !allowed {
                faults.push(format!("{} uses {}", module.join("::"), other.join("::")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn no_circle_of_files() {
    let found = circles(&uses(&modules()));
    let line = |circle: &Vec<Module>| circle.iter().map(|m| m.join("::")).collect::<Vec<_>>().join(" <-> ");
    assert!(found.is_empty(), "files use each other:\n{}", found.iter().map(line).collect::<Vec<_>>().join("\n"));
    // The finder finds one.
    let module = |name: &str| vec![name.to_owned()];
    let edge = |a: &str, b: &str| (module(a), BTreeSet::from([module(b)]));
    assert_eq!(
        circles(&BTreeMap::from([edge("a", "b"), edge("b", "c"), edge("c", "b")])),
        [[module("b"), module("c")]]
    );
}

fn a_type_name_means_one_thing() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sources::SourceText { path, code } in modules().into_values() {
        for line in code.lines() {
            // An associated type is not a name of its own.
            let keywords = if line.starts_with(' ') {
                &["struct ", "enum "][..]
            } else {
                &["struct ", "enum ", "trait ", "type ", "union "]
            };
            for name in keywords.iter().filter_map(|keyword| declared(line.trim_start(), keyword)) {
                places.entry(name).or_default().push(path.display().to_string());
            }
        }
    }
    assert!(places.len() > 300, "only {} types were found", places.len());
    let twice = places.iter().filter(|(name, at)| at.len() > 1 && !TWICE.iter().any(|(n, _)| n == name));
    let lines: Vec<String> = twice.map(|(name, at)| format!("{name}: {}", at.join(", "))).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

fn functions_fit_a_screen() {
    let mut faults = Vec::new();
    let mut found = 0;
    for (path, text) in texts() {
        let tests = path.ends_with("tests.rs");
        for function in functions(&code(&text)).into_iter().filter(|_| !tests) {
            found += 1;
            let at = format!("{}::{}", path.display(), function.name);
            if function.lines > MOST_LINES && !LONG.iter().any(|(name, _)| *name == at) {
                faults.push(format!("{at} has {} lines", function.lines));
            }
            if function.parameters > MOST_PARAMETERS && !WIDE.iter().any(|(name, _)| *name == at) {
                faults.push(format!("{at} has {} parameters", function.parameters));
            }
        }
    }
    assert!(found > 1000, "only {found} functions were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let example = "pub(crate) fn f<T: Fn(u8) -> u8>(\n    &mut self,\n    a: (u8, u8),\n    b: &dyn Fn(u8) -> u8,\n) {\n    a;\n}\n";
    let [function] = functions(example).try_into().unwrap_or_else(|_| panic!("one function"));
    assert_eq!((function.name.as_str(), function.lines, function.parameters), ("f", 7, 2));
}

fn lines_fit_the_page() {
    let mut faults = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.chars().count() > MOST_COLUMNS) {
            // The formatter sees to code, but for macros and long texts.
            if line.trim_start().starts_with("//") {
                faults.push(format!("{}:{}: {} columns", path.display(), number + 1, line.chars().count()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn unsafe_lives_in_named_files() {
    for (path, text) in texts() {
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
