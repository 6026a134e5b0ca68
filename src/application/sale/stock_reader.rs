//! The readers of a feed.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::domain::shared::LedgerId;

use super::clock::Clock;
use super::live_sale::LiveSale;
use super::stock_feed::{EndReason, State, StockEvent};
use super::stock_tick::{snapshot_items, totals};

/// A reader of a feed: a position in it.
#[derive(Debug)]
pub struct StockReader {
    sale: Arc<LiveSale>,
    number: usize,
    /// The position of the next delta; `None` before the first snapshot.
    next: Option<u64>,
    /// The reason for which the end follows the first snapshot.
    end: Option<EndReason>,
    is_done: bool,
    conflations: u64,
}

impl StockReader {
    /// A reader who has seen everything up to this entry, or nothing. Only the last entry of a delta of the last minute
    /// on this instance helps; any other reader starts with a snapshot.
    pub fn new(sale: Arc<LiveSale>, seen: Option<LedgerId>, now: DateTime<Utc>) -> Self {
        let feed = &sale.stock_feed;
        let mut state = feed.state();
        let mut projection = sale.projection_mut();
        if !projection.records_changes() && !sale.sale().closed {
            projection.record_changes();
            state.snapshot_items = snapshot_items(&projection);
            state.read_at = Instant::now();
            feed.wanted.notify_one();
        }
        let end = sale.end_of_stock(totals(&projection), now);
        drop(projection);
        let seen = seen.filter(|_| end.is_none());
        let place = seen.and_then(|seen| state.deltas.iter().rposition(|(_, delta)| delta.as_of == seen));
        let next = place.map(|place| state.first + place as u64 + 1);
        drop(state);
        feed.readers.fetch_add(1, Ordering::Relaxed);
        let number = feed.numbers.fetch_add(1, Ordering::Relaxed);
        StockReader { number, next, end, is_done: false, conflations: 0, sale }
    }

    /// Returns the number of this reader among all of the sale.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Takes the number of times since the last call that a snapshot replaced deltas because the reader was slow.
    pub fn take_conflations(&mut self) -> u64 {
        std::mem::take(&mut self.conflations)
    }

    /// Waits for the next event. Returns `None` after the end.
    pub async fn next(&mut self, clock: &Clock) -> Option<StockEvent> {
        let sale = self.sale.clone();
        while !self.is_done {
            let mut woken = pin!(sale.stock_feed.group(self.number).notified());
            woken.as_mut().enable();
            if let Some(event) = self.take(clock.now()) {
                return Some(event);
            }
            woken.await;
        }
        None
    }

    /// Returns the next event, if there is one already.
    pub fn take(&mut self, now: DateTime<Utc>) -> Option<StockEvent> {
        let sale = self.sale.clone();
        let mut state = sale.stock_feed.state();
        let Some(next) = self.next else { return Some(self.start(&mut state, now)) };
        let missed = state.since(next).map(|deltas| deltas.map(|delta| delta.items.len()).sum::<usize>());
        if missed.is_none_or(|items| items > state.snapshot_items) {
            self.conflations += u64::from(state.end_position() - next > 1);
            return Some(self.start(&mut state, now));
        }
        if let Some(delta) = state.since(next).and_then(|mut deltas| deltas.next()) {
            self.next = Some(next + 1);
            return Some(StockEvent::Delta(delta.clone()));
        }
        let end = state.end.or(self.end)?;
        self.is_done = true;
        Some(StockEvent::End(end, sale.projection().as_of()))
    }

    fn start(&mut self, state: &mut State, now: DateTime<Utc>) -> StockEvent {
        self.next = Some(state.end_position());
        StockEvent::Snapshot(self.sale.stock_snapshot(state, now, self.end.is_some()))
    }
}

impl Drop for StockReader {
    fn drop(&mut self) {
        self.sale.stock_feed.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use crate::application::sale::live_sale::sample;
    use crate::application::sale::stock_feed::RESUMABLE;
    use crate::application::sale::stock_tick::{HEARTBEAT, LAST_ENTRIES, Ticked};
    use crate::domain::sale::{LedgerEntry, LedgerEvent, Purchase, SoldUnit};
    use crate::domain::shared::CheckoutCode;

    use super::*;

    const ITEMS: u32 = 600;

    fn sale() -> Arc<LiveSale> {
        Arc::new(sample(ITEMS))
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_165_200, 0).unwrap()
    }

