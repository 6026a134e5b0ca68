//! Starts and stops the tasks of each live sale.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::application::sale::Shop;
use crate::application::sale::live_sale::LiveSale;
use crate::domain::shared::SaleId;

use super::supervisor::Supervisor;
use super::task_name::TaskName;
use super::{LOCK_EVERY, follower, stock_feed, writer};

pub async fn run(shop: Arc<Shop>, supervisor: Supervisor) {
    // The guards stop the tasks of a sale when it is no longer live, and all of them if this task ends.
    let mut started: HashMap<SaleId, DropGuard> = HashMap::new();
    loop {
        let live = shop.sales.all_live();
        started.retain(|id, _| live.iter().any(|sale| sale.id() == *id));
        for sale in live {
            started.entry(sale.id()).or_insert_with(|| start(&shop, &sale, &supervisor));
        }
        let _woken = timeout(LOCK_EVERY, shop.sale_added.notified()).await;
    }
}

fn start(shop: &Arc<Shop>, sale: &Arc<LiveSale>, supervisor: &Supervisor) -> DropGuard {
    let stop = CancellationToken::new();
    let (its_shop, its_sale) = (shop.clone(), sale.clone());
    let follow = move || follower::run(its_shop.clone(), its_sale.clone());
    supervisor.start_until(stop.clone(), TaskName::Follower, follow);
    let (its_shop, its_sale) = (shop.clone(), sale.clone());
    let feed = move || stock_feed::run(its_shop.clone(), its_sale.clone());
    supervisor.start_until(stop.clone(), TaskName::StockFeed, feed);
    let (its_shop, its_sale) = (shop.clone(), sale.clone());
    let write = move || writer::run(its_shop.clone(), its_sale.clone());
    supervisor.start_until(stop.clone(), TaskName::Writer, write);
    stop.drop_guard()
}
