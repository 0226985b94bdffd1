//! Access to the machine under examination: files below a root folder, the environment, and opening of device nodes.
//!
//! Tests use a root of their own. All paths are written as programs on that machine write them.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A machine to examine.
pub(super) struct Machine {
    /// The folder that serves as `/`.
    pub(super) root: PathBuf,
    /// The environment.
    pub(super) variables: BTreeMap<String, String>,
    /// Opens a device node for reading and writing. File permissions are not sufficient: the rules of a container may
    /// deny it too.
    pub(super) open: fn(&Path) -> io::Result<()>,
}

impl Machine {
    /// The machine that this process runs on.
    pub(super) fn this() -> Self {
        let text = |v: std::ffi::OsString| v.to_string_lossy().into_owned();
        Machine {
            root: "/".into(),
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            open: |path| OpenOptions::new().read(true).write(true).open(path).map(drop),
        }
    }

    /// A variable of the environment, unless it is empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn at(&self, path: &str) -> PathBuf {
        match path.strip_prefix('/') {
            Some(below) => self.root.join(below),
            None => path.into(),
        }
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    pub(super) fn is_folder(&self, path: &str) -> bool {
        self.at(path).is_dir()
    }

    pub(super) fn read(&self, path: &str) -> io::Result<String> {
        fs::read_to_string(self.at(path))
    }

    /// The names in a folder, sorted; none if it cannot be listed.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }

    pub(super) fn open(&self, node: &str) -> io::Result<()> {
        (self.open)(&self.at(node))
    }

    /// Mode bits and number of the group; zeros if the system has neither.
    pub(super) fn rights(&self, path: &str) -> (u32, u32) {
        #[cfg(unix)]
        if let Ok(meta) = fs::metadata(self.at(path)) {
            use std::os::unix::fs::MetadataExt;
            return (meta.mode(), meta.gid());
        }
        let _ = path;
        (0, 0)
    }

    /// The name of a group with this number.
    pub(super) fn group(&self, number: u32) -> Option<String> {
        let groups = self.read("/etc/group").ok()?;
        let line = groups.lines().find(|l| l.split(':').nth(2).is_some_and(|n| n.parse() == Ok(number)))?;
        line.split(':').next().map(str::to_owned)
    }

    /// The path at which the dynamic linker finds a library: by its search variable, its cache, or its default folders.
    pub(super) fn library(&self, name: &str) -> Option<String> {
        if name.contains('/') {
            return self.exists(name).then(|| name.to_owned());
        }
        let searched = self.variable("LD_LIBRARY_PATH").unwrap_or_default().split(':').filter(|f| !f.is_empty());
        let searched = searched.map(|folder| format!("{}/{name}", folder.trim_end_matches('/')));
        let mut usual: Vec<String> =
            ["/usr/local/lib", "/usr/lib64", "/usr/lib", "/lib64", "/lib"].map(str::to_owned).into();
        for folder in ["/usr/lib", "/lib"] {
            let triples = self.names(folder).into_iter().filter(|n| n.contains("-linux-") && !n.starts_with("i386"));
            usual.extend(triples.map(|n| format!("{folder}/{n}")));
        }
        let usual = usual.into_iter().map(|folder| format!("{folder}/{name}"));
        searched.chain(self.cached(name)).chain(usual).find(|path| self.exists(path))
    }

    /// The paths of a library in the dynamic linker's cache: a table, followed by zero-terminated texts.
    fn cached(&self, name: &str) -> Vec<String> {
        let cache = fs::read(self.at("/etc/ld.so.cache")).unwrap_or_default();
        let texts = cache.split(|&b| b == 0).filter_map(|text| std::str::from_utf8(text).ok());
        let ours = texts.filter(|text| text.starts_with('/') && text.rsplit('/').next() == Some(name));
        ours.filter(|text| !text.contains("i386-linux")).map(str::to_owned).collect()
    }

    /// The name of the file after resolving all links.
    pub(super) fn final_name(&self, path: &str) -> Option<String> {
        Some(fs::canonicalize(self.at(path)).ok()?.file_name()?.to_string_lossy().into_owned())
    }
}
