//! The data directory: its place, its owner, and the lock that only one process holds.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

use super::{Error, account};

/// A file that marks a directory as created by flashsale. Only such a directory may be deleted.
const MARKER: &str = ".flashsale-store";
const LOCK: &str = "lock";

/// Returns the default data directory: `/var/lib/flashsale` as root, otherwise `$XDG_STATE_HOME/flashsale` or
/// `~/.local/state/flashsale`.
pub fn default_data_dir() -> Result<PathBuf, Error> {
    default_for(account::is_root(), env::var_os("XDG_STATE_HOME"), env::var_os("HOME")).ok_or(Error::NoHome)
}

fn default_for(root: bool, state_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    if root {
        return Some("/var/lib/flashsale".into());
    }
    let absolute = |dir: Option<OsString>| dir.map(PathBuf::from).filter(|dir| dir.is_absolute());
    let state = absolute(state_home).or_else(|| Some(absolute(home)?.join(".local/state")))?;
    Some(state.join("flashsale"))
}

/// Creates the directory and its parents if they are missing. Returns its full path. A new one is accessible to its
/// owner only. An empty one gets the marker.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, Error> {
    if !dir.exists() {
        create_all(dir)?;
        set_mode(dir, 0o700)?;
    }
    let dir = fs::canonicalize(dir).map_err(Error::io("find", dir))?;
    if is_empty(&dir)? {
        let marker = dir.join(MARKER);
        fs::write(&marker, "Created by flashsale, which may delete this directory.\n")
            .map_err(Error::io("write", &marker))?;
    }
    Ok(dir)
}

/// Lets other users pass through this directory if this process is root, because PostgreSQL runs as another user. A
/// directory without the marker keeps its mode.
pub(super) fn let_through(dir: &Path) -> Result<(), Error> {
    if !account::is_root() || !dir.join(MARKER).is_file() {
        return Ok(());
    }
    let mode = fs::metadata(dir).map_err(Error::io("read the mode of", dir))?.permissions().mode();
    set_mode(dir, mode | 0o111)
}

/// Does the same as `create_dir_all`, independent of the umask. Other users can pass through directories of root.
fn create_all(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() || dir.as_os_str().is_empty() {
        return Ok(());
    }
    dir.parent().map_or(Ok(()), create_all)?;
    match fs::create_dir(dir) {
        Ok(()) => set_mode(dir, if account::is_root() { 0o711 } else { 0o700 }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(Error::io("create", dir)(error)),
    }
}

/// Prepares a directory for a store. Refuses one that contains other files. `fresh` deletes its contents.
pub(super) fn claim(dir: &Path, fresh: bool) -> Result<PathBuf, Error> {
    if dir.exists() {
        if !dir.join(MARKER).is_file() && !is_empty(dir)? {
            return Err(Error::NotOurs { dir: dir.to_owned(), marker: MARKER });
        }
        if fresh {
            fs::remove_dir_all(dir).map_err(Error::io("delete", dir))?;
        }
    }
    prepare(dir)
}

/// The lock of the data directory. The kernel releases it when the process ends, in whatever way.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    pub fn take(data_dir: &Path) -> Result<Lock, Error> {
        let path = data_dir.join(LOCK);
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse { dir: data_dir.to_owned(), holder: holder(&path) });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", process::id())).map_err(Error::io("write", &path))?;
        Ok(Lock { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that is being started also has the file open for a moment.
        let _held_until_closed = self.file.unlock();
    }
}

fn holder(lock: &Path) -> String {
    let pid = fs::read_to_string(lock).ok().and_then(|text| text.trim().parse::<u32>().ok());
    pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
}

/// Writes a file that only its owner may read. A reader sees the old or the new contents.
pub(super) fn write_secret(path: &Path, contents: &[u8]) -> Result<(), Error> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{:08x}", process::id(), rand::random::<u32>()));
    let temporary = path.with_file_name(name);
    let mut options = File::options();
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(contents))
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(Error::io("write", path))
}

fn is_empty(dir: &Path) -> Result<bool, Error> {
    Ok(fs::read_dir(dir).map_err(Error::io("read", dir))?.next().is_none())
}

fn set_mode(dir: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(dir, fs::Permissions::from_mode(mode)).map_err(Error::io("change the mode of", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_default_data_directory_depends_on_the_user() {
        let default = |root, state: &str, home: &str| default_for(root, Some(state.into()), Some(home.into()));
        assert_eq!(default(true, "/state", "/root"), Some("/var/lib/flashsale".into()));
        assert_eq!(default(false, "/state", "/home/ann"), Some("/state/flashsale".into()));
        assert_eq!(default(false, "", "/home/ann"), Some("/home/ann/.local/state/flashsale".into()));
        assert_eq!(default(false, "relative", ""), None);
        assert_eq!(default_for(false, None, None), None);
    }

    #[test]
    fn a_directory_with_other_files_is_neither_used_nor_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let photo = dir.path().join("photo");
        fs::write(&photo, "").unwrap();
        set_mode(dir.path(), 0o700).unwrap();
        for fresh in [false, true] {
            let text = claim(dir.path(), fresh).unwrap_err().to_string();
            assert!(text.contains("was not made by flashsale (it has no .flashsale-store file)"), "{text}");
        }
        assert!(photo.exists());
        let before = mode(dir.path());
        let_through(&prepare(dir.path()).unwrap()).unwrap();
        assert_eq!(mode(dir.path()), before);
    }

    #[test]
    fn only_the_owner_enters_a_new_directory_unless_postgresql_must_pass() {
        let parent = tempfile::tempdir().unwrap();
        let dir = prepare(&parent.path().join("deep/postgres")).unwrap();
        assert_eq!(mode(&dir), 0o700);
        let_through(&dir).unwrap();
        assert_eq!(mode(&dir), if account::is_root() { 0o711 } else { 0o700 });
    }

    #[test]
    fn fresh_empties_a_directory_with_the_marker() {
        let parent = tempfile::tempdir().unwrap();
        let dir = claim(&parent.path().join("deep/redis"), true).unwrap();
        fs::write(dir.join("data"), "").unwrap();
        claim(&dir, false).unwrap();
        assert!(dir.join("data").exists());
        claim(&dir, true).unwrap();
        assert!(!dir.join("data").exists() && dir.join(MARKER).exists());
    }

    #[test]
    fn an_error_names_the_process_that_uses_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let text = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(text.contains(&format!("is in use by process {}", process::id())), "{text}");
        drop(lock);
        Lock::take(dir.path()).unwrap();
    }

    #[test]
    fn only_the_owner_reads_a_secret_and_no_temporary_file_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write_secret(&path, b"1").unwrap();
        write_secret(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
