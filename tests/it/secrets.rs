//! Secrets, and the places in which they never appear.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use hyper::Method;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::client::{Answer, Client};
use crate::harness::program::refusal_to_serve;
use crate::harness::stores::{database, service_url};
use crate::program::{Local, program};

const ADMIN_TOKEN: &str = "the-token-of-the-administrator";

/// Collects the command lines of all processes, also of those that end at once, as `ps` would show them.
struct CommandLines {
    stop: Arc<AtomicBool>,
    watcher: JoinHandle<BTreeSet<String>>,
}

impl CommandLines {
    fn watch() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let watch = move || {
            let mut seen = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                let processes = fs::read_dir("/proc").expect("processes are listed").flatten();
                let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
                seen.extend(lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")));
            }
            seen
        };
        CommandLines { stop, watcher: std::thread::spawn(watch) }
    }

    fn seen(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.watcher.join().expect("the watcher does not panic")
    }
}

fn password(url: &str) -> &str {
    let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).expect("a login").0;
    login.split_once(':').expect("a password").1
}

fn text(answer: &Answer) -> String {
    format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body))
}

/// Sends requests that are refused, with secrets in all their places. Returns the answers.
async fn refused(client: &Client, bought: &str, open: &str) -> Vec<String> {
    let json = |path: &str, token: &str, body: String| {
        let request = client.request(Method::POST, path).header("content-type", "application/json");
        (request.header("authorization", format!("Bearer {token}")), body)
    };
    let plain = |method: Method, path: String| (client.request(method, &path), String::new());
    let requests = [
        plain(Method::GET, format!("/purchase/{open}")),
        plain(Method::GET, format!("/checkout/{bought}")),
        plain(Method::GET, format!("/checkout/{bought}0")),
        plain(Method::PUT, format!("/checkout/{open}")),
        plain(Method::GET, format!("/nowhere/{open}?code={bought}")),
        plain(Method::POST, format!("/purchase?code={open}&price=1")),
        plain(Method::POST, format!("/purchase?code={open}&code={bought}")),
        json("/purchase", "", format!(r#"{{"code":"{open}","price":1}}"#)),
        json("/purchase", "", format!(r#"{{"code":"{open}0"}}"#)),
        json("/purchase", "", format!(r#"{{"code":"{open}","partial":"{bought}"}}"#)),
        json("/purchase", "", format!(r#"{{"code":["{open}"]}} {open}"#)),
        json("/admin/sales", &ADMIN_TOKEN[1..], "{}".to_owned()),
        json("/admin/sales", ADMIN_TOKEN, format!(r#"{{"name":"{ADMIN_TOKEN}"}}"#)),
    ];
    let mut answers = Vec::new();
    for (request, body) in requests {
        let answer = client.send(request, &body).await;
        assert!((400..500).contains(&answer.status.as_u16()), "{answer:?}");
        answers.push(text(&answer));
    }
    answers
}

/// Returns the answer to a request while Redis hangs.
async fn failed(local: &Local) -> String {
    let pid = local.state["redis"]["pid"].as_i64().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
    let signal = |signal| kill_process(pid.expect("a pid"), signal).expect("Redis runs");
    signal(Signal::STOP);
    let answer = local.client.checkout("a-user", "4").await.expect(503);
    signal(Signal::CONT);
    text(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_others_can_read_contains_a_secret() {
    let command_lines = CommandLines::watch();
    let dir = tempfile::tempdir().expect("a directory is created");
    let output = |name: &str| File::create(dir.path().join(name)).expect("a file is created");
    let (printed, logged) = (output("printed"), output("logged"));
    let mut local = Local::start_with(&dir.path().join("data"), |command| {
        // A bare `trace` covers only this crate. This filter includes the libraries.
        command.env("LOG", "trace,flashsale=trace").env("ADMIN_TOKEN", ADMIN_TOKEN).stdout(printed).stderr(logged);
    })
    .await;
    let bought = local.client.cart("a-user", &["1", "2"]).await;
    local.client.purchase(&bought).await.expect(200);
    let open = local.client.cart("a-user", &["3"]).await;
    let mut texts = refused(&local.client, &bought, &open).await;
    texts.push(failed(&local).await);
    texts.push(text(&local.client.get("/metrics").await.expect(200)));
    let url = |store: &str| local.state[store]["url"].as_str().expect("a URL").to_owned();
    let (redis, postgres) = (url("redis"), url("postgres"));
    let Output { stdout, stderr, .. } = program(dir.path())
        .args(["config"])
        .envs([("DATABASE_URL", &*postgres), ("REDIS_URL", &*redis), ("ADMIN_TOKEN", ADMIN_TOKEN)])
        .output()
        .expect("the program runs");
    assert!(String::from_utf8_lossy(&stdout).contains("REDIS_URL="));
    texts.extend([stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()));
    local.stop().await;
    let lines = command_lines.seen();
    assert!(["redis-server", "postgres", "initdb"].iter().all(|name| lines.iter().any(|line| line.contains(name))));
    texts.extend(lines);
    for log in ["printed", "logged", "data/redis/redis.log", "data/postgres/postgres.log"] {
        texts.push(fs::read_to_string(dir.path().join(log)).expect("the log is written"));
    }
    for secret in [&bought, &open, ADMIN_TOKEN, password(&redis), password(&postgres), "PASSWORD '"] {
        let found = texts.iter().flat_map(|text| text.lines()).find(|line| line.contains(secret));
        assert!(found.is_none(), "{secret} is in {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_prints_no_password() {
    let suitable = service_url(&database().await);
    let redis = "redis://:s3cret@127.0.0.1:1/";
    let databases = [
        "postgres://me:s3cret@127.0.0.1:port/shop",
        "postgres://me:s3cret@127.0.0.1/shop?sslmode=nonsense",
        "postgres://me:s3cret@127.0.0.1/shop?sslrootcert=/nowhere.pem",
        "mysql://me:s3cret@127.0.0.1/shop",
        "me:s3cret@127.0.0.1",
    ];
    let caches = [
        "redis://:s3cret@127.0.0.1:99999/",
        "redis://:s3cret@127.0.0.1:1/database",
        "rediss://:s3cret@127.0.0.1:1/#nonsense",
        "redis://:s3cret@127.0.0.1:1/?sslrootcert=/nowhere.pem",
        "http://:s3cret@127.0.0.1:1/",
        ":s3cret@127.0.0.1:1",
    ];
    let of_databases = databases.map(|database| refusal_to_serve(database, redis));
    let of_caches = caches.map(|redis| refusal_to_serve(&suitable, redis));
    for message in of_databases.iter().chain(&of_caches) {
        assert!(message.contains("_URL") && !message.contains("s3cret"), "{message}");
    }
}
