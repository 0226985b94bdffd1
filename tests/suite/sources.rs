//! The sources as the architecture tests see them: files as modules, and which file uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::harness::root;

/// A module by its path below `crate`: `["input", "source"]`.
pub(crate) type Module = Vec<String>;

/// One file of `src`, without comments and unit tests.
pub(crate) struct SourceText {
    pub(crate) path: PathBuf,
    pub(crate) code: String,
}

/// All files of `src` below the root with their text.
pub(crate) fn texts() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, out: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("src can be listed").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("source can be read");
                out.push((path.strip_prefix(root()).expect("below the root").to_path_buf(), text));
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join("src"), &mut out);
    assert!(out.len() > 40, "only {} sources were found", out.len());
    out.sort();
    out
}

/// The code of a file: without comments, and up to its unit tests.
pub(crate) fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let line = |line: &str| line.find("//").map_or_else(|| line.to_owned(), |at| line[..at].to_owned());
    text[..end].lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The modules of the library and of the command line, by path. Unit tests and stand-ins for absent features are left
/// out.
pub(crate) fn modules() -> BTreeMap<Module, SourceText> {
    let mut modules = BTreeMap::new();
    for (path, text) in texts() {
        let below = path.strip_prefix("src").expect("below src").with_extension("");
        let mut module: Module = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        match module.last().map(String::as_str) {
            Some("main" | "tests" | "no_cloud") => continue,
            Some("lib") => module.clear(),
            Some("mod") => drop(module.pop()),
            _ => {}
        }
        modules.insert(module, SourceText { path, code: code(&text) });
    }
    modules
}

/// Which modules each module names, through re-exports to the file that defines what is named.
pub(crate) fn uses(modules: &BTreeMap<Module, SourceText>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut exports: BTreeMap<Module, BTreeMap<String, Module>> = BTreeMap::new();
    let mut named: BTreeMap<Module, Vec<Module>> = BTreeMap::new();
    for (module, SourceText { code, .. }) in modules {
        let (declarations, body) = split_uses(code);
        for (is_public, tree) in declarations {
            for (path, name) in flatten(&tree, &[]) {
                let Some(path) = absolute(&path, module, modules) else { continue };
                if is_public {
                    exports.entry(module.clone()).or_default().insert(name, path);
                } else {
                    named.entry(module.clone()).or_default().push(path);
                }
            }
        }
        for path in paths(&body) {
            named.entry(module.clone()).or_default().extend(absolute(&path, module, modules));
        }
    }
    let file = |path: &Module| resolve(path, modules, &exports, 0);
    let of = |(module, paths): (&Module, &Vec<Module>)| {
        let files = paths.iter().map(file).filter(|used| used != module && !used.is_empty()).collect();
        (module.clone(), files)
    };
    named.iter().map(of).collect()
}

/// The names that a file re-exports to everyone; a glob as `*`.
pub(crate) fn exported(code: &str) -> Vec<String> {
    let code = format!("\n{code}");
    let trees = code.split("\npub use ").skip(1).filter_map(|rest| rest.split_once(';'));
    trees.flat_map(|(tree, _)| flatten(tree, &[])).map(|(_, name)| name).collect()
}

/// The `use` declarations of a file, and the rest of it.
fn split_uses(code: &str) -> (Vec<(bool, String)>, String) {
    let (mut declarations, mut body, mut open) = (Vec::new(), String::new(), None::<(bool, String)>);
    for line in code.lines() {
        let text = line.trim_start();
        let start = match text.strip_prefix("pub") {
            Some(rest) => rest.split_once("use ").filter(|(v, _)| v.trim().is_empty() || v.trim().ends_with(')')),
            None => text.strip_prefix("use ").map(|tree| ("", tree)),
        };
        if open.is_none()
            && let Some((_, tree)) = start
        {
            open = Some((text.starts_with("pub"), tree.to_owned()));
        } else if let Some((_, tree)) = &mut open {
            tree.push_str(text);
        } else {
            body.push_str(line);
            body.push('\n');
        }
        if let Some((is_public, tree)) = open.take_if(|(_, tree)| tree.contains(';')) {
            declarations.push((is_public, tree.trim_end_matches(';').to_owned()));
        }
    }
    (declarations, body)
}

/// `a::{b, c::d as e}` as paths, each with the name that it has here.
fn flatten(tree: &str, before: &[String]) -> Vec<(Module, String)> {
    let tree = tree.trim();
    if let Some((prefix, list)) = tree.split_once('{') {
        let mut path = before.to_vec();
        path.extend(prefix.split("::").filter(|s| !s.is_empty()).map(str::to_owned));
        let list = list.strip_suffix('}').unwrap_or(list);
        let (mut depth, mut start, mut out) = (0, 0, Vec::new());
        for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    if !list[start..at].trim().is_empty() {
                        out.extend(flatten(&list[start..at], &path));
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
        return out;
    }
    let (tree, alias) = tree.split_once(" as ").map_or((tree, None), |(tree, alias)| (tree, Some(alias)));
    let mut path = before.to_vec();
    path.extend(tree.split("::").filter(|s| *s != "self" || before.is_empty()).map(str::to_owned));
    let name = alias.unwrap_or_else(|| path.last().map_or("", String::as_str)).to_owned();
    vec![(path, name)]
}

/// Paths of two or more parts in code.
fn paths(body: &str) -> Vec<Module> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for run in body.split(|c: char| !is_word(c) && c != ':').filter(|run| run.contains("::")) {
        let path: Module = run.split("::").map(|s| s.trim_matches(':').to_owned()).collect();
        if path.iter().all(|s| !s.is_empty()) {
            found.push(path);
        }
    }
    found
}

