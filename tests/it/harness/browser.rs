//! A real browser: Chromium, driven through ChromeDriver.

use std::env;
use std::fmt::Debug;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::{PATIENCE, eventually};

/// A browser with one window and an empty profile.
pub struct Browser {
    pub page: Client,
    shop: String,
    driver: Child,
    /// Kept open: a driver that cannot write ends.
    _output: Lines<BufReader<ChildStdout>>,
}

/// A command of ChromeDriver that the standard does not have.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _url: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// Returns false, and says so, where the tests of the browser cannot run.
pub fn is_installed() -> bool {
    let programs = env::var_os("PATH").unwrap_or_default();
    let has = |name: &str| env::split_paths(&programs).any(|folder| folder.join(name).is_file());
    let is_installed = has("chromedriver") && has("chromium");
    if !is_installed {
        eprintln!("skipped: chromium or chromedriver is missing (make browser installs them)");
    }
    is_installed
}

impl Browser {
    /// Starts a browser for the shop at this address.
    pub async fn start(shop: &str) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut output = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let port = tokio::task::block_in_place(|| port_of(&mut output));
        let options = json!({ "args": [
            "--headless", "--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage", "--disable-gpu",
            "--no-first-run", "--hide-scrollbars", "--window-size=1280,900",
        ] });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(wanted.as_object().expect("an object").clone());
        let page = builder.connect(&format!("http://127.0.0.1:{port}")).await.expect("Chromium starts");
        Browser { page, shop: shop.to_owned(), driver, _output: output }
    }

    /// Opens a page of the shop.
    pub async fn open(&self, path: &str) {
        self.page.goto(&format!("{}{path}", self.shop)).await.expect("the page opens");
    }

    /// Waits for an element, and returns it.
    pub async fn find(&self, selector: &str) -> Element {
        let waiting = self.page.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        waiting.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Waits for an element, and clicks it.
    pub async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Waits until the text of an element contains this one.
    pub async fn reads(&self, selector: &str, expected: &str) {
        let has_text = || async {
            let Ok(element) = self.page.find(Locator::Css(selector)).await else { return false };
            element.text().await.is_ok_and(|text| text.contains(expected))
        };
        eventually(&format!("{selector} reads {expected:?}"), has_text).await;
    }

    /// Waits until the browser is on this path.
    pub async fn is_at(&self, path: &str) {
        let is_there = || async { self.page.current_url().await.is_ok_and(|url| url.path().starts_with(path)) };
        eventually(&format!("the browser is at {path}"), is_there).await;
    }

    /// Runs a script in the page, and returns its result.
    pub async fn run(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script:.200}: {error}"))
    }

    /// Runs a script in every new page before those of the page.
    pub async fn run_first(&self, script: &str) {
        self.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// Sends a command of the Chrome DevTools Protocol.
    pub async fn command(&self, name: &str, params: Value) -> Value {
        let body = json!({ "cmd": name, "params": params });
        self.vendor("goog/cdp/execute", body).await.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Gives the page this size, in CSS pixels.
    pub async fn set_width(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Saves a picture of the page for the wiki.
    pub async fn save(&self, name: &str) {
        let picture = self.page.screenshot().await.expect("a picture");
        let path = format!("{}/wiki/images/{name}.png", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(&path, picture).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Cuts the browser off from the network, or connects it again.
    pub async fn set_offline(&self, offline: bool) {
        let params = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.command("Network.enable", json!({})).await;
        self.command("Network.emulateNetworkConditions", params).await;
    }

    /// Fails if the console shows a violation of the security policy or an exception. Closes the browser.
    pub async fn close(mut self) {
        let log = self.vendor("se/log", json!({ "type": "browser" })).await.expect("a log");
        for line in log.as_array().into_iter().flatten() {
            let message = line["message"].as_str().unwrap_or_default();
            let is_fault = ["Content Security Policy", "Trusted", "Uncaught"].iter().any(|word| message.contains(word));
            assert!(!is_fault, "{message}");
        }
        let _closed = tokio::time::timeout(Duration::from_secs(5), self.page.clone().close()).await;
        self.stop();
    }

    async fn vendor(&self, path: &'static str, body: Value) -> Result<Value, CmdError> {
        self.page.issue_cmd(Vendor { path, body }).await
    }

    fn stop(&mut self) {
        // It may have ended.
        let _killed = self.driver.kill();
        let _status = self.driver.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the port that a driver has chosen.
fn port_of(output: &mut Lines<BufReader<ChildStdout>>) -> u16 {
    let mut lines = output.map_while(Result::ok);
    let port =
        lines.find_map(|line| Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned()));
    port.expect("chromedriver starts").parse().expect("a port")
}
