//! The program: its commands, its signals and its processes.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::Utc;
use flashsale::domain::sale::Window;
use flashsale::domain::shared::SaleId;
use flashsale::infrastructure::local::PostgresServer;
use flashsale::infrastructure::postgres::{PgArchive, roles};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::harness::client::{Answer, Client};
use crate::harness::program::{ended, patient_settings, refusal_to_serve};
use crate::harness::service::{World, long_period};
use crate::harness::{eventually, stores, until_ok};

const PROGRAM: &str = env!("CARGO_BIN_EXE_flashsale");

/// A running `flashsale local`. It is killed when this is dropped.
pub struct Local {
    child: Child,
    /// The contents of `local.json`.
    pub state: Value,
    pub client: Client,
}

impl Local {
    /// Starts it, and waits until it sells.
    async fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, |command| {
            command.stdout(Stdio::null());
        })
        .await
    }

    /// Does the same with a change of the command.
    pub async fn start_with(data_dir: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = program(data_dir);
        command.args(["local", "--listen", "127.0.0.1:0", "--sale-items", "50"]).envs(patient_settings());
        // The time zone of the host must not change the start of a sale.
        command.env("TZ", "Pacific/Auckland");
        change(&mut command);
        let child = command.spawn().expect("the program starts");
        let mut local = Local { child, state: Value::Null, client: Client::new(String::new()) };
        let state_file = data_dir.join("local.json");
        eventually("the program has written its state", || {
            let status = local.child.try_wait().expect("the status of a child can be read");
            assert!(status.is_none(), "the program ended: {status:?}");
            let state = std::fs::read(&state_file).unwrap_or_default();
            local.state = serde_json::from_slice(&state).unwrap_or_default();
            std::future::ready(local.state["service"]["pid"] == local.child.id())
        })
        .await;
        let address = local.state["service"]["listen"].as_str().expect("an address");
        local.client = Client::new(format!("http://{address}"));
        let (client, is_ok) = (&local.client, |answer: Answer| answer.status == 200);
        eventually("the service sells", || async {
            is_ok(client.get("/sales/active").await) && is_ok(client.get("/health/ready").await)
        })
        .await;
        local
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the process runs");
    }

    /// Stops it cleanly.
    pub async fn stop(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        assert!(ended(&mut self.child).await.success());
    }

    fn is_gone(&self, store: &str) -> bool {
        // A process that has ended and not been waited for has an empty command line.
        let mut line = String::new();
        match std::fs::File::open(format!("/proc/{}/cmdline", self.state[store]["pid"])) {
            Ok(mut file) => file.read_to_string(&mut line).map(|_| line.is_empty()).unwrap_or(true),
            Err(_) => true,
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// A command of the program, with no setting but the directory of its data.
pub fn program(data_dir: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("DATA_DIR", data_dir).env("LOG", "warn");
    for name in ["DATABASE_URL", "REDIS_URL", "ADMIN_TOKEN", "LISTEN_ADDR"] {
        command.env_remove(name);
    }
    command
}

fn run(data_dir: &Path, args: &[&str]) -> Output {
    program(data_dir).args(args).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command until it succeeds. Returns its output.
async fn succeed(data_dir: &Path, args: &[&str]) -> String {
    until_ok(async || {
        let output = run(data_dir, args);
        if output.status.success() { Ok(stdout(&output)) } else { Err(output) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_service_keeps_its_data_when_it_is_stopped_or_killed() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let mut local = Local::start(dir.path()).await;
    let code = local.client.cart("ann", &["1", "2", "3"]).await;
    let receipt = local.client.purchase(&code).await.expect(200).body;
    let verified = succeed(dir.path(), &["verify"]).await;
    assert_eq!(
        verified.trim(),
        "sold=3 lost=0 oversold=0 over_limit=0 drift=0 unreturned=0 overdue=0 paid_and_released=0 unsettled=0"
    );
    let redis_url = local.state["redis"]["url"].as_str().expect("text");
    let pong = Command::new("redis-cli").args(["--no-auth-warning", "-u", redis_url, "PING"]).output();
    assert_eq!(stdout(&pong.expect("redis-cli is installed with redis-server")).trim(), "PONG");
    let listed = succeed(dir.path(), &["sale", "list", "--status", "open"]).await;
    assert!(listed.contains(" open ") && listed.contains("items=50"), "{listed}");
    let created = succeed(dir.path(), &["sale", "create", "--items", "7"]).await;
    assert!(created.contains("items=7"), "{created}");
    let special = created.split(' ').next().expect("an id");
    let bought = local.client.buy_now("bob", "r", &format!("{special}-00007")).await.expect(200);
    assert_eq!(bought.json()["sale_id"], special);
    let address = local.state["service"]["listen"].as_str().expect("text");
    succeed(dir.path(), &["healthcheck", "--listen", address]).await;

    local.stop().await;
    assert!(local.is_gone("redis") && local.is_gone("postgres"));
    assert!(local.state["provider"].is_null(), "nothing is to be paid");

    let mut local = Local::start(dir.path()).await;
    assert_eq!(local.client.purchase(&code).await.expect(200).body, receipt);
    let items_sold = async || local.client.get("/sales/active").await.json()["items_sold"].take();
    eventually("the restarted service knows the sold items", async || items_sold().await == 3).await;

    // A killed service leaves no process behind, and the next one starts with its data.
    local.signal(rustix::process::Signal::KILL);
    ended(&mut local.child).await;
    eventually("the stores end", || async { local.is_gone("redis") && local.is_gone("postgres") }).await;
    let local = Local::start(dir.path()).await;
    assert_eq!(local.client.purchase(&code).await.expect(200).body, receipt);
    succeed(dir.path(), &["verify"]).await;
}

/// Starts a local service whose purchases must be paid.
async fn start_with_orders(data_dir: &Path) -> Local {
    Local::start_with(data_dir, |command| {
        command.env("PAYMENT_WINDOW", "1h").stdout(Stdio::null());
    })
    .await
}

/// Returns the report of the payment provider of a local service.
async fn provider_report(local: &Local) -> Option<Value> {
    let text = |field: &str| local.state["provider"][field].as_str().expect("text").to_owned();
    let provider = Client::new(text("url"));
    let request = provider.request(hyper::Method::GET, "/report");
    let answer = provider.try_send(request.header("authorization", format!("Bearer {}", text("key"))), "").await?;
    (answer.status == 200).then(|| answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_service_with_a_payment_window_has_a_provider_that_keeps_its_charges() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let mut local = start_with_orders(dir.path()).await;
    let code = local.client.cart("ann", &["1"]).await;
    local.client.purchase(&code).await.expect(200);
    let path = format!("/orders/{code}");
    eventually("a payment begins", async || {
        let payment = serde_json::json!({ "payment_method": "pm_slow" });
        let answer = local.client.post_json(&format!("{path}/pay"), payment).await;
        assert!(answer.status.is_success() || answer.status == 503, "{answer:?}");
        answer.status != 503
    })
    .await;
    let status = async |local: &Local| local.client.get(&path).await.expect(200).json()["status"].take();
    eventually("it is paid", async || status(&local).await == "PAID").await;
    let report = async || provider_report(&local).await.unwrap_or_default();
    eventually("an event was delivered", async || report().await["webhooks"]["delivered"] == 1).await;

    // The command finds the provider of the stores.
    let code = local.client.cart("ann", &["2"]).await;
    local.client.purchase(&code).await.expect(200);
    let payment = serde_json::json!({ "payment_method": "pm_slow" });
    local.client.post_json(&format!("/orders/{code}/pay"), payment).await.expect(202);
    let cancelled = run(dir.path(), &["order", "cancel", &code, "--reason", "by telephone"]);
    let errors = String::from_utf8_lossy(&cancelled.stderr);
    assert!(!cancelled.status.success() && !errors.contains("PAYMENT_PROVIDER_URL"), "{errors}");
    eventually("both are paid", async || report().await["charges"] == 2).await;

    let pid = local.state["provider"]["pid"].clone();
    let process = pid.as_i64().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)).expect("a pid");
    rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("the provider runs");
    let state_file = dir.path().join("local.json");
    let state =
        || -> Value { serde_json::from_slice(&std::fs::read(&state_file).unwrap_or_default()).unwrap_or_default() };
    eventually("its new pid is published", async || {
        let now = state()["provider"]["pid"].clone();
        now.is_number() && now != pid
    })
    .await;
    assert_eq!(report().await["charges"], 2);

    local.state = state();
    local.stop().await;
    assert!(local.is_gone("provider") && local.is_gone("postgres"));
    let local = start_with_orders(dir.path()).await;
    assert_eq!(status(&local).await, "PAID");
    assert_eq!(provider_report(&local).await.expect("a report")["charges"], 2);
}

/// Returns the value of a series in the metrics of the service.
async fn metric(client: &Client, series: &str) -> Option<u64> {
    let text = String::from_utf8(client.get("/metrics").await.expect(200).body.to_vec()).expect("metrics are text");
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_verification_agree() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let local = Local::start(dir.path()).await;
    let sale = SaleId::hourly(Window::containing(Utc::now(), long_period()).starts_at).to_string();
    assert_eq!(local.client.get("/sales/active").await.json()["id"], sale.as_str());
    // Sixty buyers for thirty items, with two requests each.
    let buy = |buyer: u32| {
        let client = local.client.clone();
        async move {
            let (user, item) = (format!("u{buyer}"), (buyer % 30 + 1).to_string());
            client.buy_now(&user, "r", &item).await;
            client.buy_now(&user, "r", &item).await
        }
    };
    futures::future::join_all((0..60).map(buy)).await;
    let code = local.client.cart("cat", &["31", "32"]).await;
    for _ in 0..3 {
        local.client.purchase(&code).await.expect(200);
    }
    let verified = succeed(dir.path(), &["verify", "--json"]).await;
    let verified: Value = serde_json::from_str(&verified).expect("verify prints JSON");
    assert_eq!(verified["sold"], 32);
    let sold = format!("flashsale_sale_units_sold{{sale=\"{sale}\",kind=\"hourly\",state=\"open\"}}");
    for series in [&sold, "flashsale_units_acknowledged_total"] {
        eventually(series, || async { metric(&local.client, series).await == Some(32) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_stopped_under_load_loses_no_acknowledged_purchase() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let mut local = Local::start(dir.path()).await;
    let acknowledged = Arc::new(AtomicU32::new(0));
    let buyers = (0..8u32).map(|buyer| {
        let (client, acknowledged) = (local.client.clone(), acknowledged.clone());
        tokio::spawn(async move {
            let mut bought = Vec::new();
            for item in (1..=50u32).filter(|item| item % 8 == buyer) {
                let body = format!(r#"{{"request_id":"r","user_id":"u{item}","item_id":"{item}","quantity":1}}"#);
                let request = client.request(hyper::Method::POST, "/api/purchase");
                match client.try_send(request.header("content-type", "application/json"), &body).await {
                    Some(answer) if answer.status == 200 => {
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                        bought.push(answer.json()["order_id"].clone());
                    }
                    Some(answer) => assert!(answer.status == 202 || answer.status == 503, "{answer:?}"),
                    None => break,
                }
            }
            bought
        })
    });
    let buyers: Vec<_> = buyers.collect();
    eventually("the first items are bought", || async { acknowledged.load(Ordering::Relaxed) >= 3 }).await;
    local.stop().await;
    let bought = futures::future::join_all(buyers).await;
    let acknowledged: Vec<Value> =
        bought.into_iter().flat_map(|bought| bought.expect("the client does not panic")).collect();
    let local = Local::start(dir.path()).await;
    let mut kept = Vec::new();
    for item in 1..=50 {
        let listed = local.client.get(&format!("/users/u{item}/purchases")).await.expect(200).json();
        kept.extend(listed["purchases"].as_array().expect("a list").iter().map(|receipt| receipt["order_id"].clone()));
    }
    assert!(acknowledged.iter().all(|order| kept.contains(order)), "{acknowledged:?} of {kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_imported_from_a_file_and_a_bad_line_is_reported() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let local = Local::start(dir.path()).await;
    let file = dir.path().join("items.csv");
    std::fs::write(&file, "name,image_url,price,stock\n\"Lamp, tall\",/1.jpg,19.90,3\nVase,/2.jpg,5,\n")
        .expect("the file is written");
    let path = file.to_str().expect("a path");
    let imported = succeed(dir.path(), &["sale", "import", path, "--currency", "USD"]).await;
    assert!(imported.contains("items=2 units=4"), "{imported}");
    let id = imported.split(' ').next().expect("an id");
    let items = local.client.get(&format!("/sales/{id}/items")).await.expect(200).json();
    assert_eq!((&items["items"][0]["name"], &items["items"][0]["currency"]), (&"Lamp, tall".into(), &"USD".into()));
    std::fs::write(&file, "name,image_url,price\nLamp,/1.jpg,19.90\nVase,/2.jpg,cheap\n").expect("the file is written");
    let refused = run(dir.path(), &["sale", "import", path]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("line 3: price"), "{refused:?}");
    let refused = run(dir.path(), &["sale", "import", path, "--currency", "JPY"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("line 2: price"), "{refused:?}");
    let ended = succeed(dir.path(), &["sale", "end", id]).await;
    assert!(ended.contains(" ended "), "{ended}");
    local.client.checkout("ann", &format!("{id}-00001")).await.expect_problem(410, "sale_ended");
}

#[test]
fn settings_are_shown_without_secrets() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let shown = program(dir.path())
        .env("DATABASE_URL", "postgres://me:s3cret@db/shop")
        .env("ADMIN_TOKEN", "s3cret-of-the-administrator")
        .env("TRUSTED_PROXIES", "10.0.0.7,10.1.0.0/16")
        .args(["config", "--sale-every", "2s"])
        .output()
        .expect("the program runs");
    let shown = stdout(&shown);
    assert!(!shown.contains("s3cret"), "{shown}");
    for line in ["SALE_EVERY=2s", "DATABASE_URL=postgres://me:***@db/shop", "USER_LIMIT=10", "ACK_TIMEOUT=3s"]
        .into_iter()
        .chain(["TRUSTED_PROXIES=10.0.0.7,10.1.0.0/16", "OPS_LISTEN_ADDR=\n"])
    {
        assert!(shown.contains(line), "{line} is missing in {shown}");
    }
}

#[test]
fn a_wrong_setting_is_reported_with_the_reason() {
    let dir = tempfile::tempdir().expect("a directory is created");
    for (args, message) in [
        (["config", "--sale-every", "0s"], "greater than zero"),
        (["config", "--sale-every", "1500ms"], "whole seconds"),
        (["config", "--sale-items", "0"], "0 is not in 1..=1000000"),
        (["config", "--trusted-proxies", "localhost"], "must be an address or a network"),
        (["verify", "--sale", "yesterday"], "must be a sale id"),
    ] {
        let output = run(dir.path(), &args);
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains(message), "{output:?}");
    }
    let windows =
        |every: &str, window: &str| run(dir.path(), &["config", "--sale-every", every, "--payment-window", window]);
    assert!(windows("1m", "58m").status.success());
    for output in [windows("1m", "3481s"), run(dir.path(), &["serve", "--sale-every", "2s", "--payment-window", "10m"])]
    {
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("at most 58 times SALE_EVERY"), "{output:?}");
    }
    let output = run(dir.path(), &["verify"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("set DATABASE_URL and REDIS_URL"), "{output:?}");
    let output = run(dir.path(), &["verify", "--database-url", "postgres://127.0.0.1/x"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("set both, or neither"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_applied_and_reverted() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let url = stores::empty_database().await;
    let migrate = |step: &str| run(dir.path(), &["migrate", step, "--database-url", &url]);
    let status = stdout(&migrate("status"));
    assert!(status.contains("pending") && !status.contains("applied"), "{status}");
    assert!(!stdout(&migrate("up")).contains("pending"));
    let steps = stdout(&migrate("status")).lines().count();
    let refused = migrate("down");
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("waiting_rooms (0 rows)") && said.contains("--yes"), "{said}");
    assert!(!stdout(&migrate("status")).contains("pending"), "nothing was reverted");
    for _ in 0..steps {
        let reverted = run(dir.path(), &["migrate", "down", "--yes", "--database-url", &url]);
        assert!(reverted.status.success(), "{reverted:?}");
    }
    assert!(!stdout(&migrate("status")).contains("applied"));
    assert!(migrate("up").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn unsuitable_stores_are_refused_with_the_setting_to_change() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let empty = stores::empty_database().await;
    let refused = |database: &str, redis: &str, remedy: &str| {
        let message = refusal_to_serve(database, redis);
        assert!(message.contains(remedy), "{message}");
    };
    let unsuitable_redis = |setting: &str| stores::Redis::start_with(&[setting]);
    let evicting = unsuitable_redis("maxmemory-policy allkeys-lru");
    let forgetful = unsuitable_redis("appendonly no");
    let suitable = stores::database().await;
    refused(&empty, &evicting.url(), "run `flashsale migrate up`");
    refused(&suitable, &evicting.url(), "set `maxmemory-policy noeviction`");
    refused(&suitable, &forgetful.url(), "set `appendonly yes`");
    for setting in ["fsync", "full_page_writes"] {
        let postgres = PostgresServer::start_with(&dir.path().join("postgres"), &[(setting, "off")]);
        let postgres = postgres.expect("PostgreSQL starts");
        refused(&postgres.url(), &evicting.url(), &format!("set `{setting} = on`"));
    }
}

#[test]
fn an_admin_token_that_can_be_guessed_is_refused_and_not_shown() {
    let dir = tempfile::tempdir().expect("a directory is created");
    for token in ["", "s3cret", "s3cret-s3cret-s"] {
        for command in ["serve", "local", "config"] {
            let output = program(dir.path()).env("ADMIN_TOKEN", token).arg(command).output().expect("the program runs");
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && message.contains("fewer than 16 characters"), "{command}: {message}");
            assert!(token.is_empty() || !message.contains(token), "{message}");
        }
    }
    let accepted = program(dir.path()).env("ADMIN_TOKEN", "sixteen-letters!").arg("config").output();
    assert!(accepted.expect("the program runs").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_limit_of_open_files_lowers_the_number_of_connections_with_a_warning() {
    let world = World::new().await;
    let dir = tempfile::tempdir().expect("a directory is created");
    let log = dir.path().join("log");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 700 && exec \"$0\" serve --listen 127.0.0.1:0", PROGRAM]).env("LOG", "warn");
    shell.env("DATABASE_URL", &world.database_url).env("REDIS_URL", world.redis.service_url());
    shell.stderr(std::fs::File::create(&log).expect("a file is created"));
    let mut child = shell.spawn().expect("a shell starts");
    let logged = || std::fs::read_to_string(&log).expect("logs are text");
    let lowered = "MAX_CONNECTIONS is lowered from 10000 to 350";
    eventually("the log contains the warning", async || logged().contains(lowered)).await;
    eventually("the warning contains the remedy", async || logged().contains("Raise it to 20512 with `ulimit -n`"))
        .await;
    child.kill().expect("the process runs");
    ended(&mut child).await;
}

/// Creates the tables as the superuser, as versions did that had no roles.
async fn migrate_as_superuser(postgres: &PostgresServer) {
    let archive = until_ok(async || PgArchive::connect(&postgres.url(), 2).await).await;
    until_ok(async || archive.migrate_up().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_service_needs_no_superuser_even_with_older_data() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let older = PostgresServer::start(&dir.path().join("postgres")).expect("PostgreSQL starts");
    migrate_as_superuser(&older).await;
    drop(older);
    let local = Local::start(dir.path()).await;
    let code = local.client.cart("ann", &["1"]).await;
    local.client.purchase(&code).await.expect(200);
    let superuser = local.state["postgres"]["url"].as_str().expect("text");
    let mut connection = PgConnection::connect(superuser).await.expect("PostgreSQL answers");
    let users = "SELECT DISTINCT usename::text FROM pg_stat_activity \
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let users = sqlx::query_scalar::<_, String>(users).fetch_all(&mut connection).await.expect("PostgreSQL answers");
    assert_eq!(users, [roles::SERVICE]);
    succeed(dir.path(), &["purchase", "void", &code, "--reason", "test"]).await;
    let ended = succeed(dir.path(), &["sale", "list"]).await;
    assert!(ended.contains("items=50"), "{ended}");
    succeed(dir.path(), &["verify"]).await;
    succeed(dir.path(), &["migrate", "down", "--yes"]).await;
    assert!(!succeed(dir.path(), &["migrate", "up"]).await.contains("pending"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_containers_create_the_roles_of_the_service_in_new_and_old_volumes() {
    let compose = include_str!("../../docker-compose.yml");
    let (_, script) = compose.split_once("      - |\n").expect("a script");
    let script: Vec<&str> = script.lines().map_while(|line| line.strip_prefix("        ")).collect();
    let roles_file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/infrastructure/postgres/roles.sql");
    let script = script.join("\n").replace("/roles.sql", roles_file);
    let dir = tempfile::tempdir().expect("a directory is created");
    let postgres = PostgresServer::start(&dir.path().join("postgres")).expect("PostgreSQL starts");
    let options = PgConnectOptions::from_str(&postgres.url()).expect("the URL is valid");
    let url = options.to_url_lossy();
    let create_roles = |word: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).env("PGHOST", options.get_host()).env("PGPORT", options.get_port().to_string());
        shell.env("PGUSER", "flashsale").env("PGDATABASE", "flashsale");
        shell.env("PGPASSWORD", url.password().expect("the URL has a password"));
        shell.env("POSTGRES_MIGRATE_PASSWORD", format!("migrate{word}"));
        shell.env("POSTGRES_SERVE_PASSWORD", format!("serve{word}"));
        assert!(shell.status().expect("psql is installed with PostgreSQL").success());
    };
    let as_role = async |user: &str| {
        let url = format!("postgres://{user}@{}:{}/flashsale", options.get_host(), options.get_port());
        PgArchive::connect(&url, 2).await.expect("the role may log in")
    };
    create_roles("1");
    migrate_as_superuser(&postgres).await;
    create_roles("2");
    as_role("flashsale_migrate:migrate2").await.migrate_up().await.expect("the tables belong to the role");
    let archive = as_role("flashsale_serve:serve2").await;
    assert!(archive.migrations().await.expect("the role may read").iter().all(|step| step.is_applied));
    archive.migrate_down().await.expect_err("the role may not change tables");
    for variable in ["POSTGRES_PASSWORD", "POSTGRES_MIGRATE_PASSWORD"] {
        assert!(compose.contains(&format!("    {variable}: \"\"\n")), "the service does not get {variable}");
    }
}

#[test]
fn the_containers_give_the_service_the_rights_of_its_redis_user() {
    let rules = include_str!("../../src/infrastructure/redis/flashsale.acl");
    let words = |text: &str| {
        text.split([' ', '\n', ',', '"', '[', ']']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let compose = words(include_str!("../../docker-compose.yml"));
    let rules = words(&rules.replace("PASSWORD", "${REDIS_PASSWORD}"));
    assert!(compose.contains(&format!("--{rules} environment:")), "{rules}");
}
