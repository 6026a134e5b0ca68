//! `make bench-growth`: the cost of a request with more items, instances, live sales and connections.

use super::Error;
use super::loads::Loads;
use super::plan::Plan;
use super::results::Figure;
use super::row::Row;
use super::run::{Bench, Load};
use super::shop::Shop;
use crate::cli::raise_file_limit;

/// The rows of each size. Those that sell nothing come first, because they need whole sales.
const ROWS: [Row; 5] = [Row::Checkout, Row::Page, Row::Refusal, Row::Purchase, Row::BuyNow];

/// One size of the service and its load.
#[derive(Debug, Clone, Copy)]
struct Size {
    items: u64,
    instances: usize,
    sales: usize,
    connections: usize,
}

const USUAL: Size = Size { items: 100_000, instances: 1, sales: 1, connections: 64 };

/// At most 60 sales may be live, and one of them is the periodic one.
const SALES_MAX: usize = 59;
/// Open files besides the connections.
const OTHER_FILES: u64 = 600;

fn sizes() -> Vec<(String, Size)> {
    let items = [10_000, 100_000, 1_000_000].map(|items| (format!("{items} items"), Size { items, ..USUAL }));
    let instances = [2, 3].map(|instances| (format!("{instances} instances"), Size { instances, ..USUAL }));
    let connections =
        [100, 1_000, 10_000].map(|connections| (format!("{connections} connections"), Size { connections, ..USUAL }));
    // The groups of a sale are as large as its share of the connections allows.
    let sales = [(10, 64), (SALES_MAX, 64), (SALES_MAX, 1_000)].map(|(sales, connections)| {
        let title = format!("{sales} sales, {connections} connections");
        (title, Size { items: 10_000, sales, connections, ..USUAL })
    });
    [&items[..], &instances, &connections, &sales].concat()
}

pub async fn measure(bench: &mut Bench<'_>, plan: &Plan) {
    for (title, size) in sizes() {
        if let Err(error) = measure_size(bench, plan, &title, size).await {
            bench.fail(&format!("{title}: {error}"));
        }
    }
}

async fn measure_size(bench: &mut Bench<'_>, plan: &Plan, title: &str, size: Size) -> Result<(), Error> {
    let Size { items, instances, sales, connections } = size;
    let files = connections as u64 + OTHER_FILES;
    if raise_file_limit(files)? < files {
        bench.figures.extend(ROWS.map(|row| Figure::skipped(row, title.to_owned())));
        return Ok(());
    }
    let mut shop = Shop::open(bench.services, sales, items).await?;
    for _ in 1..instances {
        shop.add_instance().await?;
    }
    let plan = Plan { sale_items: items, ..plan.clone() };
    for row in ROWS {
        let mut loads = Loads::new(row, &plan);
        let load = Load { shop: &mut shop, loads: &mut loads, connections, plan: &plan };
        let name = format!("{}, {title}", row.name());
        bench.load(load, &name, &name).await?;
    }
    bench.check(&mut shop, title).await
}
