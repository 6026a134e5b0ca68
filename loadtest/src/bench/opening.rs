//! Opening a sale: from the request of the administrator to the first purchase.

use std::time::Instant;

use super::Error;
use super::connection::Connection;
use super::items::Items;
use super::plan::Plan;
use super::results::Figure;
use super::row::Row;
use super::shop::{START_TIMEOUT, Shop};
use super::shopping::buy_now;

pub async fn measure(shop: &mut Shop<'_>, plan: &Plan) -> Result<Vec<Figure>, Error> {
    let mut figures = Vec::new();
    for items in &plan.opened {
        let started = Instant::now();
        let sale = shop.post_sale(&format!(r#"{{"total_items":{items}}}"#)).await?;
        let created = started.elapsed();
        let sale = Items::all(vec![sale], *items);
        let user = shop.users(1);
        let mut request = Vec::new();
        buy_now(&mut request, user, sale.id(0));
        let mut connection = Connection::open(shop.addresses[0]).await?;
        while connection.exchange(&request).await?.status != 200 {
            shop.wait_until(started + START_TIMEOUT, "a new sale sells").await?;
        }
        let sells = started.elapsed();
        shop.sold.set(shop.sold.get() + 1);
        let figure = |what, took: std::time::Duration| {
            Figure::new(Row::Opening, format!("{items} items, {what}"), took.as_secs_f64() * 1e3, "ms")
        };
        figures.extend([figure("created", created), figure("first purchase", sells)]);
    }
    Ok(figures)
}
