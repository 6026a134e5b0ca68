//! PostgreSQL with a standby that follows it asynchronously.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flashsale::infrastructure::local::PostgresServer;
use flashsale::infrastructure::postgres::PgArchive;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::Error;
use super::clock::SteppedClock;
use super::store::Store;

/// A standby finds the log since its base backup.
const SETTINGS: [(&str, &str); 1] = [("wal_keep_size", "256MB")];
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const PROMOTION_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// One server.
pub struct Server {
    pub store: Store<PostgresServer>,
    dir: PathBuf,
    pub url: String,
}

pub struct PostgresPair {
    dir: PathBuf,
    pub primary: Server,
    standby: Option<Server>,
    /// The clock of both, if a fault steps it.
    pub clock: Option<SteppedClock>,
    /// Servers that were made so far: each has a directory of its own.
    made: u32,
}

impl PostgresPair {
    /// Starts the primary, with the schema of the service.
    pub async fn start(dir: &Path, is_stepped: bool) -> Result<Self, Error> {
        let clock = is_stepped.then(|| SteppedClock::new(dir.join("postgres-clock"))).transpose()?;
        let primary = Server::start(dir.join("postgres-1"), clock.as_ref())?;
        let archive = PgArchive::connect(&primary.url, 2).await.map_err(|error| Error::Failed(error.to_string()))?;
        archive.migrate_up().await.map_err(|error| Error::Failed(error.to_string()))?;
        Ok(PostgresPair { dir: dir.to_owned(), primary, standby: None, clock, made: 1 })
    }

    /// Starts a standby of the primary unless there is one.
    pub async fn add_standby(&mut self) -> Result<(), Error> {
        if self.standby.is_none() {
            self.made += 1;
            let (url, from) = (self.primary.url.clone(), self.primary.dir.clone());
            let dir = self.dir.join(format!("postgres-{}", self.made));
            let clock = self.clock.clone();
            let start = move || Server::start_standby(&url, &from, dir, clock.as_ref());
            let starting = tokio::task::spawn_blocking(start);
            self.standby = Some(starting.await.expect("a start does not panic")?);
        }
        Ok(())
    }

    pub fn standby(&self) -> Result<&Server, Error> {
        self.standby.as_ref().ok_or_else(|| Error::NotFired("there is no standby".to_owned()))
    }

    /// Makes the standby a primary: it learns nothing more from the old one, which goes on.
    pub async fn part(&self) -> Result<(), Error> {
        let standby = self.standby()?;
        standby.execute("SELECT pg_promote(false)").await?;
        let deadline = Instant::now() + PROMOTION_TIMEOUT;
        while standby.fetch::<bool>("SELECT pg_is_in_recovery()").await? {
            if Instant::now() > deadline {
                return Err(Error::NotFired("the standby was not promoted".to_owned()));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Puts the promoted standby into the place of the primary, which ends like a crash.
    pub async fn swap(&mut self) -> Result<(), Error> {
        let Some(standby) = self.standby.take() else { return Ok(()) };
        let old = std::mem::replace(&mut self.primary, standby);
        old.store.kill().await;
        std::fs::remove_dir_all(&old.dir)?;
        Ok(())
    }
}

impl Server {
    pub fn start(dir: PathBuf, clock: Option<&SteppedClock>) -> Result<Self, Error> {
        let environment = clock.map(SteppedClock::environment);
        let environment: Vec<_> = environment.iter().flatten().map(|(name, value)| (*name, value.as_str())).collect();
        let server = PostgresServer::start_in(&dir, &SETTINGS, &environment)?;
        Ok(Server { url: server.url(), store: Store::new(server), dir })
    }

    /// Copies the data of a running server, and starts a standby with them.
    fn start_standby(url: &str, from: &Path, dir: PathBuf, clock: Option<&SteppedClock>) -> Result<Self, Error> {
        std::fs::create_dir(&dir)?;
        std::fs::copy(from.join("password"), dir.join("password"))?;
        let data = dir.join("data");
        let copy = ["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync", "--pgdata"];
        run(Command::new("pg_basebackup").arg("--dbname").arg(url).args(copy).arg(&data))?;
        // As root, PostgreSQL runs as the owner of the data.
        let owner = std::fs::metadata(from.join("data"))?;
        run(Command::new("chown").arg("-R").arg(format!("{}:{}", owner.uid(), owner.gid())).arg(&data))?;
        run(Command::new("chmod").arg("711").arg(&dir))?;
        Server::start(dir, clock)
    }

    /// Runs a statement without a result.
    pub async fn execute(&self, statement: &'static str) -> Result<(), Error> {
        let mut connection = self.connect().await?;
        timed(sqlx::raw_sql(statement).execute(&mut connection)).await?;
        Ok(())
    }

    /// Returns the one value of a query.
    pub async fn fetch<T>(&self, query: &'static str) -> Result<T, Error>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut connection = self.connect().await?;
        timed(sqlx::query_scalar(query).fetch_one(&mut connection)).await
    }

    /// Returns the values of a query with one column.
    pub async fn fetch_all<T>(&self, query: &'static str) -> Result<Vec<T>, Error>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut connection = self.connect().await?;
        timed(sqlx::query_scalar(query).fetch_all(&mut connection)).await
    }

    pub async fn connect(&self) -> Result<PgConnection, Error> {
        timed(PgConnection::connect(&self.url)).await
    }

    /// Returns the directory of its data and its log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

async fn timed<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
    Ok(timeout(ANSWER_TIMEOUT, call).await.map_err(|_| sqlx::Error::PoolTimedOut)??)
}

fn run(command: &mut Command) -> Result<(), Error> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::NotFired(format!("{:?} failed: {}", command.get_program(), said.trim())))
}
