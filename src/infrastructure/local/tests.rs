//! The real servers: their data survive a crash, and they never outlive this process.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ::redis::Commands;
use rustix::process::{Pid, Signal, getpgid, kill_process};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tempfile::{TempDir, tempdir};

use super::account::Account;
use super::child::{command, spawn};
use super::*;

const LISTEN: &str = "127.0.0.1:8080";

fn redis_at(url: &str) -> ::redis::Connection {
    ::redis::Client::open(url).unwrap().get_connection().unwrap()
}

async fn text(url: &str, query: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
}

async fn execute(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
}

fn kill_9(pid: u64) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// Returns true if the process runs. A zombie does not.
fn runs(pid: u64) -> bool {
    !fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().is_empty()
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn state(data_dir: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(data_dir.join("local.json")).ok()?).ok()
}

fn pid(state: &Value, of: &str) -> u64 {
    state[of]["pid"].as_u64().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn redis_keeps_data_port_and_password_after_a_kill_and_after_a_stop() {
    let dir = tempdir().unwrap();
    let mut redis = RedisServer::start(dir.path()).unwrap();
    let (url, first_pid) = (redis.url(), redis.pid());
    redis_at(&url).set::<_, _, ()>("killed", 1).unwrap();
    redis.kill();
    assert!(!redis.is_running());
    redis.restart().unwrap();
    assert!(redis.is_running() && redis.pid() != first_pid);
    redis_at(&url).set::<_, _, ()>("stopped", 2).unwrap();
    redis.stop();
    redis.restart().unwrap();
    let kept: (u32, u32) = redis_at(&url).mget(&["killed", "stopped"]).unwrap();
    assert_eq!((kept, redis.url()), ((1, 2), url));
}

#[test]
fn redis_evicts_nothing_and_writes_a_log_unless_set_otherwise() {
    let get = |redis: &RedisServer, setting: &str| -> (String, String) {
        ::redis::cmd("CONFIG").arg("GET").arg(setting).query(&mut redis_at(&redis.url())).unwrap()
    };
    let dirs = [tempdir().unwrap(), tempdir().unwrap()];
    let redis = RedisServer::start(dirs[0].path()).unwrap();
    let settings =
        [("maxmemory-policy", "noeviction"), ("appendonly", "yes"), ("appendfsync", "everysec"), ("save", "")];
    for (setting, value) in settings {
        assert_eq!(get(&redis, setting).1, value, "{setting}");
    }
    let evicting = ["maxmemory-policy allkeys-lru", "appendonly no"];
    let redis = RedisServer::start_with(dirs[1].path(), &evicting).unwrap();
    assert_eq!(get(&redis, "maxmemory-policy").1, "allkeys-lru");
    assert_eq!(get(&redis, "appendonly").1, "no");
}

#[test]
fn redis_requires_its_password() {
    let dir = tempdir().unwrap();
    let redis = RedisServer::start(dir.path()).unwrap();
    let (_, address) = redis.url().split_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let mut stranger = ::redis::Client::open(format!("redis://{address}")).unwrap().get_connection().unwrap();
    let error = stranger.get::<_, Option<String>>("key").unwrap_err().to_string();
    assert!(error.contains("Authentication required"), "{error}");
    assert_eq!(mode(&dir.path().join("redis.conf")), 0o600);
}

#[test]
fn ctrl_c_does_not_reach_the_stores() {
    let dir = tempdir().unwrap();
    let redis = RedisServer::start(dir.path()).unwrap();
    let server = Pid::from_raw(redis.pid().try_into().unwrap());
    assert_eq!(getpgid(server).unwrap(), server.unwrap(), "it has its own process group");
}

#[test]
fn an_error_quotes_the_server_that_did_not_start() {
    let dir = tempdir().unwrap();
    let error = RedisServer::start_with(dir.path(), &["no-such-setting 1"]).unwrap_err().to_string();
    assert!(error.starts_with("Redis did not start (exit status: 1):"), "{error}");
    assert!(error.contains("no-such-setting"), "{error}");
}

#[test]
fn a_restart_waits_for_its_port() {
    let dir = tempdir().unwrap();
    let mut redis = RedisServer::start(dir.path()).unwrap();
    let (url, address) = (redis.url(), redis.url().rsplit_once('@').unwrap().1.trim_end_matches('/').to_owned());
    redis.stop();
    let occupant = TcpListener::bind(address).unwrap();
    let leaves = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        drop(occupant);
    });
    redis.restart().unwrap();
    leaves.join().unwrap();
    assert_eq!(redis.url(), url);
}

