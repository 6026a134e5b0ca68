//! The installed programs of Redis and PostgreSQL.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::Error;

/// Directory of the PostgreSQL server programs on Debian, with one directory for each major version.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";

/// The programs of an installed PostgreSQL.
#[derive(Debug, Clone)]
pub(super) struct PostgresPrograms {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
}

/// Fails if Redis or PostgreSQL is missing, with one message about both.
pub(super) fn check_installed() -> Result<(), Error> {
    require(find_redis(), find_postgres(None)).map(|_| ())
}

pub(super) fn redis_server() -> Result<PathBuf, Error> {
    find_redis().ok_or_else(|| not_installed(&[REDIS]))
}

/// Returns PostgreSQL of the version that created the data if it is installed, otherwise any version.
pub(super) fn postgres(data_version: Option<&str>) -> Result<PostgresPrograms, Error> {
    find_postgres(data_version).ok_or_else(|| not_installed(&[POSTGRES]))
}

/// Returns a program from `PATH` or from the usual system directories.
pub(super) fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_absolute() && candidate.is_file())
}

struct Product {
    programs: &'static str,
    package: &'static str,
}

const REDIS: Product = Product { programs: "redis-server", package: "redis-server" };
const POSTGRES: Product = Product { programs: "initdb and postgres (PostgreSQL)", package: "postgresql" };

fn require(redis: Option<PathBuf>, postgres: Option<PostgresPrograms>) -> Result<(PathBuf, PostgresPrograms), Error> {
    match (redis, postgres) {
        (Some(redis), Some(postgres)) => Ok((redis, postgres)),
        (None, Some(_)) => Err(not_installed(&[REDIS])),
        (Some(_), None) => Err(not_installed(&[POSTGRES])),
        (None, None) => Err(not_installed(&[REDIS, POSTGRES])),
    }
}

fn not_installed(missing: &[Product]) -> Error {
    let join = |field: fn(&Product) -> &str, by: &str| missing.iter().map(field).collect::<Vec<_>>().join(by);
    Error::NotInstalled { programs: join(|p| p.programs, " and "), packages: join(|p| p.package, " ") }
}

fn find_redis() -> Option<PathBuf> {
    in_path("redis-server")
}

fn find_postgres(data_version: Option<&str>) -> Option<PostgresPrograms> {
    let debian = Path::new(DEBIAN_POSTGRES);
    data_version
        .and_then(|version| programs_in(&debian.join(version).join("bin")))
        .or_else(|| programs_in(in_path("initdb")?.parent()?))
        .or_else(|| newest_in(debian))
}

fn newest_in(versions: &Path) -> Option<PostgresPrograms> {
    let mut majors: Vec<u32> =
        fs::read_dir(versions).ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    majors.sort_unstable_by(|a, b| b.cmp(a));
    majors.into_iter().find_map(|major| programs_in(&versions.join(major.to_string()).join("bin")))
}

fn programs_in(bin: &Path) -> Option<PostgresPrograms> {
    let found = PostgresPrograms { initdb: bin.join("initdb"), postgres: bin.join("postgres") };
    (found.initdb.is_file() && found.postgres.is_file()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation(versions: &Path, version: &str) {
        let bin = versions.join(version).join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("initdb"), "").unwrap();
        fs::write(bin.join("postgres"), "").unwrap();
    }

    #[test]
    fn the_newest_postgresql_is_the_one_with_the_highest_number() {
        let versions = tempfile::tempdir().unwrap();
        for version in ["9", "15", "17"] {
            installation(versions.path(), version);
        }
        fs::create_dir_all(versions.path().join("18/bin")).unwrap();
        assert_eq!(newest_in(versions.path()).unwrap().initdb, versions.path().join("17/bin/initdb"));
    }

    #[test]
    fn an_error_names_the_missing_programs_and_the_command_that_installs_them() {
        let postgres = || Some(PostgresPrograms { initdb: "initdb".into(), postgres: "postgres".into() });
        let text = |redis, postgres| require(redis, postgres).unwrap_err().to_string();
        assert_eq!(
            text(None, None),
            "redis-server and initdb and postgres (PostgreSQL) not found: \
             install with `apt-get install redis-server postgresql`"
        );
        assert_eq!(text(None, postgres()), "redis-server not found: install with `apt-get install redis-server`");
        assert!(text(Some("redis-server".into()), None).ends_with("`apt-get install postgresql`"));
    }
}
