//! The loads of the rows that are measured by connections.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::Error;
use super::connection::Response;
use super::engine::Traffic;
use super::items::Items;
use super::plan::Plan;
use super::requests;
use super::row::Row;
use super::shop::Shop;
use super::shopping::{self, buying, buying_carts, check_out, filling_carts};
use super::traffic::{code_in, numbered, repeated};

/// The highest rates that a load is prepared for. A faster service ends the load early, and loses nothing by that.
const PURCHASES_PER_SECOND: f64 = 40_000.0;
const PURCHASES_PER_SECOND_AND_CONNECTION: f64 = 3_000.0;
const PAYMENTS_PER_SECOND: f64 = 4_000.0;
const PAYMENTS_PER_SECOND_AND_CONNECTION: f64 = 400.0;
const CHECKOUTS_PER_SECOND: f64 = 200_000.0;
const ITEMS_OF_A_CROWD_PER_SECOND: f64 = 10_000.0;
/// Requests that are repeated in turn.
const REPEATED: u64 = 1_000;
/// Time for the filter to learn what was sold.
const FILTER_WAIT: Duration = Duration::from_millis(500);

/// The loads of one row, with what they share.
pub struct Loads {
    row: Row,
    plan: Plan,
    /// A whole sale, none of which is sold.
    unsold: Option<Items>,
    /// Items that are sold, for refusals.
    sold: Option<Items>,
    receipts: Option<Receipts>,
}

/// Purchases that were made before.
#[derive(Clone)]
struct Receipts {
    requests: Vec<Vec<u8>>,
    /// The body of the first response to each request.
    bodies: Rc<[Vec<u8>]>,
}

impl Loads {
    pub fn new(row: Row, plan: &Plan) -> Self {
        Loads { row, plan: plan.clone(), unsold: None, sold: None, receipts: None }
    }