    /// Sells these items, and ticks.
    fn sell(sale: &LiveSale, items: std::ops::Range<u32>) {
        let purchase = Purchase {
            code: CheckoutCode::new(sale.id(), u128::from(items.start)),
            user: "ann".parse().unwrap(),
            request: None,
            units: items.map(|item| SoldUnit { ordinal: item.try_into().unwrap(), unit: 1, slot: 1 }).collect(),
            missed: Vec::new(),
        };
        let id = sale.projection().as_of().next();
        sale.apply(&[LedgerEntry { id, event: LedgerEvent::Sold(purchase) }]);
        sale.tick_stock(now());
    }

    /// Reads all events: `s` is a snapshot, `d` a delta, `e` the end.
    fn read(reader: &mut StockReader) -> String {
        let kind = |event| match event {
            StockEvent::Snapshot(_) => 's',
            StockEvent::Delta(_) => 'd',
            StockEvent::End(..) => 'e',
        };
        let mut kinds = String::new();
        while !reader.is_done
            && let Some(event) = reader.take(now())
        {
            kinds.push(kind(event));
        }
        kinds
    }

    #[test]
    fn a_reader_gets_each_delta_and_a_slow_one_the_latest_snapshot() {
        let sale = sale();
        let reader = || StockReader::new(sale.clone(), None, now());
        let (mut fast, mut slow) = (reader(), reader());
        assert_eq!((read(&mut fast), read(&mut slow)), ("s".into(), "s".into()));
        for tick in 0..5 {
            sell(&sale, tick * 20 + 1..tick * 20 + 21);
            assert_eq!(read(&mut fast), "d");
        }
        assert_eq!((read(&mut slow), slow.take_conflations(), slow.take_conflations()), ("s".into(), 1, 0));
        assert_eq!((fast.take_conflations(), read(&mut reader())), (0, "s".into()));
        sell(&sale, 101..201);
        assert_eq!(
            (read(&mut fast), fast.take_conflations()),
            ("s".into(), 0),
            "a snapshot is shorter than so many items"
        );
    }

    #[test]
    fn a_reader_goes_on_after_the_last_entry_of_a_delta_only() {
        let sale = sale();
        let mut reader = StockReader::new(sale.clone(), None, now());
        read(&mut reader);
        let again = |seen| read(&mut StockReader::new(sale.clone(), Some(seen), now()));
        sell(&sale, 1..3);
        let seen = sale.projection().as_of();
        sell(&sale, 3..5);
        let last = sale.projection().as_of();
        assert_eq!((again(seen), again(last)), ("d".into(), String::new()));
        assert_eq!((again(LedgerId::ZERO), again(LedgerId::MAX)), ("s".into(), "s".into()));
        sale.stock_feed.start_over();
        assert_eq!((again(seen), read(&mut reader)), ("s".into(), "s".into()));
    }

    #[test]
    fn a_feed_that_nobody_reads_rests_and_forgets() {
        let sale = sale();
        assert_eq!(sale.tick_stock(now()), Ticked::Nothing);
        let reader = StockReader::new(sale.clone(), None, now());
        sell(&sale, 1..3);
        drop(reader);
        assert_eq!(sale.tick_stock(now()), Ticked::Nothing);
        sale.stock_feed.state().read_at -= RESUMABLE;
        assert_eq!(sale.tick_stock(now()), Ticked::Unread);
        assert!(!sale.projection().records_changes() && sale.stock_feed.state().deltas.is_empty());
    }

    #[test]
    fn a_quiet_feed_shows_a_sign_of_life_and_ends_with_the_sale() {
        let sale = sale();
        let mut reader = StockReader::new(sale.clone(), None, now());
        assert_eq!((read(&mut reader), sale.tick_stock(now())), ("s".into(), Ticked::Nothing));
        sale.stock_feed.state().woken.1 -= HEARTBEAT;
        assert_eq!((sale.tick_stock(now()), read(&mut reader)), (Ticked::News, "d".into()));
        let ends_at = sale.sale().window.ends_at;
        assert_eq!(sale.tick_stock(ends_at), Ticked::Nothing, "the last entries may be on their way");
        assert_eq!((sale.tick_stock(ends_at + LAST_ENTRIES), read(&mut reader)), (Ticked::News, "e".into()));
    }

    #[test]
    fn a_sale_that_is_sold_out_ends_after_its_last_delta() {
        let sale = sale();
        let mut reader = StockReader::new(sale.clone(), None, now());
        read(&mut reader);
        for tick in 0..ITEMS / 20 {
            sell(&sale, tick * 20 + 1..tick * 20 + 21);
            assert_eq!(read(&mut reader), if tick + 1 == ITEMS / 20 { "de" } else { "d" });
        }
        assert_eq!(read(&mut StockReader::new(sale, None, now())), "se");
    }
}
