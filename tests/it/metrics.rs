//! The metrics of a sale and of its audits.

use std::collections::{BTreeMap, BTreeSet};

use flashsale::application::sale::pace::Pace;
use flashsale::infrastructure::http::AdminToken;

use crate::harness::service::{Instance, World};
use crate::harness::{eventually, until_ok};

/// Returns the text of `/metrics`.
async fn text(shop: &Instance) -> String {
    let body = shop.client.get("/metrics").await.expect(200).body;
    String::from_utf8(body.to_vec()).expect("metrics are text")
}

/// Returns the series of a metric that have this label, with their values.
async fn series(shop: &Instance, name: &str, label: &str) -> Vec<(String, f64)> {
    let text = text(shop).await;
    let of_metric = text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
    of_metric
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a series has a value");
            (series.to_owned(), value.parse().expect("a value is a number"))
        })
        .collect()
}

/// Returns the value of a metric of the current sale.
async fn reading(shop: &Instance, name: &str) -> f64 {
    let found = series(shop, name, &format!("sale=\"{}\"", shop.sale())).await;
    let [(_, value)] = found.as_slice() else { panic!("{name} is {found:?}") };
    *value
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_show_the_state_of_a_sale() {
    let world = World::new().await;
    let shop = world.start().await;
    let items: Vec<String> = (1..=3).map(|number| number.to_string()).collect();
    let code = shop.client.cart("ann", &items.iter().map(String::as_str).collect::<Vec<_>>()).await;
    shop.client.purchase(&code).await.expect(200);
    for (name, expected) in [
        ("flashsale_sale_units", 100.0),
        ("flashsale_sale_units_sold", 3.0),
        ("flashsale_sale_units_remaining", 97.0),
        ("flashsale_ledger_entries", 2.0),
        ("flashsale_ledger_pending_entries", 0.0),
        ("flashsale_ledger_lag_seconds", 0.0),
    ] {
        eventually(name, || async { reading(&shop, name).await == expected }).await;
    }
    for (name, expected) in [("flashsale_sold_filter_items", 3.0), ("flashsale_sold_filter_age_seconds", 0.0)] {
        eventually(name, || async { reading(&shop, name).await == expected }).await;
    }
    let (start, end) = (
        reading(&shop, "flashsale_sale_start_timestamp_seconds").await,
        reading(&shop, "flashsale_sale_end_timestamp_seconds").await,
    );
    assert_eq!(end - start, world.settings.sale_every.as_secs_f64());
    let written = reading(&shop, "flashsale_ledger_watermark_timestamp_seconds").await;
    assert!(start <= written && written <= end);
    eventually("attempts are archived", || async { reading(&shop, "flashsale_attempts_pending").await == 0.0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_series_of_a_sale_are_removed_when_it_closes() {
    let world = World::new().await.with(|world| world.http.admin_token = AdminToken::new("secret".to_owned()));
    let shop = world.start().await;
    let admin = |path: &str| {
        let request = shop.client.request(hyper::Method::POST, path);
        request.header("authorization", "Bearer secret").header("content-type", "application/json")
    };
    let made = shop.client.send(admin("/admin/sales"), r#"{"total_items": 5}"#).await.expect(201).json();
    let id = made["id"].as_str().expect("a sale has an id");
    let label = format!("sale=\"{id}\",kind=\"special\",state=\"open\"");
    let has_series = async |label: &str| !series(&shop, "flashsale_sale_units", label).await.is_empty();
    eventually("the sale has series", || has_series(&label)).await;
    let open_sales = async || series(&shop, "flashsale_sales", r#"kind="special",state="open""#).await[0].1;
    assert_eq!(open_sales().await, 1.0);
    shop.client.send(admin(&format!("/admin/sales/{id}/end")), "").await.expect(200);
    let label = format!("sale=\"{id}\"");
    eventually("the series are removed", || async { !has_series(&label).await }).await;
    assert_eq!(open_sales().await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_a_drift_of_one_unit_and_has_it_repaired() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    eventually("the sale is audited", || async {
        series(&shop, "flashsale_audit_units_sold", "").await.iter().any(|(_, sold)| *sold == 1.0)
    })
    .await;
    let drift = || async { series(&shop, "flashsale_audit_findings", "finding=\"drift\"").await[0].1 };
    assert_eq!(drift().await, 0.0);
    world.run_in_redis(&["HSET", &shop.key("units"), "1", "0"]).await;
    eventually("the audit finds the sold unit that is free", || async { drift().await == 1.0 }).await;
    eventually("the sale is repaired", || async { drift().await == 0.0 }).await;
    shop.client.buy_now("bob", "r", "1").await.expect_problem(410, "sold_out");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_reports_no_drift_while_redis_is_restored() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    let sale = shop.shop.current_sale().expect("a sale is open");
    sale.begin_audits(shop.shop.clock.now());
    world.run_in_redis(&["FLUSHALL"]).await;
    let audit = async || shop.shop.audit(&sale, &mut Pace::without_pauses()).await;
    let found = audit().await;
    assert!(!matches!(found, Ok(Some(findings)) if !findings.is_sound()), "{found:?}");
    eventually("the sale is restored", || async {
        matches!(audit().await, Ok(Some(findings)) if findings.is_sound() && findings.sold == 1)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_show_purchases_that_wait_for_postgresql() {
    let world = World::new().await;
    let shop = world.start().await;
    eventually("the opening of the sale is archived", || async {
        !series(&shop, "flashsale_ledger_watermark_timestamp_seconds", "").await.is_empty()
    })
    .await;
    let held = world.lock("LOCK TABLE purchases, checkout_attempts IN EXCLUSIVE MODE").await;
    let code = shop.client.cart("ann", &["1"]).await;
    let (client, bought) = (shop.client.clone(), code.clone());
    let buying = tokio::spawn(async move { client.purchase(&bought).await });
    let waiting = async || text(&shop).await.contains("\nflashsale_purchases_waiting 1\n");
    eventually("the purchase waits", &waiting).await;
    eventually("its entry is pending", || async { reading(&shop, "flashsale_ledger_pending_entries").await == 1.0 })
        .await;
    assert!(reading(&shop, "flashsale_ledger_lag_seconds").await > 0.0);
    eventually("the attempt is pending", || async { reading(&shop, "flashsale_attempts_pending").await == 1.0 }).await;
    held.rollback().await.expect("PostgreSQL answers");
    buying.await.expect("the client does not panic").expect(200);
    assert!(!waiting().await);
    for name in ["flashsale_ledger_pending_entries", "flashsale_ledger_lag_seconds", "flashsale_attempts_pending"] {
        eventually(name, || async { reading(&shop, name).await == 0.0 }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_audits_and_another_takes_over() {
    let world = World::new().await;
    let (one, other) = (world.start().await, world.start().await);
    let audits = async |shop: &Instance| !series(shop, "flashsale_audit_timestamp_seconds", "").await.is_empty();
    eventually("one instance audits", || async { audits(&one).await || audits(&other).await }).await;
    let (auditor, successor) = if audits(&one).await { (one, other) } else { (other, one) };
    assert!(!audits(&successor).await);
    auditor.stop().await;
    eventually("the other instance audits", || async { audits(&successor).await }).await;
}

/// The type and the labels of a metric.
type Shape = (String, BTreeSet<String>);

/// Returns every metric of `/metrics` by name, without those of the process library.
fn exported(text: &str) -> BTreeMap<String, Shape> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let ours = types.filter(|(name, _)| name.starts_with("flashsale_"));
    let shape = |(name, kind): (&str, &str)| {
        let is_of = |line: &&str| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            ["{", " ", "_bucket", "_sum{", "_sum ", "_count"].iter().any(|next| rest.starts_with(next))
        };
        let labels = text.lines().filter(is_of).flat_map(labels).filter(|label| label != "le").collect();
        (name.to_owned(), (kind.to_owned(), labels))
    };
    ours.map(shape).collect()
}

/// Returns the names of the labels of a series.
fn labels(line: &str) -> Vec<String> {
    let inside = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inside, _)| inside);
    let names = inside.split("=\"").map(|part| part.rsplit_once("\",").map_or(part, |(_, name)| name));
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.pop();
    names
}

/// Reads the tables of metrics in the wiki.
fn documented(page: &str) -> BTreeMap<String, Shape> {
    let rows = page.lines().filter(|line| line.starts_with("| `flashsale_"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let labels = cells[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
    };
    rows.map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wiki_lists_every_metric_with_its_type_and_labels() {
    let page = include_str!("../../wiki/Metrics.md");
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    eventually("the sale is audited", || async { !series(&shop, "flashsale_audit_findings", "").await.is_empty() })
        .await;
    let documented = documented(page);
    // Some metrics have their first value after a while.
    let exported = until_ok(async || {
        let exported = exported(&text(&shop).await);
        let unknown: Vec<_> = documented.keys().filter(|name| !exported.contains_key(*name)).collect();
        if unknown.is_empty() { Ok(exported) } else { Err(format!("not in /metrics: {unknown:?}")) }
    })
    .await;
    for (name, shape) in &exported {
        assert_eq!(documented.get(name), Some(shape), "the row of {name} in wiki/Metrics.md");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_of_a_counter_exists_from_the_start() {
    let world = World::new().await;
    let shop = world.start().await;
    let text = text(&shop).await;
    for series in [
        r#"flashsale_task_restarts_total{task="catch_up"}"#,
        r#"flashsale_task_restarts_total{task="auditor"}"#,
        r#"flashsale_rejected_entries_total{reason="unit_sold"}"#,
        r#"flashsale_guard_hits_total{guard="slot_filled"}"#,
        r#"flashsale_recoveries_total{result="failed"}"#,
        r#"flashsale_audits_total{result="unsound"}"#,
        r#"flashsale_redis_errors_total{kind="unreachable"}"#,
        r#"flashsale_postgres_errors_total{kind="busy"}"#,
        r#"flashsale_redis_script_duration_seconds_count{script="end_sale"}"#,
        r#"flashsale_postgres_statement_duration_seconds_count{statement="purchase_by_request"}"#,
        r#"flashsale_purchases_total{kind="buy_now",outcome="items_sold"}"#,
        r#"flashsale_store_failures_total{kind="corrupt"}"#,
    ] {
        assert!(text.contains(&format!("\n{series} ")), "{series} is missing");
    }
}
