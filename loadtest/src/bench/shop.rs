//! A private service with sales, as the rows need it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Error;
use super::connection::{Connection, Response};
use super::engine::{Connections, Measured, RETRY_AFTER, Traffic};
use super::items::Items;
use super::processes::Processes;
use super::redis_server::{Pauses, RedisServer};
use super::requests;
use super::services::Services;
use super::shopping::buying;
use super::traffic::code_in;
use crate::verify::{self, Findings};

/// Time for a new sale or instance to serve.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(1);
/// Connections for what a row needs before it is measured.
const PREPARING_CONNECTIONS: usize = 64;
/// No preparation takes this long.
const PREPARING_TIME: Duration = Duration::from_secs(600);

/// Returns the settings that all instances must share. The periodic sale is not used, so it is small, and so long that no
/// other follows it during a bench.
fn settings(token: &str) -> [(&str, &str); 3] {
    [("SALE_ITEMS", "1"), ("SALE_EVERY", "365days"), ("ADMIN_TOKEN", token)]
}

/// The setting that makes the service start a payment provider. No sale of a bench is created with it, for those of an
/// administrator have windows of their own.
const WITH_PROVIDER: (&str, &str) = ("PAYMENT_WINDOW", "1h");

/// A running service.
pub struct Shop<'a> {
    services: &'a Services,
    pub addresses: Vec<SocketAddr>,
    pub processes: Processes,
    pub redis: RedisServer,
    /// URL of a user of PostgreSQL who may do everything.
    pub postgres_url: String,
    token: String,
    /// Items of a new sale.
    sale_items: u64,
    /// Sales that are created together and share the load.
    sales: usize,
    /// The time in which purchases in new sales must be paid, if they must be.
    payment_window: Option<Duration>,
    rest: Items,
    users: u64,
    /// Units sold, as the service acknowledged them.
    pub sold: Rc<Cell<u64>>,
}

impl<'a> Shop<'a> {
    /// Starts a service. Its items will come from `sales` sales at a time, each with `sale_items` items.
    pub async fn open(services: &'a Services, sales: usize, sale_items: u64) -> Result<Self, Error> {
        Self::open_with(services, sales, sale_items, &[]).await
    }

    /// Does the same with a payment provider.
    pub async fn open_with_provider(services: &'a Services, sales: usize, sale_items: u64) -> Result<Self, Error> {
        Self::open_with(services, sales, sale_items, &[WITH_PROVIDER]).await
    }

    async fn open_with(
        services: &'a Services,
        sales: usize,
        sale_items: u64,
        more: &[(&str, &str)],
    ) -> Result<Self, Error> {
        let token = format!("{:032x}", rand::random::<u128>());
        let state = services.start(&[&settings(&token), more].concat()).await?;
        let shop = Shop {
            services,
            addresses: vec![state.service.listen],
            processes: Processes::new(&state),
            redis: RedisServer::connect(&state.redis.url)?,
            postgres_url: state.postgres.url,
            token,
            sale_items,
            sales,
            payment_window: None,
            rest: Items::all(vec![String::new()], 0),
            users: 0,
            sold: Rc::default(),
        };
        shop.wait_for_instance(state.service.listen).await?;
        Ok(shop)
    }

    /// Starts another instance with the same stores, before any sale is created.
    pub async fn add_instance(&mut self) -> Result<(), Error> {
        let (pid, address) = self.services.start_instance(&settings(&self.token)).await?;
        self.processes.service.push(pid);
        self.addresses.push(address);
        self.wait_for_instance(address).await
    }

