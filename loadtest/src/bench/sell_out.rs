//! The sell-out: from the first request to the last acknowledgement, with the checkouts.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::Error;
use super::engine::Traffic;
use super::plan::Plan;
use super::results::Figure;
use super::row::Row;
use super::shop::Shop;
use super::shopping::check_out;
use super::traffic::CheckoutThenPurchase;

const CONNECTIONS: usize = 256;
const LONGEST: Duration = Duration::from_secs(60);

pub async fn measure(shop: &mut Shop<'_>, plan: &Plan) -> Result<Vec<Figure>, Error> {
    let count = plan.sold_items;
    let mut seconds = Vec::new();
    for _ in 0..plan.sell_outs {
        let items = shop.items(count).await?;
        let users = shop.users(count);
        let next = Rc::new(Cell::new(0));
        let check_out =
            Rc::new(move |number: u64, request: &mut Vec<u8>| check_out(request, users + number, items.id(number)));
        let shopper = |_| {
            let (next, check_out, sold) = (next.clone(), check_out.clone(), shop.sold.clone());
            Box::new(CheckoutThenPurchase { next, count, check_out, sold, code: None }) as Box<dyn Traffic>
        };
        let shoppers = (0..CONNECTIONS).map(shopper).collect();
        let measured = shop.connect(CONNECTIONS).await?.run(shoppers, LONGEST).await?;
        if let Some(sample) = measured.sample {
            return Err(Error::Unexpected(sample));
        }
        seconds.push(measured.elapsed.as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let what = format!("{count} items, {CONNECTIONS} connections, median of {}", seconds.len());
    Ok(vec![Figure::new(Row::SellOut, what, median, "s")])
}
