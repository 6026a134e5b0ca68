//! A real Prometheus with the configuration and the rules of this repository.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http_process::HttpProcess;

/// The directory of the configuration and the rules.
pub const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring/prometheus");

/// Addresses to scrape, by job.
pub type Targets<'a> = [(&'a str, Vec<String>)];

/// Divides the time for which an alert must hold before it fires.
const FOR_DIVISOR: u32 = 10;

pub struct Prometheus {
    server: HttpProcess,
    _dir: TempDir,
}

/// A series and its value.
pub type Sample = (Value, f64);

impl Prometheus {
    /// The interval between scrapes, as in the configuration.
    pub const SCRAPE_INTERVAL: Duration = Duration::from_secs(2);

    /// Starts a Prometheus that scrapes these targets, with alerts that fire earlier than in the files.
    pub async fn start(targets: &Targets<'_>) -> Self {
        let dir = tempfile::Builder::new().prefix("flashsale-test-").tempdir().expect("a directory is created");
        copy_with_earlier_alerts(Path::new(FILES), dir.path());
        fs::create_dir(dir.path().join("targets")).expect("a directory is created");
        for (job, addresses) in targets {
            let file = dir.path().join(format!("targets/{job}.json"));
            fs::write(file, json!([{ "targets": addresses }]).to_string()).expect("a file is written");
        }
        let server = HttpProcess::start("/-/ready", |address| {
            let mut command = Command::new("prometheus");
            command.arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()));
            command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
            command.arg(format!("--web.listen-address={address}"));
            command
        });
        Prometheus { server: server.await, _dir: dir }
    }

    /// Returns the present value of an expression, or the error.
    pub async fn query(&self, expression: &str) -> Result<Vec<Sample>, String> {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
        let answer = self.get(&format!("/api/v1/query?{query}")).await;
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok()).expect("a value is a number");
        let result = &answer["data"]["result"];
        Ok(match answer["data"]["resultType"].as_str() {
            Some("scalar") => vec![(Value::Null, number(&result[1]))],
            _ => {
                let samples = result.as_array().expect("a list of samples").iter();
                samples.map(|sample| (sample["metric"].clone(), number(&sample["value"][1]))).collect()
            }
        })
    }

    /// Returns the recording and alerting rules.
    pub async fn rules(&self) -> Vec<Value> {
        let groups = self.get("/api/v1/rules").await["data"]["groups"].take();
        let groups = groups.as_array().expect("a list of groups").iter();
        groups.flat_map(|group| group["rules"].as_array().expect("a list of rules").clone()).collect()
    }

    /// Returns the firing alerts with this name.
    pub async fn firing(&self, name: &str) -> Vec<Value> {
        let alerts = self.get("/api/v1/alerts").await["data"]["alerts"].take();
        let alerts = alerts.as_array().expect("a list of alerts").iter();
        alerts.filter(|alert| alert["state"] == "firing" && alert["labels"]["alertname"] == name).cloned().collect()
    }

    async fn get(&self, path: &str) -> Value {
        self.server.client.get(path).await.json()
    }
}

/// Copies the configuration and the rules with shorter times, so that tests need not wait for minutes.
fn copy_with_earlier_alerts(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the directory exists") {
        let path = entry.expect("the directory can be read").path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
        let text = fs::read_to_string(&path).expect("a file is text");
        let text: Vec<String> = text.lines().map(with_shorter_time).collect();
        fs::write(to.join(name), text.join("\n")).expect("a file is written");
    }
}

fn with_shorter_time(line: &str) -> String {
    let (setting, value) = line.split_once(": ").unwrap_or((line, ""));
    let value = match (setting.trim(), humantime::parse_duration(value)) {
        ("evaluation_interval" | "interval", Ok(_)) => Prometheus::SCRAPE_INTERVAL / 2,
        ("for", Ok(time)) => time / FOR_DIVISOR,
        _ => return line.to_owned(),
    };
    format!("{setting}: {}ms", value.as_millis())
}
