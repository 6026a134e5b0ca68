//! Pauses of Redis: `make pauses-test` sells a large sale, audits, restores and drops it, and shows how long the commands
//! of the service held Redis.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use flashsale::application::sale::pace::Pace;
use flashsale::domain::sale::{ItemRef, Quantity};
use futures::StreamExt;

use crate::harness::eventually;
use crate::harness::service::{Instance, World};

/// Purchases under way while the sale is sold.
const BUYERS: usize = 256;

/// The test fails if 10 % of the calls of a command take this long. Not the longest one, because other processes and the
/// host interrupt Redis for a few milliseconds now and then, whatever it does. A command that is called once per step is
/// judged by that call.
const PAUSE_MAX: Duration = Duration::from_millis(1);

/// Commands of the test itself, as the statistics name them.
const OF_THE_TEST: [&str; 4] = ["flushall", "config", "slowlog", "info"];

async fn sell_out(shop: &Instance, items: u32) {
    let buying = futures::stream::iter(1..=items).for_each_concurrent(BUYERS, |item| async move {
        let (user, request) = (format!("u{item}").parse().expect("a user"), "r".parse().expect("a request"));
        let item = ItemRef::InCurrentSale(item.try_into().expect("an item"));
        shop.shop.buy_now(&user, &request, item, Quantity::ONE).await.expect("the item is available");
    });
    buying.await;
    shop.archived().await;
}

/// Shows and clears the statistics and the slow log of Redis. Returns the longest time that 10 % of the calls of a command
/// took.
async fn slowest(world: &World, step: &str) -> Duration {
    let entries: Vec<redis::Value> = world.query_redis(&["SLOWLOG", "GET", "100"]).await;
    for entry in entries {
        let (_, _, us, words, ..): (u64, u64, u64, Vec<String>, String, String) =
            redis::from_redis_value(entry).expect("an entry of the slow log");
        println!("  {step}: once {us} us: {}", words.iter().take(6).cloned().collect::<Vec<_>>().join(" "));
    }
    let statistics: String = world.query_redis(&["INFO", "latencystats"]).await;
    world.run_in_redis(&["SLOWLOG", "RESET"]).await;
    world.run_in_redis(&["CONFIG", "RESETSTAT"]).await;
    let mut longest = Duration::ZERO;
    for line in statistics.lines().filter_map(|line| line.strip_prefix("latency_percentiles_usec_")) {
        println!("  {step}: us {line}");
        let (command, percentiles) = line.split_once(':').expect("a command and its percentiles");
        let p90 = percentiles.split(',').find_map(|part| part.strip_prefix("p90=")).expect("the 90th percentile");
        let is_ours = !OF_THE_TEST.iter().any(|other| command.starts_with(other));
        if is_ours {
            longest = longest.max(Duration::from_secs_f64(p90.parse::<f64>().expect("a number") / 1e6));
        }
    }
    longest
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kb = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    status.lines().find(|line| line.starts_with("VmRSS")).and_then(kb).unwrap_or(0) / 1_024
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; run it with `make pauses-test`"]
async fn nothing_holds_redis() {
    let items = std::env::var("ITEMS").ok().and_then(|items| items.parse().ok()).unwrap_or(100_000);
    let world = World::new().await.with(|world| world.settings.sale_items = items);
    world.run_in_redis(&["CONFIG", "SET", "slowlog-log-slower-than", "1000", "slowlog-max-len", "1000"]).await;
    world.run_in_redis(&["CONFIG", "SET", "latency-monitor-threshold", "2"]).await;
    world.run_in_redis(&["CONFIG", "SET", "latency-tracking-info-percentiles", "50 90 99 100"]).await;
    let shop = world.start().await;
    let sale = shop.shop.current_sale().expect("a sale is open");
    let begun = Instant::now();
    sell_out(&shop, items).await;
    println!("{items} items, {} MB: sold in {:?}", resident_mb(), begun.elapsed());
    let mut longest = slowest(&world, "open and sell").await;

    let begun = Instant::now();
    let checked = shop.shop.archive.check(sale.id()).await.expect("PostgreSQL answers");
    println!("check in PostgreSQL: {:?}", begun.elapsed());
    assert_eq!(checked.sold, u64::from(items));
    for (name, mut pace) in [("verification", Pace::without_pauses()), ("audit", Pace::of_an_audit())] {
        let begun = Instant::now();
        let findings = shop.shop.verify(&sale.sale(), &mut pace).await.expect("the stores answer");
        println!("{name}: {:?}, of which Redis at most {:?}; {} MB", begun.elapsed(), pace.redis_time, resident_mb());
        assert!(findings.is_sound() && findings.sold == u64::from(items), "{findings}");
        longest = longest.max(slowest(&world, name).await);
    }

    let epoch = shop.epoch();
    world.run_in_redis(&["FLUSHALL", "ASYNC"]).await;
    let begun = Instant::now();
    eventually("the sale is restored", || async { shop.epoch().is_some() && shop.epoch() > epoch }).await;
    println!("recovery: {:?}; {} MB", begun.elapsed(), resident_mb());
    longest = longest.max(slowest(&world, "recovery").await);
    // The sale is still there, so this recovery also deletes it.
    let epoch = shop.epoch();
    world.run_in_redis(&["SCRIPT", "FLUSH"]).await;
    eventually("the sale is restored", || async { shop.epoch().is_some() && shop.epoch() > epoch }).await;
    longest = longest.max(slowest(&world, "recovery of what was there").await);
    shop.assert_sound(items.into()).await;

    shop.shop.store.retire(sale.id(), shop.shop.clock.now()).await.expect("Redis answers");
    let begun = Instant::now();
    let due = shop.shop.clock.now() + TimeDelta::minutes(1);
    shop.shop.store.drop_retired(due).await.expect("Redis answers");
    println!("dropped in {:?}", begun.elapsed());
    longest = longest.max(slowest(&world, "drop").await);
    let latency: redis::Value = world.query_redis(&["LATENCY", "LATEST"]).await;
    println!("latency latest: {latency:?}");
    println!("longest p90: {longest:?}");
    assert!(longest < PAUSE_MAX, "a command held Redis for {longest:?}");
}
