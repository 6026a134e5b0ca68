//! Collects the changes of one sale for the readers of its feed.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use crate::application::sale::Shop;
use crate::application::sale::live_sale::LiveSale;
use crate::application::sale::stock_tick::Ticked;

pub async fn run(shop: Arc<Shop>, sale: Arc<LiveSale>) {
    loop {
        let begun = Instant::now();
        match sale.tick_stock(shop.clock.now()) {
            Ticked::News => sale.stock_feed.wake().await,
            Ticked::Nothing => {}
            Ticked::Unread => sale.stock_feed.wanted().await,
        }
        sleep_until(begun + sale.stock_feed.tick()).await;
    }
}
