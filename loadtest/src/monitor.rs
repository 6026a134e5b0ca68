//! The monitor of a run: polls the sale, and each second adds a point to the timeline and prints a line.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::api::Sale;
use crate::context::RunContext;
use crate::recorder::Second;

const SECOND: Duration = Duration::from_secs(1);
/// The largest age of the units sold in the timeline.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The time for which a rush goes on after the sale sold out, so that the report shows the refusals.
const SOLD_OUT_GRACE: Duration = Duration::from_secs(3);

/// The sales of a run, as the service shows them.
#[derive(Debug)]
pub struct ObservedSales {
    /// Units sold of each sale before the run, and until now.
    units: RefCell<BTreeMap<String, (u64, u64)>>,
    remaining: Cell<u64>,
    /// The number of failed polls, and the last error.
    failed_polls: RefCell<(u64, String)>,
}

impl ObservedSales {
    /// Starts with the sale that is active before the run.
    pub fn new(first: &Sale) -> Self {
        let units = [(first.id.clone(), (first.units_sold, first.units_sold))].into();
        ObservedSales {
            units: RefCell::new(units),
            remaining: Cell::new(first.units_remaining),
            failed_polls: RefCell::default(),
        }
    }

    /// Updates the figures of a sale. A sale that became active during the run had sold nothing before.
    pub fn update(&self, sale: &Sale) {
        self.units.borrow_mut().entry(sale.id.clone()).or_insert((0, 0)).1 = sale.units_sold;
        self.remaining.set(sale.units_remaining);
    }

    /// Returns the units of this sale that were sold before the run.
    pub fn sold_before(&self, sale: &str) -> u64 {
        self.units.borrow().get(sale).map_or(0, |(before, _)| *before)
    }

    /// Returns the units sold since the start of the run.
    pub fn sold(&self) -> u64 {
        self.units.borrow().values().map(|(before, now)| now.saturating_sub(*before)).sum()
    }

    /// Returns the ids of the sales that were active.
    pub fn ids(&self) -> Vec<String> {
        self.units.borrow().keys().cloned().collect()
    }

    fn remaining(&self) -> u64 {
        self.remaining.get()
    }

    fn record_failed_poll(&self, error: String) {
        let mut failed = self.failed_polls.borrow_mut();
        *failed = (failed.0 + 1, error);
    }

    /// Returns the number of failed polls and the last error, if there were any. The timeline shows older figures then.
    pub fn failed_polls(&self) -> Option<(u64, String)> {
        Some(self.failed_polls.borrow().clone()).filter(|(count, _)| *count > 0)
    }
}

/// Monitors the run until dropped. With `until_sold_out` the run ends soon after the sale sold out.
pub async fn monitor(context: &RunContext, sales: &ObservedSales, until_sold_out: bool) {
    tokio::join!(poll_sale(context, sales, until_sold_out), record_seconds(context, sales));
}

/// Polls the active sale. A slow response does not delay the timeline.
async fn poll_sale(context: &RunContext, sales: &ObservedSales, until_sold_out: bool) {
    let mut ticks = interval_at(context.started_at + POLL_INTERVAL, POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match context.client.get_json("/sales/active").await {
            Ok(sale) => sales.update(&sale),
            Err(error) => sales.record_failed_poll(error),
        }
        if until_sold_out && sales.remaining() == 0 {
            context.end_by(Instant::now() + SOLD_OUT_GRACE);
        }
    }
}

/// Ends a second of the timeline at every tick.
async fn record_seconds(context: &RunContext, sales: &ObservedSales) {
    let mut ticks = interval_at(context.started_at + SECOND, SECOND);
    loop {
        ticks.tick().await;
        print_progress(&context.recorder.end_second(context.started_at.elapsed(), sales.sold(), sales.remaining()));
    }
}

/// Prints a line. On a terminal it replaces the line before and is cut at the right edge.
fn print_progress(second: &Second) {
    let (before, after) = if stdout().is_terminal() { ("\r\x1b[2K\x1b[?7l", "\x1b[?7h") } else { ("", "\n") };
    // After a closed pipe the run goes on without progress lines.
    let _shown = write!(
        stdout(),
        "{before}{:4.0} s {:6} requests/s {:5} purchases/s  units: acknowledged {:5} sold {:5} left {:5}  \
         refused {:4}/s  503/429 {}/s  errors {}  p99 {:.1} ms{after}",
        second.at_s,
        second.answers.iter().sum::<u64>(),
        second.acknowledged,
        second.units_acknowledged,
        second.units_sold,
        second.units_remaining,
        second.refusals.iter().sum::<u64>(),
        second.turned_away,
        second.unexpected,
        second.request_latency.p99_ms,
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
    fn units_sold_before_the_run_do_not_count() {
        let sales = ObservedSales::new(&sale("a", 4));
        sales.update(&sale("a", 6));
        assert_eq!((sales.sold(), sales.remaining(), sales.sold_before("a")), (2, 4, 4));
        sales.update(&sale("b", 3));
        assert_eq!((sales.sold(), sales.remaining(), sales.sold_before("b")), (5, 7, 0));
        assert_eq!(sales.ids(), ["a", "b"]);
    }
}
