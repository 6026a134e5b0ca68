//! The data directory: where it is, whose it is, and that only one process uses it.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

use super::{Error, account};

/// Says that a directory is one of ours, made for a store: only then may it be deleted.
const MARKER: &str = ".flashsale-store";
const LOCK: &str = "lock";

/// Where a private store keeps its data when nobody says: `/var/lib/flashsale` as root, else
/// `$XDG_STATE_HOME/flashsale` or `~/.local/state/flashsale`.
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

/// Makes the directory, and what is above it, when missing, and returns its full path. One made here is for its owner
/// only. An empty one becomes ours.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, Error> {
    if !dir.exists() {
        create_all(dir)?;
        set_mode(dir, 0o700)?;
    }
    let dir = fs::canonicalize(dir).map_err(Error::io("find", dir))?;
    if is_empty(&dir)? {
        let marker = dir.join(MARKER);
        fs::write(&marker, "Made by flashsale, which may delete it.\n").map_err(Error::io("write", &marker))?;
    }
    Ok(dir)
}

/// When we are root: lets others pass through this directory to what they know the name of, since PostgreSQL runs as
/// somebody else. A directory that is not ours keeps its mode.
pub(super) fn let_through(dir: &Path) -> Result<(), Error> {
    if !account::is_root() || !dir.join(MARKER).is_file() {
        return Ok(());
    }
    let mode = fs::metadata(dir).map_err(Error::io("look at", dir))?.permissions().mode();
    set_mode(dir, mode | 0o111)
}

/// `create_dir_all`, whatever the umask: what root makes here can be passed through.
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

/// A directory of our own; refuses one that holds anything of others. `fresh` deletes what is in it.
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

/// Held for as long as this process uses the data directory; let go by the kernel however the process ends.
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
        // Closing is not enough: a child that is just being started has the file open, too, for a moment.
        let _held_until_closed = self.file.unlock();
    }
}

fn holder(lock: &Path) -> String {
    let pid = fs::read_to_string(lock).ok().and_then(|text| text.trim().parse::<u32>().ok());
    pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
}

/// Writes a file that only its owner may read, and puts it in place in one step.
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
    fn the_default_data_directory_is_the_systems_for_root_and_the_users_own_for_others() {
        let default = |root, state: &str, home: &str| default_for(root, Some(state.into()), Some(home.into()));
        assert_eq!(default(true, "/state", "/root"), Some("/var/lib/flashsale".into()));
        assert_eq!(default(false, "/state", "/home/ann"), Some("/state/flashsale".into()));
        assert_eq!(default(false, "", "/home/ann"), Some("/home/ann/.local/state/flashsale".into()));
        assert_eq!(default(false, "relative", ""), None);
        assert_eq!(default_for(false, None, None), None);
    }

    #[test]
    fn a_directory_with_somebody_elses_files_is_neither_used_nor_deleted() {
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
    fn a_directory_of_ours_is_for_its_owner_unless_others_must_pass() {
        let parent = tempfile::tempdir().unwrap();
        let dir = prepare(&parent.path().join("deep/postgres")).unwrap();
        assert_eq!(mode(&dir), 0o700);
        let_through(&dir).unwrap();
        assert_eq!(mode(&dir), if account::is_root() { 0o711 } else { 0o700 });
    }

    #[test]
    fn fresh_empties_a_directory_of_ours() {
        let parent = tempfile::tempdir().unwrap();
        let dir = claim(&parent.path().join("deep/redis"), true).unwrap();
        fs::write(dir.join("data"), "").unwrap();
        claim(&dir, false).unwrap();
        assert!(dir.join("data").exists());
        claim(&dir, true).unwrap();
        assert!(!dir.join("data").exists() && dir.join(MARKER).exists());
    }

    #[test]
    fn a_second_user_of_a_data_directory_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let text = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(text.contains(&format!("is in use by process {}", process::id())), "{text}");
        drop(lock);
        Lock::take(dir.path()).unwrap();
    }

    #[test]
    fn a_secret_is_for_its_owner_only_and_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write_secret(&path, b"1").unwrap();
        write_secret(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