    /// Returns the traffic of a load. What it needs, such as items, carts and receipts, is made before.
    pub async fn traffic(&mut self, shop: &mut Shop<'_>, connections: usize) -> Result<Vec<Box<dyn Traffic>>, Error> {
        let purchases = self.purchases(connections);
        Ok(match self.row {
            Row::Live => {
                repeated(connections, vec![requests::get("/health/live")], |_, response| response.status == 200)
            }
            Row::Refusal => {
                let refused = self.refused(shop).await?;
                repeated(connections, refused, |_, response| shopping::is_sold(response))
            }
            Row::Checkout => self.checkouts(shop, connections).await?,
            Row::Purchase | Row::PurchaseOrder => self.purchases_of(shop, connections, purchases, 1).await?,
            Row::Purchase10 => self.purchases_of(shop, connections, purchases, 10).await?,
            Row::Pay => self.payments(shop, connections).await?,
            Row::BuyNow => {
                let items = shop.items(purchases).await?;
                let users = shop.users(items.count);
                buying(connections, items, users, shop.sold.clone(), |_, _| ())
            }
            Row::HotItem => self.hot_item(shop, connections).await?,
            Row::Replay => {
                let Receipts { requests, bodies } = self.receipts(shop).await?;
                let is_first = move |place: usize, response: Response<'_>| {
                    response.status == 200 && response.body == bodies[place].as_slice()
                };
                repeated(connections, requests, is_first)
            }
            Row::Page => {
                let sale = self.unsold(shop).await?;
                let pages = shopping::pages(sale.sale(), sale.count);
                repeated(connections, pages, |_, response| response.status == 200)
            }
            Row::Crowd => self.crowd(shop, connections).await?,
            Row::SellOut | Row::Expiry | Row::Opening | Row::Recovery => Vec::new(),
            Row::Memory | Row::Burst | Row::Hostile => Vec::new(),
        })
    }

    /// Returns the purchases to prepare for one load.
    fn purchases(&self, connections: usize) -> u64 {
        let rate = PURCHASES_PER_SECOND.min(PURCHASES_PER_SECOND_AND_CONNECTION * connections as f64);
        (rate * self.plan.length.as_secs_f64()) as u64 + 1
    }

    async fn unsold(&mut self, shop: &mut Shop<'_>) -> Result<Items, Error> {
        if let Some(items) = &self.unsold {
            return Ok(items.clone());
        }
        let items = shop.unsold(self.plan.sale_items).await?;
        self.unsold = Some(items.clone());
        Ok(items)
    }

    async fn checkouts(&mut self, shop: &mut Shop<'_>, connections: usize) -> Result<Vec<Box<dyn Traffic>>, Error> {
        let items = self.unsold(shop).await?;
        // Only the users must be new.
        let count = (CHECKOUTS_PER_SECOND * self.plan.length.as_secs_f64()) as u64;
        let users = shop.users(count);
        let write =
            move |number, request: &mut Vec<u8>| check_out(request, users + number, items.id(number % items.count));
        Ok(numbered(connections, count, write, |_, response| response.status == 200))
    }

    async fn purchases_of(
        &self,
        shop: &mut Shop<'_>,
        connections: usize,
        purchases: u64,
        units: u64,
    ) -> Result<Vec<Box<dyn Traffic>>, Error> {
        let items = shop.items(purchases * units).await?;
        let users = shop.users(items.count);
        let codes = Rc::new(RefCell::new(Vec::new()));
        shop.prepare(|connections| filling_carts(connections, items, units, users, codes.clone())).await?;
        Ok(buying_carts(connections, codes.take(), units, shop.sold.clone()))
    }

    /// Pays orders that were bought before, each once.
    async fn payments(&self, shop: &mut Shop<'_>, connections: usize) -> Result<Vec<Box<dyn Traffic>>, Error> {
        let rate = PAYMENTS_PER_SECOND.min(PAYMENTS_PER_SECOND_AND_CONNECTION * connections as f64);
        let items = shop.items((rate * self.plan.length.as_secs_f64()) as u64 + 1).await?;
        let codes = shop.buy(items).await?;
        let count = codes.len() as u64;
        let write = move |number: u64, request: &mut Vec<u8>| shopping::pay(request, &codes[number as usize]);
        Ok(numbered(connections, count, write, |_, response| response.status == 200))
    }

    async fn hot_item(&self, shop: &mut Shop<'_>, connections: usize) -> Result<Vec<Box<dyn Traffic>>, Error> {
        let stock = self.plan.hot_stock;
        let body =
            format!(r#"{{"items":[{{"name":"Hot item","image_url":"/hot.jpg","price":"19.90","stock":{stock}}}]}}"#);
        let sale = Items::all(vec![shop.create_sale(&body).await?], 1);
        let users = shop.users(stock);
        let write = move |number, request: &mut Vec<u8>| shopping::buy_now(request, users + number, sale.id(0));
        let sold = shop.sold.clone();
        let take = move |_, response: Response<'_>| {
            let bought = response.status == 200;
            sold.set(sold.get() + u64::from(bought));
            bought
        };
        Ok(numbered(connections, stock, write, take))
    }

    /// Returns checkouts of sold items.
    async fn refused(&mut self, shop: &mut Shop<'_>) -> Result<Vec<Vec<u8>>, Error> {
        if self.sold.is_none() {
            let items = shop.items(REPEATED.min(self.plan.sale_items / 2)).await?;
            let users = shop.users(items.count);
            let sold = shop.sold.clone();
            shop.prepare(|connections| buying(connections, items.clone(), users, sold, |_, _| ())).await?;
            sleep(FILTER_WAIT).await;
            self.sold = Some(items);
        }
        let requests = self.sold.iter().flat_map(|items| (0..items.count).map(move |number| (items, number)));
        Ok(requests
            .map(|(items, number)| {
                let mut request = Vec::new();
                check_out(&mut request, number, items.id(number));
                request
            })
            .collect())
    }

    /// Returns purchases that were made before, and their receipts.
    async fn receipts(&mut self, shop: &mut Shop<'_>) -> Result<Receipts, Error> {
        if let Some(receipts) = &self.receipts {
            return Ok(receipts.clone());
        }
        let items = shop.items(REPEATED.min(self.plan.sale_items)).await?;
        let users = shop.users(items.count);
        let codes = Rc::new(RefCell::new(Vec::new()));
        shop.prepare(|connections| filling_carts(connections, items, 1, users, codes.clone())).await?;
        let codes = codes.take();
        let count = codes.len();
        let requests: Vec<Vec<u8>> = codes.iter().map(|code| shopping::purchase(code)).collect();
        let bodies = Rc::new(RefCell::new(vec![Vec::new(); count]));
        let (sold, kept, sent) = (shop.sold.clone(), bodies.clone(), requests.clone());
        let take = move |number: u64, response: Response<'_>| {
            sold.set(sold.get() + u64::from(response.status == 200));
            kept.borrow_mut()[number as usize] = response.body.to_vec();
            code_in(response).is_some()
        };
        let write = move |number: u64, request: &mut Vec<u8>| request.extend_from_slice(&sent[number as usize]);
        shop.prepare(|connections| numbered(connections, count as u64, write, take)).await?;
        let receipts = Receipts { requests, bodies: bodies.take().into() };
        self.receipts = Some(receipts.clone());
        Ok(receipts)
    }

    /// Of 50 requests 45 are refused, 2 are checkouts, 2 purchases, and 1 a page.
    async fn crowd(&mut self, shop: &mut Shop<'_>, connections: usize) -> Result<Vec<Box<dyn Traffic>>, Error> {
        let refused = self.refused(shop).await?;
        let wanted = ITEMS_OF_A_CROWD_PER_SECOND.min(PURCHASES_PER_SECOND_AND_CONNECTION * connections as f64);
        let items = shop.items((wanted * self.plan.length.as_secs_f64()) as u64).await?;
        let users = shop.users(items.count);
        let pages = shopping::pages(items.sale(), self.plan.sale_items);
        let rounds = items.count / 4;
        let write = move |number: u64, request: &mut Vec<u8>| {
            let (round, step) = (number / 50, number % 50);
            let item = round * 4 + step.saturating_sub(45);
            match step {
                45 | 46 => check_out(request, users + item, items.id(item)),
                47 | 48 => shopping::buy_now(request, users + item, items.id(item)),
                49 => request.extend_from_slice(&pages[round as usize % pages.len()]),
                _ => request.extend_from_slice(&refused[number as usize % refused.len()]),
            }
        };
        let sold = shop.sold.clone();
        let take = move |number, response: Response<'_>| match number % 50 {
            0..=44 => shopping::is_sold(response),
            47 | 48 => {
                sold.set(sold.get() + u64::from(response.status == 200));
                response.status == 200
            }
            _ => response.status == 200,
        };
        Ok(numbered(connections, rounds * 50, write, take))
    }
}
