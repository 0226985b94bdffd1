//! Outputs appear completely or not at all.
//!
//! A job with several files publishes a folder (`folder`): it is written beside its place, synced, and exchanged with
//! the earlier one in one step (`exchange`), or where the system cannot do that, by turning one link (`versions`). A
//! folder that holds anything but an earlier output is refused (`earlier`). Single files (`files`), those with a
//! checksum (`checked`), and tables of parts (`parted`) are renamed. What is unfinished is locked, and swept once
//! nobody holds it (`unfinished`).

mod checked;
mod earlier;
mod exchange;
mod files;
mod folder;
mod moment;
mod parted;
mod place;
mod unfinished;
mod versions;

pub(crate) use self::checked::{publish_checked, read_checked};
pub(crate) use self::earlier::MANIFEST;
pub(crate) use self::files::NewFiles;
pub use self::files::publish_text;
pub(crate) use self::folder::Publication;
pub use self::moment::stop_publishing;
pub(crate) use self::parted::PartedTable;
pub(crate) use self::place::{create_folders, lies_in, sync_folder};
