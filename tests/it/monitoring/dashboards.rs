//! The files of the dashboards.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::expressions::parsed;

const GRAFANA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/monitoring/grafana");

/// Panel types of Grafana 13 that are not deprecated.
const TYPES: [&str; 6] = ["timeseries", "stat", "gauge", "bargauge", "heatmap", "row"];

/// Columns of the grid of Grafana.
const COLUMNS: u64 = 24;

pub struct Dashboard(Value);

/// An expression of a panel with its variables replaced.
pub struct Query {
    /// The dashboard and the panel, for messages.
    pub place: String,
    pub expression: String,
}

impl Dashboard {
    /// Reads all dashboards.
    pub fn all() -> Vec<Self> {
        let files = fs::read_dir(format!("{GRAFANA}/dashboards")).expect("the directory exists");
        let read = |path| {
            serde_json::from_str(&fs::read_to_string(path).expect("a dashboard is text")).expect("a dashboard is JSON")
        };
        files.map(|file| Dashboard(read(file.expect("the directory can be read").path()))).collect()
    }

    fn title(&self) -> &str {
        text(&self.0["title"])
    }

    fn panels(&self) -> &[Value] {
        list(&self.0["panels"])
    }

    /// Returns the expressions of the panels, with the initial values of the variables.
    pub fn queries(&self, rate_interval: &str) -> Vec<Query> {
        let query = |panel: &Value, target: &Value| Query {
            place: format!("{}: {}", self.title(), text(&panel["title"])),
            expression: self.replaced(text(&target["expr"]), rate_interval),
        };
        let of_panel = |panel: &Value| list(&panel["targets"]).iter().map(|target| query(panel, target)).collect();
        let panels = self.panels().iter().filter(|panel| panel["type"] != "row");
        panels.flat_map::<Vec<Query>, _>(of_panel).collect()
    }

    fn replaced(&self, expression: &str, rate_interval: &str) -> String {
        let mut expression = expression.replace("$__rate_interval", rate_interval);
        for variable in list(&self.0["templating"]["list"]) {
            let value =
                if variable["includeAll"] == true { &variable["allValue"] } else { &variable["current"]["value"] };
            expression = expression.replace(&format!("${}", text(&variable["name"])), text(value));
        }
        assert!(!expression.contains('$'), "an unknown variable: {expression}");
        expression
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not a number"))
}

#[test]
fn dashboards_have_unique_names_and_refresh_every_five_seconds() {
    let dashboards = Dashboard::all();
    let of = |field: &str| dashboards.iter().map(|board| text(&board.0[field]).to_owned()).collect::<BTreeSet<_>>();
    let uids = ["sale", "golden-signals", "pipeline", "orders", "resources"].map(|name| format!("flashsale-{name}"));
    assert_eq!(of("uid"), uids.into());
    assert_eq!(of("title").len(), dashboards.len());
    assert_eq!(of("refresh"), ["5s".to_owned()].into());
}

#[test]
fn every_panel_has_a_description_a_unit_and_legends() {
    for dashboard in Dashboard::all() {
        let mut ids = BTreeSet::new();
        for panel in dashboard.panels() {
            let place = format!("{}: {}", dashboard.title(), text(&panel["title"]));
            assert!(ids.insert(number(&panel["id"])), "{place}: another panel has the same id");
            assert!(TYPES.contains(&text(&panel["type"])), "{place}: the type {} is not allowed", panel["type"]);
            if panel["type"] == "row" {
                continue;
            }
            assert!(!text(&panel["description"]).is_empty(), "{place} has no description");
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(!text(&defaults["unit"]).is_empty(), "{place} has no unit");
            assert!(!list(&defaults["thresholds"]["steps"]).is_empty(), "{place} has no thresholds");
            let targets = list(&panel["targets"]);
            assert!(!targets.is_empty(), "{place} has no expressions");
            let refs: BTreeSet<_> = targets.iter().map(|target| text(&target["refId"])).collect();
            assert_eq!(refs.len(), targets.len(), "{place}: two expressions have the same refId");
            let has_legend = |target: &Value| !text(&target["legendFormat"]).is_empty();
            assert!(
                targets.len() == 1 || targets.iter().all(has_legend),
                "{place}: several expressions without legends"
            );
        }
    }
}

#[test]
fn panels_fill_the_grid_without_overlap() {
    for dashboard in Dashboard::all() {
        let mut taken = BTreeSet::new();
        for panel in dashboard.panels() {
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| number(&panel["gridPos"][side]));
            assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{}: {}", dashboard.title(), panel["title"]);
            for cell in (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))) {
                assert!(taken.insert(cell), "{}: {} covers another", dashboard.title(), panel["title"]);
            }
        }
        let lines = taken.iter().map(|(_, line)| line + 1).max().unwrap_or_default();
        assert_eq!(taken.len() as u64, lines * COLUMNS, "{} has holes", dashboard.title());
    }
}

#[test]
fn every_panel_queries_the_provisioned_source_in_valid_promql() {
    let provisioned = fs::read_to_string(format!("{GRAFANA}/provisioning/datasources/prometheus.yml")).expect("text");
    for dashboard in Dashboard::all() {
        for panel in dashboard.panels().iter().filter(|panel| panel["type"] != "row") {
            for source in list(&panel["targets"]).iter().chain([panel]).map(|part| &part["datasource"]) {
                assert_eq!(source["type"], "prometheus");
                let uid = format!("uid: {}\n", text(&source["uid"]));
                assert!(provisioned.contains(&uid), "{}: {uid} is not provisioned", panel["title"]);
            }
        }
        for query in dashboard.queries("8s") {
            parsed(&query.expression);
        }
    }
}