    /// Waits until an instance shows the periodic sale. Before that it creates no sale either.
    async fn wait_for_instance(&self, address: SocketAddr) -> Result<(), Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Ok(mut connection) = Connection::open(address).await
                && connection.exchange(&requests::get("/sales/active")).await?.status == 200
            {
                return Ok(());
            }
            self.wait_until(deadline, "an instance serves").await?;
        }
    }

    /// Lets further items come from sales in which purchases must be paid within this time, or from sales without orders.
    pub fn sell_with(&mut self, payment_window: Option<Duration>) {
        if self.payment_window != payment_window {
            self.payment_window = payment_window;
            self.leave_sales();
        }
    }

    /// Lets further items come from new sales.
    pub fn leave_sales(&mut self) {
        self.rest = Items::all(vec![String::new()], 0);
    }

    /// Buys items, each for a new user. Returns the codes of the purchases.
    pub async fn buy(&mut self, items: Items) -> Result<Vec<String>, Error> {
        let users = self.users(items.count);
        let codes = Rc::new(RefCell::new(Vec::new()));
        let (sold, kept) = (self.sold.clone(), codes.clone());
        let keep = move |_, response: Response<'_>| kept.borrow_mut().extend(code_in(response));
        self.prepare(|connections| buying(connections, items, users, sold, keep)).await?;
        Ok(codes.take())
    }

    /// Takes `wanted` items that are not sold, or all items of new sales if these have fewer.
    pub async fn items(&mut self, wanted: u64) -> Result<Items, Error> {
        let (items, rest) = self.first_unsold(wanted).await?;
        self.rest = rest;
        Ok(items)
    }

    /// Returns the same items without taking them, for loads that sell none.
    pub async fn unsold(&mut self, wanted: u64) -> Result<Items, Error> {
        Ok(self.first_unsold(wanted).await?.0)
    }

    /// Returns the items that are sold next, and those that are left then.
    async fn first_unsold(&mut self, wanted: u64) -> Result<(Items, Items), Error> {
        let wanted = wanted.min(self.sale_items * self.sales as u64);
        if let Some(split) = self.rest.split(wanted) {
            return Ok(split);
        }
        let window = self.payment_window.map(|window| format!(r#","payment_window_seconds":{}"#, window.as_secs()));
        let body = format!(r#"{{"total_items":{}{}}}"#, self.sale_items, window.unwrap_or_default());
        let mut sales = Vec::with_capacity(self.sales);
        for _ in 0..self.sales {
            sales.push(self.create_sale(&body).await?);
        }
        self.rest = Items::all(sales, self.sale_items);
        self.rest.split(wanted).ok_or(Error::NotRunning)
    }

    /// Creates a sale and waits until all instances sell it. Returns its id.
    pub async fn create_sale(&self, body: &str) -> Result<String, Error> {
        let created = self.post_sale(body).await?;
        let deadline = Instant::now() + START_TIMEOUT;
        let item = Items::all(vec![created.clone()], 1);
        for address in self.addresses.clone() {
            let mut connection = Connection::open(address).await?;
            loop {
                let mut request = Vec::new();
                requests::post(&mut request, format_args!("/checkout?user_id=probe&id={}", item.id(0)));
                if connection.exchange(&request).await?.status == 200 {
                    break;
                }
                self.wait_until(deadline, "a new sale opens").await?;
            }
        }
        Ok(created)
    }

    /// Creates a sale. Returns its id.
    pub async fn post_sale(&self, body: &str) -> Result<String, Error> {
        let mut request = Vec::new();
        requests::post_json(&mut request, "/admin/sales", &format!("authorization: Bearer {}\r\n", self.token), body);
        let mut connection = Connection::open(self.addresses[0]).await?;
        let deadline = Instant::now() + START_TIMEOUT;
        let response = loop {
            let response = connection.exchange(&request).await?;
            if response.status != 503 || Instant::now() > deadline {
                break response;
            }
            sleep(RETRY_AFTER).await;
        };
        let sale: Option<serde_json::Value> = serde_json::from_slice(response.body).ok();
        match sale.as_ref().and_then(|sale| sale["id"].as_str()).filter(|_| response.status == 201) {
            Some(id) => Ok(id.to_owned()),
            None => Err(Error::Unexpected(format!(
                "POST /admin/sales -> {} {}",
                response.status,
                String::from_utf8_lossy(response.body)
            ))),
        }
    }

    /// Waits a moment, or fails after the deadline.
    pub async fn wait_until(&self, deadline: Instant, what: &'static str) -> Result<(), Error> {
        if Instant::now() > deadline {
            return Err(Error::TimedOut { what, log: self.services.log().to_owned() });
        }
        sleep(POLL).await;
        Ok(())
    }

    /// Returns the number of the first of `count` users who have not bought anything.
    pub fn users(&mut self, count: u64) -> u64 {
        self.users += count;
        self.users - count
    }

    pub async fn connect(&self, connections: usize) -> Result<Connections, Error> {
        Connections::open(&self.addresses, connections).await
    }

    /// Sends requests that a row needs before it is measured. `traffic` makes them for this many connections.
    pub async fn prepare(&self, traffic: impl FnOnce(usize) -> Vec<Box<dyn Traffic>>) -> Result<Measured, Error> {
        let connections = self.connect(PREPARING_CONNECTIONS).await?;
        let measured = connections.run(traffic(PREPARING_CONNECTIONS), PREPARING_TIME).await?;
        match measured.sample {
            Some(sample) => Err(Error::Unexpected(sample)),
            None => Ok(measured),
        }
    }

    /// Compares the stores with each other and with what was acknowledged. Returns the fault, if there is one.
    pub async fn verify(&self) -> Result<Option<String>, Error> {
        let (found, acknowledged) = (self.findings().await?, self.sold.get());
        Ok((!found.is_sound() || found.sold != acknowledged)
            .then(|| format!("{acknowledged} units were acknowledged, and `flashsale verify` found {found:?}")))
    }

    /// Compares the stores with each other.
    pub async fn findings(&self) -> Result<Findings, Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match verify::run(&mut self.services.verify_command().await?).await {
                // A busy machine may need another attempt.
                Err(_) if Instant::now() < deadline => sleep(RETRY_AFTER).await,
                result => return result.map_err(Error::Verify),
            }
        }
    }

    pub fn pauses(&mut self) -> Result<Pauses, Error> {
        Ok(self.redis.pauses()?)
    }
}
