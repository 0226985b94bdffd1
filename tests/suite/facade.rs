//! The facade: the names that users of the library can write are those of `facade.txt`, so that none becomes public, or
//! disappears, unnoticed.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::{root, tests};
use crate::sources::{Module, SourceText, declared, exported, modules};

tests!(public_names_are_those_of_the_snapshot);

const SNAPSHOT: &str = "tests/suite/facade.txt";

/// What a line at the edge of a file can declare beside modules.
const KEYWORDS: [&str; 8] = ["struct ", "enum ", "union ", "trait ", "type ", "const ", "static ", "fn "];

fn public_names_are_those_of_the_snapshot() {
    let modules = modules();
    let mut found = BTreeSet::new();
    collect(&Module::new(), &modules, &mut found);
    // Both ways to be public are seen: a re-export, and a declaration.
    assert!(["job::fit", "backend::Session", "bench::run", "Error"].iter().all(|name| found.contains(*name)));
    let text = std::fs::read_to_string(root().join(SNAPSHOT)).expect("the snapshot can be read");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.is_sorted_by(|a, b| a < b), "{SNAPSHOT} is not sorted, or has a line twice");
    let known: BTreeSet<String> = lines.into_iter().map(str::to_owned).collect();
    let added = found.difference(&known).map(|name| format!("+ {name}"));
    let removed = known.difference(&found).map(|name| format!("- {name}"));
    let differences: Vec<String> = added.chain(removed).collect();
    assert!(
        differences.is_empty(),
        "the public names are not those of {SNAPSHOT}:\n{}\nIf users need this, edit the snapshot; if not, say pub(crate)",
        differences.join("\n")
    );
}

/// Adds the public names of a module and of the public modules in it, as paths from the crate.
fn collect(module: &Module, modules: &BTreeMap<Module, SourceText>, out: &mut BTreeSet<String>) {
    let code = &modules[module].code;
    let path = |name: &str| module.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("::");
    out.extend(exported(code).iter().map(|name| path(name)));
    for line in code.lines().filter(|line| line.starts_with("pub ")) {
        if let Some(child) = declared(line, "mod ") {
            out.insert(path(&child));
            collect(&[module.as_slice(), &[child]].concat(), modules, out);
        } else {
            let names = KEYWORDS.iter().filter_map(|keyword| declared(line, keyword));
            // `const fn` is no constant.
            out.extend(names.filter(|name| name != "fn").map(|name| path(&name)));
        }
    }
}
