//! Real stores. All tests share one PostgreSQL server, where each has its own database. A Redis server starts within
//! milliseconds, so each test has its own.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::LazyLock;

use flashsale::infrastructure::local::{PostgresServer, RedisServer};
use flashsale::infrastructure::postgres::{PgArchive, roles};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::until_ok;

static POSTGRES: LazyLock<(PostgresServer, TempDir)> = LazyLock::new(|| {
    let dir = tempdir();
    let server = PostgresServer::start_with(&dir.path().join("postgres"), &[("max_connections", "500")]);
    (server.expect("PostgreSQL starts"), dir)
});

/// A PostgreSQL that belongs to one test, which may stop and kill it.
pub struct Postgres {
    pub server: PostgresServer,
    dir: TempDir,
}

impl Postgres {
    pub fn start() -> Self {
        let dir = tempdir();
        let server = PostgresServer::start(&dir.path().join("postgres")).expect("PostgreSQL starts");
        Postgres { server, dir }
    }

    /// The directory of its data.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("postgres/data")
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

    /// The URL of a user who may do everything.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The URL of a user who may do what the service needs.
    pub fn service_url(&self) -> String {
        self.server.service_url()
    }

    /// The directory of its data.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("redis")
    }
}

/// A migrated database that belongs to one test.
pub async fn database() -> String {
    let url = empty_database().await;
    migrate(&url).await;
    url
}

/// Creates the roles of the service in a database, with the password of the superuser, and applies all migrations.
pub async fn migrate(url: &str) {
    create_roles(url).await;
    let archive = until_ok(async || PgArchive::connect(&as_role(roles::OWNER, url), 2).await).await;
    until_ok(async || archive.migrate_up().await).await;
}

/// Returns the URL of the role of `flashsale serve`.
pub fn service_url(url: &str) -> String {
    as_role(roles::SERVICE, url)
}

fn as_role(role: &str, url: &str) -> String {
    url.replacen("://flashsale:", &format!("://{role}:"), 1)
}

async fn create_roles(url: &str) {
    // The roles belong to the server. Two sessions cannot alter one at the same time.
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let options = PgConnectOptions::from_str(url).expect("the URL is valid").to_url_lossy();
    let password = options.password().expect("the URL has a password");
    roles::create(url, password, password).await.expect("roles are created");
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
