//! Runs the program against the real service. `cargo test --workspace` builds both before any test.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_loadtest");

fn service_program() -> PathBuf {
    let service = Path::new(PROGRAM).with_file_name("flashsale");
    assert!(
        service.is_file(),
        "{} is missing: build it with `cargo test --workspace` or `cargo build`",
        service.display()
    );
    service
}

fn load_test(results: &Path, args: &[&str]) -> Command {
    service_program();
    let mut command = Command::new(PROGRAM);
    for name in [
        "BASE_URL",
        "DATABASE_URL",
        "REDIS_URL",
        "DATA_DIR",
        "USERS",
        "RATE",
        "DURATION",
        "ITEMS",
        "PAYMENT_WINDOW",
        "PROGRAM",
        "ROWS",
        "CONNECTIONS",
        "STREAMS",
        "STALLED",
    ] {
        command.env_remove(name);
    }
    // A debug build beside other tests is slow. These tests check results, not latencies.
    command.env("RESULTS", results).env("GOAL_P99", "10s").args(args);
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn report(results: &Path) -> Value {
    let json = std::fs::read(results.join("latest/report.json")).expect("reads the report");
    serde_json::from_slice(&json).expect("parses the report")
}

#[test]
fn a_crowd_buys_from_a_private_service_and_passes() {
    let results = tempfile::tempdir().expect("creates a directory");
    let output =
        load_test(results.path(), &["realistic-stress", "--users", "20", "--duration", "4s", "--items", "1000"])
            .output()
            .expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("\nPASS  realistic-stress: "), "{}", stdout(&output));
    let report = report(results.path());
    assert!(report["acknowledged"].as_u64() > Some(0), "{report}");
    assert_eq!(report["audit"]["sales"][0]["sold_after"], report["units_told"]);
    let page = std::fs::read_to_string(results.path().join("latest/report.html")).expect("reads the page");
    assert!(page.contains("PASS</span>realistic-stress"));
}

#[test]
fn a_crowd_that_must_pay_is_charged_for_what_it_owns() {
    let results = tempfile::tempdir().expect("creates a directory");
    let args = ["realistic-stress", "--users", "40", "--duration", "6s", "--items", "1000", "--payment-window", "2s"];
    let output = load_test(results.path(), &args).output().expect("runs");
    let report = report(results.path());
    let checks = report["checks"].as_array().expect("checks").iter();
    let failed: Vec<&Value> = checks.filter(|check| check["result"] == "fail").map(|check| &check["name"]).collect();
    // A busy machine may be too slow for a few requests.
    assert!(failed.iter().all(|check| **check == "few requests get 503 or 429"), "{}", stdout(&output));
    let orders = &report["audit"]["orders"];
    let count = |field: &Value| field.as_u64().expect("a count");
    assert!(count(&orders["paid"]) > 0 && count(&orders["expired"]) > 0, "{orders}");
    assert_eq!(count(&orders["provider"]["charges"]) - count(&orders["provider"]["refunds"]), count(&orders["paid"]));
    assert!(count(&report["audit"]["sales"][0]["units_returned"]) > 0, "{report}");
    let page = std::fs::read_to_string(results.path().join("latest/report.html")).expect("reads the page");
    assert!(page.contains("<h2>Orders</h2>"));
}

