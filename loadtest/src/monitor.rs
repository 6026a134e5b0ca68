//! Once a second: what the service says is sold, a point of the timeline, and a line for who is watching.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::api::Sale;
use crate::recorder::Second;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
/// How old what is shown as sold may be.
const FOLLOW: Duration = Duration::from_millis(50);
/// How long people still come when everything is sold: the refusals belong to the picture.
const AFTER_THE_LAST: Duration = Duration::from_secs(3);

/// The sales of a run, as the service tells.
#[derive(Debug)]
pub struct Sales {
    /// Units sold of each sale before the run, and by now.
    units: RefCell<BTreeMap<String, (u64, u64)>>,
    remaining: RefCell<u64>,
}

impl Sales {
    /// Beginning with the sale that is on before anybody comes.
    pub fn new(first: &Sale) -> Self {
        let units = [(first.id.clone(), (first.units_sold, first.units_sold))].into();
        Sales { units: RefCell::new(units), remaining: RefCell::new(first.units_remaining) }
    }

    /// Notes how far a sale is. One that was not on before the run has sold nothing before it.
    pub fn see(&self, sale: &Sale) {
        self.units.borrow_mut().entry(sale.id.clone()).or_insert((0, 0)).1 = sale.units_sold;
        *self.remaining.borrow_mut() = sale.units_remaining;
    }

    /// Units sold of this sale before the run.
    pub fn sold_before(&self, sale: &str) -> u64 {
        self.units.borrow().get(sale).map_or(0, |(before, _)| *before)
    }

    /// Units sold since the run began.
    pub fn sold(&self) -> u64 {
        self.units.borrow().values().map(|(before, now)| now.saturating_sub(*before)).sum()
    }

    /// The sales that were on.
    pub fn ids(&self) -> Vec<String> {
        self.units.borrow().keys().cloned().collect()
    }

    fn remaining(&self) -> u64 {
        *self.remaining.borrow()
    }
}

/// Watches until it is dropped. With `until_sold_out` the run ends soon after the sale is.
pub async fn watch(world: &World, sales: &Sales, until_sold_out: bool) {
    tokio::join!(follow(world, sales, until_sold_out), keep_time(world, sales));
}

/// Asks the service. It may take its time, and must not hold up the timeline.
async fn follow(world: &World, sales: &Sales, until_sold_out: bool) {
    let mut ticks = interval_at(world.started_at + FOLLOW, FOLLOW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Ok(sale) = world.client.read("/sales/active").await {
            sales.see(&sale);
        }
        if until_sold_out && sales.remaining() == 0 {
            world.end_by(Instant::now() + AFTER_THE_LAST);
        }
    }
}

/// Ends the seconds of the timeline.
async fn keep_time(world: &World, sales: &Sales) {
    let mut ticks = interval_at(world.started_at + SECOND, SECOND);
    loop {
        ticks.tick().await;
        show(&world.recorder.end_second(world.started_at.elapsed(), sales.sold(), sales.remaining()));
    }
}

/// One line, drawn over the one before on a terminal, and cut off where the terminal ends.
fn show(second: &Second) {
    let (before, after) = if stdout().is_terminal() { ("\r\x1b[2K\x1b[?7l", "\x1b[?7h") } else { ("", "\n") };
    // A closed pipe ends nothing but the progress.
    let _shown = write!(
        stdout(),
        "{before}{:4.0} s {:6} requests/s {:5} bought/s  told {:5} sold {:5} left {:5}  refused {:4}/s 503 {}/s \
         errors {}  p99 {:.1} ms{after}",
        second.at_s,
        second.answers.iter().sum::<u64>(),
        second.acknowledged,
        second.units_told,
        second.units_sold,
        second.units_remaining,
        second.refusals.iter().sum::<u64>(),
        second.turned_away,
        second.unexpected,
        second.requests.p99_ms,
    );
    let _flushed = stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(id: &str, units_sold: u64) -> Sale {
        let json = serde_json::json!({"id": id, "total_items": 10, "per_user_limit": 10, "items_remaining": 1,
            "units_sold": units_sold, "units_remaining": 10 - units_sold});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_was_sold_before_the_run_does_not_count() {
        let sales = Sales::new(&sale("a", 4));
        sales.see(&sale("a", 6));
        assert_eq!((sales.sold(), sales.remaining(), sales.sold_before("a")), (2, 4, 4));
        sales.see(&sale("b", 3));
        assert_eq!((sales.sold(), sales.remaining(), sales.sold_before("b")), (5, 7, 0));
        assert_eq!(sales.ids(), ["a", "b"]);
    }
}
