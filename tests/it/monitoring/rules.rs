//! The files of the alert rules. `make monitoring-check` tests the rules themselves.

use std::fs;
use std::path::Path;

use crate::harness::prometheus::FILES;

fn read(file: impl AsRef<Path>) -> String {
    let path = Path::new(FILES).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the name of each alert and the lines after it.
fn alerts(rules: &str) -> Vec<(&str, &str)> {
    let alerts = rules.split("- alert: ").skip(1);
    alerts.map(|rest| rest.split_once('\n').expect("a name and the lines after it")).collect()
}

#[test]
fn every_alert_has_a_severity_a_description_and_a_runbook() {
    let (rules, wiki) = (read("alerts.rules.yml"), read("../../wiki/Runbooks.md"));
    let alerts = alerts(&rules);
    assert!(alerts.len() > 30, "{} alerts", alerts.len());
    for (name, text) in alerts {
        assert!(text.contains("severity: page") || text.contains("severity: ticket"), "{name} has no severity");
        assert!(text.contains(" summary: ") && text.contains(" description: "), "{name} has no summary or description");
        let link = format!("runbook_url: \"{{{{ $externalLabels.wiki }}}}/Runbooks.md#{}\"", name.to_lowercase());
        assert!(text.contains(&link), "{name} has no {link}");
        assert!(wiki.contains(&format!("\n### {name}\n")), "the wiki has no runbook of {name}");
    }
}

#[test]
fn every_alert_fires_in_a_test() {
    let tests = read("alerts.test.yml") + &read("alerts.hours.test.yml");
    for (name, _) in alerts(&read("alerts.rules.yml")) {
        assert!(tests.contains(&format!("labels: '{{alertname=\"{name}\"}}'")), "{name} fires in no test");
    }
}