/// A path from the crate's root; None for other crates.
fn absolute(path: &[String], module: &Module, modules: &BTreeMap<Module, SourceText>) -> Option<Module> {
    match path.first().map(String::as_str)? {
        "crate" | "hyades" => Some(path[1..].to_vec()),
        "self" => Some([module.as_slice(), &path[1..]].concat()),
        "super" => {
            let ups = path.iter().take_while(|s| *s == "super").count();
            let base = &module[..module.len().checked_sub(ups)?];
            Some([base, &path[ups..]].concat())
        }
        first => {
            let child = [module.as_slice(), &[first.to_owned()]].concat();
            modules.contains_key(&child).then(|| [module.as_slice(), path].concat())
        }
    }
}

/// The file in which a path ends.
fn resolve(
    path: &Module,
    modules: &BTreeMap<Module, SourceText>,
    exports: &BTreeMap<Module, BTreeMap<String, Module>>,
    depth: usize,
) -> Module {
    let mut here = Module::new();
    for (i, part) in path.iter().enumerate() {
        let child = [here.as_slice(), std::slice::from_ref(part)].concat();
        if modules.contains_key(&child) {
            here = child;
            continue;
        }
        return match exports.get(&here).and_then(|names| names.get(part)) {
            Some(target) if depth < 8 => {
                let longer = [target.as_slice(), &path[i + 1..]].concat();
                resolve(&longer, modules, exports, depth + 1)
            }
            _ => here,
        };
    }
    here
}

/// Groups of modules that use each other in a circle.
pub(crate) fn circles(uses: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Vec<Module>> {
    let reach = |from: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = open.pop() {
            for used in uses.get(&next).into_iter().flatten() {
                if seen.insert(used.clone()) {
                    open.push(used.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> = uses.keys().map(|m| (m, reach(m))).collect();
    let mut circles: Vec<Vec<Module>> = Vec::new();
    for (module, all) in &reached {
        if all.contains(*module) && !circles.iter().flatten().any(|m| m == *module) {
            let back = |other: &&Module| reached.get(*other).is_some_and(|r| r.contains(*module));
            circles.push(all.iter().filter(back).cloned().collect());
        }
    }
    circles
}

/// A function: where it is, its lines from `fn` to its last brace, its parameters without `self`.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) lines: usize,
    pub(crate) parameters: usize,
}

/// The functions of a formatted source, its unit tests excepted.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        let Some(name) = declared(text, "fn ") else { continue };
        let closing = format!("{}}}", " ".repeat(indent));
        // The end: a brace at the same depth, or, of a declaration in a trait, a semicolon there.
        let is_end = |l: &&str| {
            let depth = l.len() - l.trim_start().len();
            **l == *closing || (depth == indent && l.trim_end().ends_with(';'))
        };
        let is_whole = text.ends_with('}') || text.ends_with(';');
        let last = if is_whole { 0 } else { lines[i + 1..].iter().position(is_end).map_or(0, |n| n + 1) };
        found.push(Function { name, lines: last + 1, parameters: parameters(&lines[i..=i + last].join("\n")) });
    }
    found
}

/// The name that a line declares with a keyword, whatever stands before it.
pub(crate) fn declared(text: &str, keyword: &str) -> Option<String> {
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix(keyword) {
            let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            return (!name.is_empty()).then_some(name);
        }
        let word = rest.split_whitespace().next()?;
        let modifier = word.starts_with("pub") || ["const", "async", "unsafe", "extern"].contains(&word);
        if !modifier {
            return None;
        }
        rest = rest[word.len()..].trim_start();
    }
}

/// Parameters of the function that a text begins with, `self` not counted.
fn parameters(text: &str) -> usize {
    let Some(name) = text.find("fn ") else { return 0 };
    // Generics stand before the list, and may hold brackets of their own.
    let (mut angle, mut start) = (0i32, None);
    for (at, c) in text[name..].char_indices() {
        match c {
            '<' => angle += 1,
            '>' if !text[name..][..at].ends_with('-') => angle -= 1,
            '(' if angle == 0 => {
                start = Some(name + at + 1);
                break;
            }
            _ => {}
        }
    }
    let Some(start) = start else { return 0 };
    let (mut depth, mut count, mut current) = (0i32, 0, String::new());
    let mut finish = |current: &mut String| {
        let parameter = current.trim();
        let is_self =
            parameter.rsplit(|c: char| !c.is_alphanumeric()).next() == Some("self") && !parameter.contains(':');
        count += usize::from(!parameter.is_empty() && !is_self);
        current.clear();
    };
    let mut before = ' ';
    for c in text[start..].chars() {
        match c {
            ')' if depth == 0 => break,
            ',' if depth == 0 => finish(&mut current),
            _ => {
                match c {
                    '(' | '[' | '{' | '<' => depth += 1,
                    '>' if before == '-' => {}
                    ')' | ']' | '}' | '>' => depth -= 1,
                    _ => {}
                }
                current.push(c);
            }
        }
        before = c;
    }
    finish(&mut current);
    count
}