#[tokio::test]
async fn postgres_keeps_commits_port_and_password_after_a_kill() {
    let dir = tempdir().unwrap();
    let mut postgres = PostgresServer::start(dir.path()).unwrap();
    let (url, first_pid) = (postgres.url(), postgres.pid());
    execute(&url, "CREATE TABLE kept (what text); INSERT INTO kept VALUES ('committed')").await;
    postgres.kill();
    assert!(!postgres.is_running());
    postgres.restart().unwrap();
    assert_eq!(text(&url, "SELECT what FROM kept").await, "committed");
    assert!(postgres.is_running() && postgres.pid() != first_pid);

    drop(postgres);
    let postgres = PostgresServer::start(dir.path()).unwrap();
    assert_eq!(text(&postgres.url(), "SELECT what FROM kept").await, "committed");
    let without_port = |url: &str| url.split(['@', '/']).nth(2).map(str::to_owned);
    assert_eq!(without_port(&postgres.url()), without_port(&url));
}

#[tokio::test]
async fn postgres_is_durable_and_reachable_on_the_loopback_interface_only() {
    let dir = tempdir().unwrap();
    let postgres = PostgresServer::start_with(dir.path(), &[("max_connections", "33")]).unwrap();
    let url = postgres.url();
    assert_eq!(text(&url, "SHOW fsync").await, "on");
    assert_eq!(text(&url, "SHOW synchronous_commit").await, "on");
    assert_eq!(text(&url, "SHOW listen_addresses").await, "127.0.0.1");
    assert_eq!(text(&url, "SHOW unix_socket_directories").await, "");
    assert_eq!(text(&url, "SHOW server_encoding").await, "UTF8");
    assert_eq!(text(&url, "SELECT datcollate::text FROM pg_database WHERE datname = 'flashsale'").await, "C");
    assert_eq!(text(&url, "SHOW max_connections").await, "33");
    assert_eq!(mode(&dir.path().join("password")), 0o600);

    let stranger = url.replace("postgres://flashsale:", "postgres://flashsale:x");
    let error = PgConnection::connect(&stranger).await.unwrap_err().to_string();
    assert!(error.contains("password authentication failed"), "{error}");
}

#[tokio::test]
async fn postgres_starts_if_its_pid_file_names_another_process() {
    let dir = tempdir().unwrap();
    let mut postgres = PostgresServer::start(dir.path()).unwrap();
    postgres.kill();
    let data = dir.path().join("data");
    let account = Account::for_data(&data).unwrap();
    let mut sleep = spawn_as(account.as_ref());
    let pid_file = data.join("postmaster.pid");
    let stale =
        fs::read_to_string(&pid_file).unwrap().replacen(&postgres.pid().to_string(), &sleep.id().to_string(), 1);
    fs::write(&pid_file, stale).unwrap();
    postgres.restart().unwrap();
    assert_eq!(text(&postgres.url(), "SELECT 'serves'").await, "serves");
    assert!(sleep.try_wait().unwrap().is_none());
    sleep.kill().unwrap();
    sleep.wait().unwrap();
}

fn spawn_as(account: Option<&Account>) -> process::Child {
    let mut sleep = command(Path::new("/bin/sleep"), account, "KILL");
    sleep.arg("60");
    spawn(sleep).unwrap()
}

#[tokio::test]
async fn half_created_postgres_data_are_created_again() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("data.new")).unwrap();
    fs::write(dir.path().join("data.new/PG_VERSION"), "15\n").unwrap();
    let postgres = PostgresServer::start(dir.path()).unwrap();
    assert_eq!(text(&postgres.url(), "SELECT current_database()::text").await, "flashsale");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_store_is_restarted_with_its_data_and_local_json_is_updated() {
    let dir = tempdir().unwrap();
    let stores = std::sync::Arc::new(Stores::start(dir.path(), false).await.unwrap());
    stores.publish(LISTEN.parse().unwrap()).unwrap();
    let watch = tokio::spawn({
        let stores = stores.clone();
        async move { stores.supervise().await }
    });
    redis_at(&stores.redis.url).set::<_, _, ()>("key", 7).unwrap();
    execute(&stores.postgres.url, "CREATE TABLE kept (what text); INSERT INTO kept VALUES ('committed')").await;
    let before = state(dir.path()).unwrap();
    for store in ["redis", "postgres"] {
        kill_9(pid(&before, store));
        eventually("local.json has the new pid", || pid(&state(dir.path()).unwrap(), store) != pid(&before, store));
    }
    assert_eq!(redis_at(&stores.redis.url).get::<_, u32>("key").unwrap(), 7);
    assert_eq!(text(&stores.postgres.url, "SELECT what FROM kept").await, "committed");

    let after = state(dir.path()).unwrap();
    assert_eq!(after["service"]["pid"].as_u64().unwrap(), u64::from(process::id()));
    assert_eq!(after["service"]["listen"], LISTEN);
    assert_eq!(after["redis"]["url"], stores.redis.url);
    assert_eq!(after["postgres"]["url"], stores.postgres.url);
    assert_eq!(after["postgres"]["service_url"], stores.postgres_url());
    assert_eq!(after["postgres"]["owner_url"], stores.owner_url());
    assert_eq!(mode(&dir.path().join("local.json")), 0o600);

    stores.stop().await;
    watch.await.unwrap();
    assert!(state(dir.path()).is_none());
    assert!(!runs(pid(&after, "redis")) && !runs(pid(&after, "postgres")));
}

