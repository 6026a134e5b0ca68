//! The flood: several times the capacity in an open loop, what is still sold meanwhile, and how soon it is over.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::Error;
use super::items::Items;
use super::open_loop::{Kind, STEP, Step, Tally, Write, buy, offer, send_slow_heads};
use super::processes::CpuTimes;
use super::requests;
use super::results::{Figure, Second};
use super::run::Bench;
use super::shop::Shop;
use super::shopping::{buy_now, check_out};

/// Offered requests during the flood, in multiples of the capacity.
const TIMES: f64 = 5.0;
/// The share of the peak that must be sold during the flood, and again after it.
const SHARE_MIN: f64 = 0.9;
/// Longest time until the peak is reached again.
const BACK_MAX: Duration = Duration::from_secs(10);

const PEAK: Duration = Duration::from_secs(10);
const FLOOD: Duration = Duration::from_secs(20);
/// The pause before a phase, in which nothing is left of the one before.
const PAUSE: Duration = Duration::from_secs(1);

/// Connections of the closed loop, of the open loop, and with slow heads.
const BUYERS: usize = 64;
const FLOOD_CONNECTIONS: usize = 4_000;
const SLOW_HEADS: usize = 200;
/// Open files of the client, and of the service.
pub const OPEN_FILES: u64 = (BUYERS + FLOOD_CONNECTIONS + SLOW_HEADS) as u64 + 500;

/// Items with this stock, and one that is sold out.
const ITEMS: u64 = 10;
const STOCK: u64 = 100_000;

/// The kinds of requests of the flood, in turn.
const FLOOD_MIX: [Part; 10] = [
    Part::Purchase,
    Part::SoldItem,
    Part::Purchase,
    Part::Checkout,
    Part::Purchase,
    Part::Page,
    Part::Purchase,
    Part::ActiveSale,
    Part::Purchase,
    Part::Purchase,
];
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Purchase,
    /// A purchase of an item that is sold out.
    SoldItem,
    /// A checkout of an invented user.
    Checkout,
    Page,
    ActiveSale,
}

/// A phase that was measured.
#[derive(Debug)]
struct Phase {
    name: &'static str,
    seconds: f64,
    steps: Vec<Step>,
    cpu: CpuTimes,
}

impl Phase {
    fn goodput(&self) -> f64 {
        self.steps.iter().map(|step| step.acknowledged).sum::<u64>() as f64 / self.seconds
    }

    fn answered(&self) -> f64 {
        self.steps.iter().map(|step| step.answered).sum::<u64>() as f64 / self.seconds
    }
}

/// A sale under test.
struct Target<'a, 'b> {
    shop: &'a mut Shop<'b>,
    address: SocketAddr,
    items: Items,
    tally: Rc<RefCell<Tally>>,
}

