//! Real stores. All tests share one PostgreSQL server, where each has its own database. A Redis server starts within
//! milliseconds, so each test has its own.

use std::path::PathBuf;
use std::sync::LazyLock;

use flashsale::infrastructure::local::{PostgresServer, RedisServer};
use flashsale::infrastructure::postgres::PgArchive;
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

static POSTGRES: LazyLock<(PostgresServer, TempDir)> = LazyLock::new(|| {
    let dir = tempdir();
    let server = PostgresServer::start_with(&dir.path().join("postgres"), &[("max_connections", "500")]);
    (server.expect("PostgreSQL starts"), dir)
});

/// A PostgreSQL that belongs to one test, which may stop and kill it.
pub struct Postgres {
    pub server: PostgresServer,
    _dir: TempDir,
}

impl Postgres {
    pub fn start() -> Self {
        let dir = tempdir();
        let server = PostgresServer::start(&dir.path().join("postgres")).expect("PostgreSQL starts");
        Postgres { server, _dir: dir }
    }
}

/// A Redis that belongs to one test.
pub struct Redis {
    pub server: RedisServer,
    dir: TempDir,
}

impl Redis {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(settings: &[&str]) -> Self {
        let dir = tempdir();
        let server = RedisServer::start_with(&dir.path().join("redis"), settings).expect("Redis starts");
        Redis { server, dir }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The directory of its data.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("redis")
    }
}

/// A migrated database that belongs to one test.
pub async fn database() -> String {
    let url = empty_database().await;
    let archive = PgArchive::connect(&url, 2).await.expect("PostgreSQL answers");
    archive.migrate_up().await.expect("migrations run");
    url
}

/// An empty database that belongs to one test.
pub async fn empty_database() -> String {
    let url = POSTGRES.0.url();
    let name = format!("test_{:016x}", rand::random::<u64>());
    let mut connection = PgConnection::connect(&url).await.expect("PostgreSQL answers");
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("a database is created");
    let (server, _) = url.rsplit_once('/').expect("a URL names a database");
    format!("{server}/{name}")
}

fn tempdir() -> TempDir {
    tempfile::Builder::new().prefix("flashsale-test-").tempdir().expect("a temporary directory is created")
}
