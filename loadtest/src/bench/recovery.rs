//! The recovery of a Redis that has lost everything: the time until the sale sells again, and its receipts afterwards.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use super::Error;
use super::connection::{Connection, Response};
use super::plan::Plan;
use super::requests;
use super::results::Figure;
use super::row::Row;
use super::shop::{START_TIMEOUT, Shop};
use super::shopping::buy_now;
use super::traffic::numbered;

pub async fn measure(shop: &mut Shop<'_>, plan: &Plan) -> Result<Vec<Figure>, Error> {
    let spare = shop.items(1).await?;
    let items = shop.items(plan.sold_items).await?;
    let codes = shop.buy(items).await?;
    let before = receipts(shop, &codes).await?;

    shop.redis.lose_everything()?;
    let lost = Instant::now();
    // The command itself took long.
    shop.redis.forget_pauses()?;
    let mut request = Vec::new();
    buy_now(&mut request, shop.users(1), spare.id(0));
    let mut connection = Connection::open(shop.addresses[0]).await?;
    while connection.exchange(&request).await?.status != 200 {
        shop.wait_until(lost + START_TIMEOUT, "the sale sells again").await?;
    }
    let took = lost.elapsed();
    shop.sold.set(shop.sold.get() + 1);

    let after = receipts(shop, &codes).await?;
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    if changed > 0 {
        return Err(Error::Unexpected(format!("{changed} of {} receipts differ after the recovery", codes.len())));
    }
    let what = format!("{} sold, all receipts the same bytes, time until it sells", plan.sold_items);
    Ok(vec![Figure::new(Row::Recovery, what, took.as_secs_f64(), "s")])
}

/// Returns the receipts of these codes.
async fn receipts(shop: &Shop<'_>, codes: &[String]) -> Result<Vec<Vec<u8>>, Error> {
    let shown = Rc::new(RefCell::new(vec![Vec::new(); codes.len()]));
    let paths: Vec<Vec<u8>> = codes.iter().map(|code| requests::get(&format!("/purchase/{code}"))).collect();
    let kept = shown.clone();
    let take = move |number: u64, response: Response<'_>| {
        kept.borrow_mut()[number as usize] = response.body.to_vec();
        response.status == 200
    };
    let write = move |number: u64, request: &mut Vec<u8>| request.extend_from_slice(&paths[number as usize]);
    shop.prepare(|connections| numbered(connections, codes.len() as u64, write, take)).await?;
    Ok(shown.take())
}
