//! `make bench-growth`: the cost of a request with more items, instances, live sales and connections.

use super::Error;
use super::loads::Loads;
use super::plan::Plan;
use super::row::Row;
use super::run::{Bench, Load};
use super::shop::Shop;

const ROWS: [Row; 3] = [Row::Checkout, Row::Purchase, Row::BuyNow];

/// One size of the service and its load.
#[derive(Debug, Clone, Copy)]
struct Size {
    items: u64,
    instances: usize,
    sales: usize,
    connections: usize,
}

const USUAL: Size = Size { items: 99_999, instances: 1, sales: 1, connections: 64 };

/// Few enough sales that the periodic ones fit beside them: at most 60 may be live.
const SALES_MAX: usize = 57;
/// The service processes at most 8,000 requests at once.
const CONNECTIONS_MAX: usize = 7_900;

fn sizes() -> Vec<(String, Size)> {
    let items = [10_000, 99_999].map(|items| (format!("{items} items"), Size { items, ..USUAL }));
    let instances = [2, 3].map(|instances| (format!("{instances} instances"), Size { instances, ..USUAL }));
    let sales =
        [10, SALES_MAX].map(|sales| (format!("{sales} sales of 10000 items"), Size { items: 10_000, sales, ..USUAL }));
    let connections = [100, 1_000, CONNECTIONS_MAX]
        .map(|connections| (format!("{connections} connections"), Size { connections, ..USUAL }));
    items.into_iter().chain(instances).chain(sales).chain(connections).collect()
}

pub async fn measure(bench: &mut Bench<'_>, plan: &Plan) {
    for (title, size) in sizes() {
        for row in ROWS {
            if let Err(error) = measure_size(bench, plan, &title, size, row).await {
                bench.fail(&format!("{}, {title}: {error}", row.name()));
            }
        }
    }
}

async fn measure_size(bench: &mut Bench<'_>, plan: &Plan, title: &str, size: Size, row: Row) -> Result<(), Error> {
    let Size { items, instances, sales, connections } = size;
    let mut shop = Shop::open(bench.services, sales, items).await?;
    for _ in 1..instances {
        shop.add_instance().await?;
    }
    let plan = Plan { sale_items: items, ..plan.clone() };
    let mut loads = Loads::new(row, &plan);
    let load = Load { shop: &mut shop, loads: &mut loads, connections, plan: &plan };
    let name = format!("{}, {title}", row.name());
    bench.load(load, &name, &name).await?;
    if let Some(fault) = shop.verify().await? {
        bench.fail(&format!("{name}: {fault}"));
    }
    Ok(())
}
