//! The user that PostgreSQL runs as, because it refuses to run as root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Error, programs};

/// An unprivileged user of this system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub name: String,
    uid: u32,
    gid: u32,
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Account {
    /// Returns the user that runs PostgreSQL with these data: their owner if they exist, otherwise `postgres`, otherwise
    /// `nobody`. Returns `None` if this process is not root: then PostgreSQL runs as the same user.
    pub fn for_data(data: &Path) -> Result<Option<Account>, Error> {
        if !is_root() {
            return Ok(None);
        }
        if let Some(owner) = fs::metadata(data).ok().filter(|data| data.uid() != 0) {
            return Ok(Some(Account { name: format!("uid {}", owner.uid()), uid: owner.uid(), gid: owner.gid() }));
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(Error::io("read", Path::new("/etc/passwd")))?;
        let account = find(&passwd, "postgres").or_else(|| find(&passwd, "nobody"));
        account.map(Some).ok_or(Error::NoAccount)
    }

    /// Makes the command run as this user, without supplementary groups.
    pub fn take_over(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    pub fn own(&self, path: &Path) -> Result<(), Error> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(Error::io("change the owner of", path))
    }

    /// Fails if this user cannot enter `dir`. The error names the first directory that refuses.
    pub fn check_reach(&self, dir: &Path) -> Result<(), Error> {
        if self.may_enter(dir)? {
            return Ok(());
        }
        let mut from_the_root: Vec<&Path> = dir.ancestors().collect();
        from_the_root.reverse();
        for closed in from_the_root {
            if !self.may_enter(closed)? {
                return Err(Error::OutOfReach { user: self.name.clone(), closed: closed.to_owned() });
            }
        }
        Ok(())
    }

    /// Asks the kernel as this user, because access lists and security modules count besides the mode bits.
    fn may_enter(&self, dir: &Path) -> Result<bool, Error> {
        let mut test = Command::new(programs::in_path("test").unwrap_or_else(|| "test".into()));
        test.arg("-x").arg(dir).current_dir("/").stdin(Stdio::null()).stderr(Stdio::null());
        self.take_over(&mut test);
        let status = test.status().map_err(Error::io("check the access of the PostgreSQL user to", dir))?;
        Ok(status.success())
    }
}

/// Returns the account of that name in the text of `/etc/passwd`, unless it is the one of root.
fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().filter_map(parse).find(|account| account.name == name && account.uid != 0)
}

fn parse(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { name, uid, gid })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_account_is_found_by_name_unless_it_is_root() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n# odd\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";
        let postgres = Account { name: "postgres".into(), uid: 101, gid: 104 };
        assert_eq!(find(passwd, "postgres"), Some(postgres));
        assert_eq!(find(passwd, "root"), None);
        assert_eq!(find(passwd, "nobody"), None);
    }

    #[test]
    fn an_error_names_the_directory_that_the_unprivileged_user_cannot_enter() {
        let closed = tempfile::tempdir().unwrap();
        fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let Some(account) = Account::for_data(Path::new("/nonexistent")).unwrap() else { return };
        let dir = closed.path().join("postgres");
        fs::create_dir(&dir).unwrap();
        let text = account.check_reach(&dir).unwrap_err().to_string();
        assert!(text.contains(&format!("may not enter {}:", closed.path().display())), "{text}");
        fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o711)).unwrap();
        account.check_reach(&dir).unwrap();
    }
}
