//! The resident memory of the service: with items, and with idle connections that have served a request.

use std::time::Duration;

use tokio::time::sleep;

use super::Error;
use super::plan::Plan;
use super::results::Figure;
use super::row::Row;
use super::services::Services;
use super::shop::Shop;
use crate::cli::raise_file_limit;

/// Time for the service to settle.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Open files besides the connections.
const OTHER_FILES: u64 = 200;

/// Measures services of its own, because memory that was used once is not always given back.
pub async fn measure(services: &Services, plan: &Plan) -> Result<Vec<Figure>, Error> {
    let mut figures = Vec::new();
    let megabytes = |what, value| Figure::new(Row::Memory, what, value, "MB");

    let shop = with_items(services, plan.sold_items).await?;
    let without = shop.processes.service_memory_mb()?;
    figures.push(megabytes(format!("{} items", plan.sold_items), without));
    for count in &plan.idle {
        let what = format!("{} items, {count} idle connections", plan.sold_items);
        if raise_file_limit(*count as u64 + OTHER_FILES)? < *count as u64 + OTHER_FILES {
            figures.push(Figure::skipped(Row::Memory, what));
            continue;
        }
        let connections = shop.connect(*count).await?;
        sleep(SETTLE).await;
        let with = shop.processes.service_memory_mb()?;
        figures.push(megabytes(what, with));
        let each = (with - without) * 1e3 / connections.len() as f64;
        figures.push(Figure::new(Row::Memory, format!("each of {count} idle connections"), each, "kB"));
        drop(connections);
        sleep(SETTLE).await;
    }
    for items in plan.opened.iter().filter(|items| **items != plan.sold_items) {
        let shop = with_items(services, *items).await?;
        figures.push(megabytes(format!("{items} items"), shop.processes.service_memory_mb()?));
    }
    Ok(figures)
}

async fn with_items(services: &Services, items: u64) -> Result<Shop<'_>, Error> {
    let mut shop = Shop::open(services, 1, items).await?;
    shop.items(1).await?;
    sleep(SETTLE).await;
    Ok(shop)
}