#[tokio::test]
async fn a_data_directory_is_used_by_one_process_and_fresh_empties_it() {
    let parent = tempdir().unwrap();
    let dir = parent.path().join("a 'b\" ü");
    let stores = Stores::start(&dir, false).await.unwrap();
    redis_at(&stores.redis.url).set::<_, _, ()>("key", 7).unwrap();
    execute(&stores.postgres.url, "CREATE TABLE old ()").await;
    let error = Stores::start(&dir, true).await.unwrap_err().to_string();
    assert!(error.contains(&format!("is in use by process {}", process::id())), "{error}");
    stores.stop().await;
    drop(stores);

    let stores = Stores::start(&dir, true).await.unwrap();
    assert_eq!(redis_at(&stores.redis.url).get::<_, Option<u32>>("key").unwrap(), None);
    assert_eq!(text(&stores.postgres.url, "SELECT to_regclass('old')::text IS NULL || ''").await, "true");
}

#[tokio::test]
async fn fresh_deletes_no_other_files() {
    let dir = tempdir().unwrap();
    let letter = dir.path().join("redis/letter");
    fs::create_dir(dir.path().join("redis")).unwrap();
    fs::write(&letter, "dear").unwrap();
    let error = Stores::start(dir.path(), true).await.unwrap_err().to_string();
    assert!(error.contains("was not made by flashsale"), "{error}");
    assert!(letter.exists());
}

/// The process that the next test kills. It does nothing without a directory in the environment.
#[test]
#[ignore = "started by stores_end_when_their_process_is_killed"]
fn process_with_stores() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Started from a thread that ends at once: the stores must live as long as the process, not the thread.
    let stores =
        thread::spawn(move || runtime.block_on(Stores::start(Path::new(&dir), false)).unwrap()).join().unwrap();
    thread::sleep(Duration::from_millis(500));
    stores.publish(SocketAddr::from(([127, 0, 0, 1], 8080))).unwrap();
    thread::sleep(Duration::from_secs(60));
}

const DIR_VARIABLE: &str = "FLASHSALE_TEST_STORES_DIR";

#[tokio::test]
async fn stores_end_when_their_process_is_killed_and_the_next_process_takes_over() {
    let dir = tempdir().unwrap();
    let mut parent = parent_of_stores(&dir);
    eventually("the stores of the other process run", || state(dir.path()).is_some());
    let running = state(dir.path()).unwrap();
    execute(running["postgres"]["url"].as_str().unwrap(), "CREATE TABLE kept ()").await;
    redis_at(running["redis"]["url"].as_str().unwrap()).set::<_, _, ()>("key", 7).unwrap();
    let stores = [pid(&running, "redis"), pid(&running, "postgres")];
    assert!(stores.into_iter().all(runs), "they outlive the thread that started them");

    kill_9(parent.id().into());
    parent.wait().unwrap();
    let next = Stores::start(dir.path(), false).await.unwrap();
    assert!(!stores.into_iter().any(runs));
    assert_eq!(redis_at(&next.redis.url).get::<_, u32>("key").unwrap(), 7);
    assert_eq!(text(&next.postgres.url, "SELECT to_regclass('kept')::text").await, "kept");
    drop(next);

    let mut parent = parent_of_stores(&dir);
    eventually("the stores of the other process run", || state(dir.path()).is_some());
    let running = state(dir.path()).unwrap();
    kill_9(parent.id().into());
    parent.wait().unwrap();
    eventually("both end by themselves", || !runs(pid(&running, "redis")) && !runs(pid(&running, "postgres")));
}

fn parent_of_stores(dir: &TempDir) -> process::Child {
    let mut parent = Command::new(std::env::current_exe().unwrap());
    parent.args(["--ignored", "--exact", "infrastructure::local::tests::process_with_stores"]);
    parent.env(DIR_VARIABLE, dir.path()).stdout(Stdio::null()).stderr(Stdio::null());
    parent.spawn().unwrap()
}
