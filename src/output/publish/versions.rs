//! Publication inside a folder that cannot be exchanged as a whole, such as a mounted volume: each run has a hidden
//! folder of its own in it, `.hyades-current` is a link to that of the newest, and every name that users know is a link
//! through `.hyades-current`. Turning that one link publishes all files at once.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::exchange::{exchange, is_unsupported};
use super::place::sync_folder;
use super::unfinished::{HIDDEN, version};
use crate::error::{Error, Result};
use crate::faults;

/// The link to the folder of the newest run.
const CURRENT: &str = ".hyades-current";

/// Publishes what is in `ready`, a folder on the same file system that is complete and synced, as the content of
/// `target`, whose lock is held.
pub(super) fn publish(ready: &Path, target: &Path) -> Result<()> {
    let fail = |e: io::Error| Error::io("publish in", target, &e);
    adopt(target).map_err(fail)?;
    let new = version(target).map_err(fail)?;
    // An empty folder gives way to another one.
    fs::rename(ready, new.path()).map_err(fail)?;
    let names = names_in(new.path()).map_err(fail)?;
    let former = current(target);
    let linked = names.iter().try_for_each(|name| link(target, name));
    let turned = linked.and_then(|()| {
        faults::point("publish::turn")?;
        turn(target, new.path().file_name().unwrap_or_default())
    });
    if let Err(e) = turned.map_err(fail).and_then(|()| sync_folder(target)) {
        let back = former.as_ref().map_or_else(|| fs::remove_file(target.join(CURRENT)), |former| turn(target, former));
        return match (back, current(target) == former) {
            (_, true) => {
                clear(target, former.as_deref());
                Err(e)
            }
            (_, false) => {
                let _published = new.keep();
                Err(e.of("the output is published, but may not outlast a power failure"))
            }
        };
    }
    let published = new.keep();
    clear(target, published.file_name());
    Ok(())
}

/// The name of the newest run's folder.
fn current(target: &Path) -> Option<OsString> {
    fs::read_link(target.join(CURRENT)).ok().map(PathBuf::into_os_string)
}

/// Makes the files of an earlier run, which lie in `target` itself, a version like any other. Each name changes from a
/// file to a link to that file in one step, so readers notice nothing. Only where two names cannot be exchanged at all
/// is a folder missing for a moment.
fn adopt(target: &Path) -> io::Result<()> {
    let plain: Vec<OsString> = names_in(target)?.into_iter().filter(|name| !target.join(name).is_symlink()).collect();
    if plain.is_empty() {
        return Ok(());
    }
    let earlier = match current(target) {
        Some(current) => target.join(current),
        None => {
            let earlier = version(target)?.keep();
            turn(target, earlier.file_name().unwrap_or_default())?;
            earlier
        }
    };
    for name in plain {
        let (shown, kept) = (target.join(&name), earlier.join(&name));
        let through = Path::new(CURRENT).join(&name);
        symlink(&through, &kept)?;
        faults::point("publish::adopt")?;
        match exchange(&shown, &kept) {
            Err(e) if is_unsupported(&e) => {
                fs::remove_file(&kept)?;
                fs::rename(&shown, &kept)?;
                symlink(&through, &shown)?;
            }
            done => done?,
        }
    }
    sync_folder(&earlier).and_then(|()| sync_folder(target)).map_err(io::Error::other)
}

/// Makes `name` a link through the newest run, if it is none.
fn link(target: &Path, name: &OsString) -> io::Result<()> {
    let shown = target.join(name);
    if shown.is_symlink() {
        return Ok(());
    }
    faults::point("publish::link")?;
    symlink(&Path::new(CURRENT).join(name), &shown)
}

/// Turns the link to the newest run.
fn turn(target: &Path, to: impl AsRef<Path>) -> io::Result<()> {
    let made = target.join(format!("{HIDDEN}next"));
    match fs::remove_file(&made) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    symlink(to.as_ref(), &made)?;
    fs::rename(&made, target.join(CURRENT))
}

/// Removes links to files that the newest run, `current`, does not have, and the folders of earlier runs.
fn clear(target: &Path, current: Option<&std::ffi::OsStr>) {
    let is_dangling = |name: &OsString| target.join(name).is_symlink() && !target.join(name).exists();
    for name in names_in(target).unwrap_or_default().iter().filter(|name| is_dangling(name)) {
        let _ = fs::remove_file(target.join(name));
    }
    for entry in fs::read_dir(target).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_version = name.to_str().is_some_and(|n| n.starts_with(HIDDEN) && n.ends_with(".version"));
        if is_version && Some(name.as_os_str()) != current {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The names in a folder that users know.
fn names_in(folder: &Path) -> io::Result<Vec<OsString>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
    let is_known = |name: &OsString| !name.to_str().is_some_and(|name| name.starts_with(HIDDEN));
    let mut names: Vec<OsString> = names.collect::<io::Result<Vec<_>>>()?.into_iter().filter(is_known).collect();
    names.sort();
    Ok(names)
}

fn symlink(to: &Path, link: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(to, link);
    #[cfg(not(unix))]
    {
        let _ = (to, link);
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A complete output in a folder beside `target`.
    fn ready(beside: &Path, run: &str, names: &[&str]) -> PathBuf {
        let folder = beside.join(format!("ready-{run}"));
        fs::create_dir_all(folder.join("segments")).unwrap();
        for name in names {
            fs::write(folder.join(name), run).unwrap();
        }
        folder
    }

    fn read(target: &Path, name: &str) -> Option<String> {
        fs::read_to_string(target.join(name)).ok()
    }

    #[test]
    fn one_link_publishes_all_files() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        // An earlier output in the folder itself.
        fs::create_dir_all(target.join("segments")).unwrap();
        for name in ["segments/part-00000.parquet", "model.json", "audit.json"] {
            fs::write(target.join(name), "zero").unwrap();
        }
        adopt(&target).unwrap();
        assert_eq!(read(&target, "segments/part-00000.parquet").as_deref(), Some("zero"));
        assert_eq!(read(&target, "audit.json").as_deref(), Some("zero"));
        let names = ["segments/part-00000.parquet", "model.json"];
        for run in ["one", "two"] {
            publish(&ready(folder.path(), run, &names), &target).unwrap();
            for name in names {
                assert_eq!(read(&target, name).as_deref(), Some(run));
            }
            assert_eq!(names_in(&target).unwrap(), ["model.json", "segments"], "the audit is not of this run");
            assert_eq!(fs::read_dir(&target).unwrap().count(), 4, "one version, and the link to it");
        }
        let next = ready(folder.path(), "three", &["model.json", "profile.json"]);
        publish(&next, &target).unwrap();
        assert_eq!(read(&target, "profile.json").as_deref(), Some("three"));
        assert_eq!(fs::read_dir(target.join("segments")).unwrap().count(), 0);
    }
}
