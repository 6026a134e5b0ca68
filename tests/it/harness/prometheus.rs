//! A real Prometheus with the repository's own configuration and rules.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::listening::Listening;

pub const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring/prometheus");

/// What it watches: addresses by job.
pub type Targets<'a> = [(&'a str, Vec<String>)];

/// How much shorter than in the files the time is that an alert must hold before it fires.
const HASTE: u32 = 10;

pub struct Prometheus {
    server: Listening,
    _dir: TempDir,
}

/// A series and its value.
pub type Sample = (Value, f64);

impl Prometheus {
    /// How often it scrapes.
    pub const SCRAPE_EVERY: Duration = Duration::from_secs(1);

    /// Starts one that watches these, in place of what the files name, and sooner than they say.
    pub async fn watching(targets: &Targets<'_>) -> Self {
        let dir = tempfile::Builder::new().prefix("flashsale-test-").tempdir().expect("a directory is made");
        copy_hastened(Path::new(FILES), dir.path());
        fs::create_dir(dir.path().join("targets")).expect("a directory is made");
        for (job, addresses) in targets {
            let file = dir.path().join(format!("targets/{job}.json"));
            fs::write(file, json!([{ "targets": addresses }]).to_string()).expect("written");
        }
        let server = Listening::start("/-/ready", |address| {
            let mut command = Command::new("prometheus");
            command.arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()));
            command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
            command.arg(format!("--web.listen-address={address}"));
            command
        });
        Prometheus { server: server.await, _dir: dir }
    }

    /// What the expression gives now, or what is wrong with it.
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

    /// Its rules, recording and alerting.
    pub async fn rules(&self) -> Vec<Value> {
        let groups = self.get("/api/v1/rules").await["data"]["groups"].take();
        let groups = groups.as_array().expect("a list of groups").iter();
        groups.flat_map(|group| group["rules"].as_array().expect("a list of rules").clone()).collect()
    }

    /// The alerts of this name that are firing.
    pub async fn firing(&self, name: &str) -> Vec<Value> {
        let alerts = self.get("/api/v1/alerts").await["data"]["alerts"].take();
        let alerts = alerts.as_array().expect("a list of alerts").iter();
        alerts.filter(|alert| alert["state"] == "firing" && alert["labels"]["alertname"] == name).cloned().collect()
    }

    async fn get(&self, path: &str) -> Value {
        self.server.client.get(path).await.json()
    }
}

/// Copies the configuration and the rules, and shortens what a test cannot wait for.
fn copy_hastened(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the files are there") {
        let path = entry.expect("the files are there").path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
        let text = fs::read_to_string(&path).expect("a file is text");
        let text: Vec<String> = text.lines().map(hastened).collect();
        fs::write(to.join(name), text.join("\n")).expect("written");
    }
}

fn hastened(line: &str) -> String {
    let (setting, value) = line.split_once(": ").unwrap_or((line, ""));
    let value = match (setting.trim(), humantime::parse_duration(value)) {
        ("scrape_interval" | "scrape_timeout", Ok(_)) => Prometheus::SCRAPE_EVERY,
        ("evaluation_interval" | "interval", Ok(_)) => Prometheus::SCRAPE_EVERY / 2,
        ("for", Ok(time)) => time / HASTE,
        _ => return line.to_owned(),
    };
    format!("{setting}: {}ms", value.as_millis())
}