pub async fn measure(bench: &mut Bench<'_>) -> Result<(), Error> {
    let mut shop = Shop::open(bench.services, 1, 1).await?;
    let mut target = Target::open(&mut shop).await?;

    let peak = target.phase("peak", PEAK).await?;
    let rate = TIMES * peak.goodput();
    let before_flood = target.tally.borrow().admitted.clone();
    target.tally.borrow_mut().admitted.clear();
    let flood = target.flood(rate).await?;
    let flood_latencies = std::mem::replace(&mut target.tally.borrow_mut().admitted, before_flood);
    let after = target.phase("after the flood", BACK_MAX).await?;

    let share = flood.goodput() / peak.goodput();
    let back = back_after(&after.steps, SHARE_MIN * peak.goodput());
    for phase in [&peak, &flood, &after] {
        bench.figures.push(figure(format!("{}: purchases that became durable", phase.name), phase.goodput(), "/s"));
        bench.figures.push(figure(format!("{}: requests answered", phase.name), phase.answered(), "/s"));
        let cpu = phase.cpu.per_request(CpuTimes::default(), (phase.seconds * 1e6) as u64);
        bench.figures.push(figure(format!("{}: cores of the client", phase.name), cpu.client, ""));
        bench.figures.push(figure(
            format!("{}: cores of the service and its stores", phase.name),
            cpu.without_client(),
            "",
        ));
    }
    bench.figures.push(figure("flood: requests offered".to_owned(), rate, "/s"));
    bench.figures.push(figure("flood: requests not sent, all connections in use".to_owned(), target.unsent(), ""));
    bench.figures.push(figure("flood: share of the peak".to_owned(), 100.0 * share, "%"));
    let quantile = |quantile| flood_latencies.quantile_ms(quantile);
    bench.figures.push(figure("flood: p50 of admitted purchases".to_owned(), quantile(0.5), "ms"));
    bench.figures.push(figure("flood: p99 of admitted purchases".to_owned(), quantile(0.99), "ms"));
    let back_seconds = back.map_or(f64::INFINITY, |back| back.as_secs_f64());
    bench.figures.push(figure("after the flood: until 90 % of the peak".to_owned(), back_seconds, "s"));
    bench.seconds = target.seconds();

    if share < SHARE_MIN {
        bench.fail(&format!("flood: {:.0} % of the peak were sold", 100.0 * share));
    }
    if back.is_none() {
        bench.fail("flood: the peak was not reached again");
    }
    if let Some(sample) = target.tally.borrow().unexpected.clone() {
        bench.fail(&format!("flood: an unexpected response, {sample}"));
    }
    if let Some(fault) = target.verify().await? {
        bench.fail(&format!("flood: {fault}"));
    }
    Ok(())
}

fn figure(what: String, value: f64, unit: &'static str) -> Figure {
    Figure { name: "flood", title: "flood", what, value: Some(value), unit }
}

