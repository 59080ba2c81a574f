//! The demo's folder: one given with `--dir`, or a temporary one that is gone afterwards.

use crate::error::Problem;
use crate::folder;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(super) enum Folder {
    /// The lock goes with the file that is open.
    Given { path: PathBuf, _lock: fs::File },
    /// Removed when dropped.
    Temporary(tempfile::TempDir),
}

/// What a demo writes. The authority stays from one demo to the next, so that it is trusted once; the tenant begins anew.
const AUTHORITY_FILES: [&str; 2] = ["ca.pem", "ca.key"];
const TENANT_FILES: [&str; 5] = ["demo.json", "countersign.db", "countersign.db-wal", "countersign.db-shm", "data.key"];

const LOCK_FILE: &str = "demo.lock";
const ANOTHER: &str = "name another one with `--dir`";

impl Folder {
    pub(super) fn open(given: Option<&Path>) -> Result<Self, Problem> {
        let Some(path) = given else {
            let made = tempfile::Builder::new().prefix("countersign-demo-").tempdir();
            return made.map(Self::Temporary).map_err(|error| Problem::caused_by("no folder for temporary files", &error));
        };
        folder::create(path).map_err(|problem| problem.hint(ANOTHER))?;
        let absolute = path.canonicalize().map_err(|error| unusable(&error, path))?;
        let lock = lock(&absolute)?;
        clear(&absolute)?;
        Ok(Self::Given { path: absolute, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Given { path, .. } => path,
            Self::Temporary(folder) => folder.path(),
        }
    }

    pub(super) fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(_))
    }
}

/// One demo at a time: another one would take the store away from it.
fn lock(folder: &Path) -> Result<fs::File, Problem> {
    refuse_foreign(folder)?;
    folder::lock(&folder.join(LOCK_FILE))?.ok_or_else(|| {
        Problem::new("another demo runs from the folder").at(folder.display()).hint("end it, or name another folder with `--dir`")
    })
}

/// A folder with anything else in it is somebody's, and is left alone.
fn refuse_foreign(folder: &Path) -> Result<(), Problem> {
    for entry in fs::read_dir(folder).map_err(|error| unusable(&error, folder))? {
        let name = entry.map_err(|error| unusable(&error, folder))?.file_name();
        let is_ours = AUTHORITY_FILES.iter().chain(&TENANT_FILES).chain([&LOCK_FILE]).any(|ours| name == *ours);
        if !is_ours {
            return Err(Problem::new(format!("the folder is somebody’s: `{}` is not a demo’s", name.display()))
                .at(folder.display())
                .hint("name a new or empty folder with `--dir`"));
        }
    }
    Ok(())
}

fn clear(folder: &Path) -> Result<(), Problem> {
    for name in TENANT_FILES {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&error, folder)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn unusable(error: &io::Error, folder: &Path) -> Problem {
    Problem::caused_by("the folder cannot be used", error).at(folder.display()).hint(ANOTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_begins_anew_and_the_authority_stays() {
        let folder = tempfile::tempdir().unwrap();
        for name in AUTHORITY_FILES.iter().chain(&TENANT_FILES) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let opened = Folder::open(Some(folder.path())).unwrap();
        let mut left: Vec<_> = fs::read_dir(opened.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["ca.key", "ca.pem", "demo.lock"]);
    }

    #[test]
    fn one_demo_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(Some(folder.path())).unwrap();
        fs::write(folder.path().join("countersign.db"), "x").unwrap();
        let refused = Folder::open(Some(folder.path())).map(|_| ()).unwrap_err();
        assert_eq!(refused.message, "another demo runs from the folder");
        assert!(folder.path().join("countersign.db").exists());
        drop(first);
        Folder::open(Some(folder.path())).unwrap();
    }

    #[test]
    fn what_is_somebodys_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "x").unwrap();
        fs::write(folder.path().join("data.key"), "x").unwrap();
        assert!(Folder::open(Some(folder.path())).is_err());
        assert!(folder.path().join("data.key").exists());
    }
}
