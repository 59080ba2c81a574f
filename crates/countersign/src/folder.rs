//! Files that hold secrets: made with mode 0600 in a folder of mode 0700, written whole or not at all.

use crate::error::Problem;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folder with all above it, for nobody else to read.
pub fn create(folder: &Path) -> Result<(), Problem> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Problem::caused_by("the folder cannot be made", &error).at(folder.display()))
}

/// Writes beside the file and moves the result over it, so that a reader sees the old or the new one, whole.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), Problem> {
    let beside = with_suffix(path, ".new");
    let written = (|| -> io::Result<()> {
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    written.map_err(|error| Problem::caused_by("the file cannot be written", &error).at(path.display()))
}

/// Held for as long as the file is open; `None` while another process holds it.
pub fn lock(path: &Path) -> Result<Option<fs::File>, Problem> {
    let unusable = |error: io::Error| Problem::caused_by("the folder cannot be used", &error).at(path.display());
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(unusable(error)),
    }
}

pub fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    fs::read(path).map_err(|error| Problem::caused_by("the file cannot be read", &error).at(path.display()))
}

/// What to do about a key file that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing was sealed yet: a new key is as good.
    Make,
    /// A new key would not open what the old one sealed.
    Refuse,
}

/// A key of 32 random bytes in base64url.
pub fn key_file(path: &Path, missing: Missing) -> Result<[u8; 32], Problem> {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    if !path.exists() {
        if missing == Missing::Refuse {
            return Err(Problem::new("the key file does not exist")
                .at(path.display())
                .hint("a key made now would not open what the store holds; restore the file from the backup"));
        }
        let key: [u8; 32] = runtime::random::bytes();
        write_private(path, format!("{}\n", URL_SAFE_NO_PAD.encode(key)).as_bytes())?;
        return Ok(key);
    }
    let text = String::from_utf8_lossy(&read(path)?).trim().to_owned();
    let key = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
    key.ok_or_else(|| Problem::new("the key file does not hold 32 bytes in base64url").at(path.display()))
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_made_once_kept_private_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.key");
        assert!(key_file(&path, Missing::Refuse).unwrap_err().message.contains("does not exist"));
        let made = key_file(&path, Missing::Make).unwrap();
        assert_eq!(key_file(&path, Missing::Refuse).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        assert!(key_file(&path, Missing::Make).unwrap_err().message.contains("32 bytes"));
    }

    #[test]
    fn a_leftover_of_an_earlier_try_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(with_suffix(&path, ".new"), "half").unwrap();
        write_private(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }
}