#[test]
fn a_rush_sells_out_and_passes() {
    let results = tempfile::tempdir().expect("creates a directory");
    let output = load_test(results.path(), &["rush", "--rate", "150", "--items", "50"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let report = report(results.path());
    assert_eq!((&report["passed"], &report["units_told"]), (&true.into(), &50.into()));
}

#[test]
fn a_run_without_purchases_fails() {
    let data_dir = tempfile::tempdir().expect("creates a directory");
    let service = Service::start(data_dir.path());
    service.buy_the_only_item();
    let results = tempfile::tempdir().expect("creates a directory");
    let args = ["realistic-stress", "--users", "20", "--duration", "3s", "--base-url", &service.base()];
    let output = load_test(results.path(), &args).env("DATA_DIR", data_dir.path()).output().expect("runs");
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let printed = stdout(&output);
    assert!(
        printed.contains("FAIL  shoppers bought something: 0 purchases, 0 units") && printed.contains("\nFAIL  "),
        "{printed}"
    );
    // No other check fails: `flashsale verify` runs, because DATA_DIR is set, and finds no problems.
    let report = report(results.path());
    let checks = report["checks"].as_array().expect("checks");
    let count = |result: &str| checks.iter().filter(|check| check["result"] == result).count();
    assert_eq!((count("fail"), count("not_run")), (1, 0), "{printed}");
}

#[test]
fn streams_follow_a_sale_until_it_is_sold_out() {
    let results = tempfile::tempdir().expect("creates a directory");
    let args = ["streams", "--streams", "50", "--stalled", "10", "--rate", "150", "--items", "50"];
    let output = load_test(results.path(), &args).output().expect("runs");
    // A debug build beside other tests may be slower than expected.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let json = std::fs::read(results.path().join("latest/streams.json")).expect("reads the results");
    let json: Value = serde_json::from_slice(&json).expect("parses the results");
    let (streaming, stalling) = (&json["streaming"], &json["stalling"]);
    assert_eq!((&streaming["ended"], &stalling["stalled"]), (&50.into(), &10.into()), "{json}");
    assert!(streaming["events"].as_u64() >= Some(100) && streaming["bytes_most"].as_u64() > Some(0), "{json}");
}

#[test]
fn every_row_of_the_bench_works_and_stops_its_service() {
    let results = tempfile::tempdir().expect("creates a directory");
    let temporary = tempfile::tempdir().expect("creates a directory");
    let output =
        load_test(results.path(), &["bench", "--smoke"]).env("TMPDIR", temporary.path()).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let json = std::fs::read(results.path().join("latest/bench.json")).expect("reads the results");
    let json: Value = serde_json::from_slice(&json).expect("parses the results");
    let rows = ["loads", "figures"].into_iter().flat_map(|list| json[list].as_array().expect("a list"));
    let rows: BTreeSet<&str> = rows.map(|row| row["name"].as_str().expect("a name")).collect();
    assert_eq!(rows.len(), 19, "{rows:?}");
    assert!(json["loads"].as_array().expect("a list").iter().all(|load| load["requests"].as_u64() > Some(0)), "{json}");
    let page = std::fs::read_to_string(results.path().join("latest/report.html")).expect("reads the page");
    assert!(page.contains("PASS</span>bench"));
    assert_eq!(std::fs::read_dir(temporary.path()).expect("exists").count(), 0);
}

/// Starts a run with a private service, calls `look` with the state of the service, interrupts the run, and fails unless
/// nothing is left of the service.
fn interrupt(args: &[&str], look: impl FnOnce(&Value)) {
    let results = tempfile::tempdir().expect("creates a directory");
    let temporary = tempfile::tempdir().expect("creates a directory");
    let mut run = load_test(results.path(), args)
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let state = wait_for("the service", || {
        let data_dir = std::fs::read_dir(temporary.path()).ok()?.next()?.ok()?.path();
        state_of(&data_dir)
    });
    look(&state);
    kill_process(Pid::from_child(&run), Signal::INT).expect("exists");
    assert_eq!(run.wait().expect("ends").code(), Some(2));
    for process in ["service", "redis", "postgres"] {
        let pid = &state[process]["pid"];
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{process} still runs");
    }
    assert_eq!(std::fs::read_dir(temporary.path()).expect("exists").count(), 0);
}

#[test]
fn an_interrupted_run_stops_its_service() {
    interrupt(&["realistic-light", "--users", "5"], |_| {});
}

#[test]
fn an_interrupted_bench_stops_its_service_whose_command_line_has_no_token() {
    interrupt(&["bench", "--rows", "live", "--seconds", "60"], |state| {
        let pid = &state["service"]["pid"];
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the service runs");
        let environment = read("environ");
        let token = environment.split('\0').find_map(|variable| variable.strip_prefix("ADMIN_TOKEN="));
        let token = token.filter(|token| !token.is_empty()).expect("a token");
        assert!(!read("cmdline").contains(token), "every user sees a command line");
    });
}

#[test]
fn a_run_that_cannot_start_prints_the_reason() {
    let results = tempfile::tempdir().expect("creates a directory");
    let output = load_test(results.path(), &["rush", "--program", "/nowhere/flashsale"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot start /nowhere/flashsale"), "{output:?}");
}

/// A service that sells one item.
struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start(data_dir: &Path) -> Self {
        let child = Command::new(service_program())
            .args(["local", "--listen", "127.0.0.1:0", "--sale-items", "1"])
            .env("DATA_DIR", data_dir)
            .env("LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let state = wait_for("the service", || state_of(data_dir));
        let address = state["service"]["listen"].as_str().expect("an address").to_owned();
        Service { child, address }
    }

    fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    fn buy_the_only_item(&self) {
        let body = r#"{"request_id":"r","user_id":"ann","item_id":"1","quantity":1}"#;
        wait_for("the only item", || {
            let mut stream = TcpStream::connect(&self.address).ok()?;
            let length = body.len();
            write!(
                stream,
                "POST /api/purchase HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .ok()?;
            let mut response = String::new();
            stream.read_to_string(&mut response).ok()?;
            response.starts_with("HTTP/1.1 200").then_some(())
        });
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // An orderly shutdown ends the stores before the test deletes their data.
        let _sent = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _waited = self.child.wait();
    }
}

fn state_of(data_dir: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(data_dir.join("local.json")).ok()?).ok()
}

fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match poll() {
            Some(found) => return found,
            None => assert!(Instant::now() < deadline, "no {what} within a minute"),
        }
        sleep(Duration::from_millis(50));
    }
}