impl<'a, 'b> Target<'a, 'b> {
    /// A sale of items that no flood sells out, and of one that is sold out.
    async fn open(shop: &'a mut Shop<'b>) -> Result<Self, Error> {
        let item = |stock: u64| format!(r#"{{"name":"Item","image_url":"/1.jpg","price":"9.90","stock":{stock}}}"#);
        let items: Vec<_> = (0..ITEMS).map(|_| STOCK - 1).chain([1]).map(item).collect();
        let sale = shop.create_sale(&format!(r#"{{"items":[{}]}}"#, items.join(","))).await?;
        let items = Items::all(vec![sale], ITEMS + 1);
        let address = shop.addresses[0];
        let target = Target { shop, address, items, tally: Rc::new(RefCell::new(Tally::new())) };
        let mut request = Vec::new();
        buy_now(&mut request, target.shop.users(1), target.items.id(ITEMS));
        let mut connection = super::connection::Connection::open(address).await?;
        match connection.exchange(&request).await?.status {
            200 => target.shop.sold.set(1),
            status => return Err(Error::Unexpected(format!("POST /api/purchase -> {status}"))),
        }
        Ok(target)
    }

    /// Buys in a closed loop.
    async fn phase(&mut self, name: &'static str, length: Duration) -> Result<Phase, Error> {
        let buying = buy(self.address, BUYERS, length, self.write(&[Part::Purchase]), self.tally.clone());
        self.measure(name, length, buying).await
    }

    /// Offers all kinds of requests at this rate, and slow heads.
    async fn flood(&mut self, rate: f64) -> Result<Phase, Error> {
        let (address, write, tally) = (self.address, self.write(&FLOOD_MIX), self.tally.clone());
        let flooding = async {
            tokio::select! {
                offered = offer(address, FLOOD_CONNECTIONS, rate, FLOOD, write, tally) => offered,
                slow = send_slow_heads(address, SLOW_HEADS) => slow,
            }
        };
        self.measure("flood", FLOOD, flooding).await
    }

    /// Measures a load, after a pause.
    async fn measure(
        &self,
        name: &'static str,
        length: Duration,
        load: impl Future<Output = Result<(), Error>>,
    ) -> Result<Phase, Error> {
        tokio::time::sleep(PAUSE).await;
        let (first, before, begun) = (self.tally.borrow().now(), self.shop.processes.cpu_times()?, Instant::now());
        timeout(length * 3, load).await.map_err(|_| Error::Silent(length * 3))??;
        let cpu = self.shop.processes.cpu_times()?.since(before);
        let tally = self.tally.borrow();
        let steps = tally.steps.get(first..).unwrap_or_default().to_vec();
        Ok(Phase { name, seconds: begun.elapsed().as_secs_f64(), steps, cpu })
    }

    /// Returns the writer of the requests of a mix. Each purchase and each checkout has a user of its own.
    fn write(&mut self, mix: &'static [Part]) -> Rc<Write> {
        // No phase sends more.
        let (users, items) = (self.shop.users(10_000_000), self.items.clone());
        let page = requests::get(&format!("/sales/{}/items?page=1&per_page=20&available=true", items.sale()));
        let active = requests::get("/sales/active");
        Rc::new(move |number, request| {
            let user = users + number;
            match mix[(number % mix.len() as u64) as usize] {
                Part::Purchase => {
                    buy_now(request, user, items.id(number % ITEMS));
                    return Kind::Purchase;
                }
                Part::SoldItem => {
                    buy_now(request, user, items.id(ITEMS));
                    return Kind::Other(410);
                }
                Part::Checkout => check_out(request, user, items.id(number % ITEMS)),
                Part::Page => request.extend_from_slice(&page),
                Part::ActiveSale => request.extend_from_slice(&active),
            }
            Kind::Other(200)
        })
    }

    fn unsent(&self) -> f64 {
        self.tally.borrow().unsent as f64
    }

    /// Returns the timeline by second.
    fn seconds(&self) -> Vec<Second> {
        let tally = self.tally.borrow();
        let per_second = (1_000 / STEP.as_millis()) as usize;
        let sum = |steps: &[Step], count: fn(&Step) -> u64| steps.iter().map(count).sum();
        let second = |steps: &[Step]| Second {
            acknowledged: sum(steps, |step| step.acknowledged),
            refused: sum(steps, |step| step.refused),
            answered: sum(steps, |step| step.answered),
        };
        tally.steps.chunks(per_second).map(second).collect()
    }

    /// Compares the stores with what was acknowledged. A purchase without a clear answer may have been made.
    async fn verify(&self) -> Result<Option<String>, Error> {
        let found = self.shop.findings().await?;
        let tally = self.tally.borrow();
        let acknowledged = self.shop.sold.get() + tally.steps.iter().map(|step| step.acknowledged).sum::<u64>();
        let possible = acknowledged..=acknowledged + tally.unknown;
        Ok((!found.is_sound() || !possible.contains(&found.sold))
            .then(|| format!("{possible:?} units were acknowledged, and `flashsale verify` found {found:?}")))
    }
}

/// Returns the time until the purchases of a whole second reached this rate.
fn back_after(steps: &[Step], per_second: f64) -> Option<Duration> {
    let second = (1_000 / STEP.as_millis()) as usize;
    let reached = |steps: &[Step]| steps.iter().map(|step| step.acknowledged).sum::<u64>() as f64 >= per_second;
    let first = steps.windows(second).position(reached)?;
    Some(STEP * (first + second) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_back_after_the_first_second_that_reaches_it() {
        let steps = |counts: &[u64]| -> Vec<Step> {
            counts.iter().map(|acknowledged| Step { acknowledged: *acknowledged, ..Step::default() }).collect()
        };
        let mut counts = vec![0; 7];
        counts.extend([10; 10]);
        assert_eq!(back_after(&steps(&counts), 100.0), Some(STEP * 17));
        assert_eq!(back_after(&steps(&counts), 50.0), Some(STEP * 12));
        assert_eq!(back_after(&steps(&counts), 101.0), None);
    }
}
