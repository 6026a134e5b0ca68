//! The text of events about stock.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::application::sale::stock_feed::{Delta, Detail, EndReason, Snapshot, StockEvent, Totals};
use crate::domain::shared::{LedgerId, Ordinal};
use crate::infrastructure::http::platform::timestamp::as_milliseconds;

/// A sign of life, which readers ignore.
const HEARTBEAT: &[u8] = b":\n\n";

/// Returns the text of an event, as one event of `text/event-stream`. All readers share it.
pub fn of(event: &StockEvent, detail: Detail) -> Bytes {
    match event {
        StockEvent::Snapshot(snapshot) => snapshot.text.get(detail, || of_snapshot(snapshot, detail)),
        StockEvent::Delta(delta) => delta.text.get(detail, || of_delta(delta, detail)),
        StockEvent::End(reason, as_of) => text("end", *as_of, &json(&EndBody { reason: *reason })),
    }
}

#[derive(Serialize)]
struct TotalsBody {
    items_sold: u32,
    units_remaining: u32,
}

#[derive(Serialize)]
struct SnapshotBody {
    #[serde(serialize_with = "as_milliseconds")]
    server_time: DateTime<Utc>,
    #[serde(serialize_with = "as_milliseconds")]
    started_at: DateTime<Utc>,
    #[serde(serialize_with = "as_milliseconds")]
    ended_at: DateTime<Utc>,
    #[serde(flatten)]
    totals: TotalsBody,
    #[serde(flatten)]
    items: Option<ItemsBody>,
}

#[derive(Serialize)]
struct ItemsBody {
    sold_out: String,
    left: String,
}

#[derive(Serialize)]
struct EndBody {
    reason: EndReason,
}

impl From<Totals> for TotalsBody {
    fn from(totals: Totals) -> Self {
        TotalsBody { items_sold: totals.items_sold, units_remaining: totals.units_left }
    }
}

fn of_snapshot(snapshot: &Snapshot, detail: Detail) -> Bytes {
    let items =
        || ItemsBody { sold_out: BASE64_STANDARD.encode(&snapshot.sold_out), left: pairs(&snapshot.begun).join(" ") };
    let body = SnapshotBody {
        server_time: snapshot.time,
        started_at: snapshot.window.starts_at,
        ended_at: snapshot.window.ends_at,
        totals: snapshot.totals.into(),
        items: (detail == Detail::Items).then(items),
    };
    text("snapshot", snapshot.as_of, &json(&body))
}

fn of_delta(delta: &Delta, detail: Detail) -> Bytes {
    match detail {
        _ if delta.items.is_empty() => Bytes::from_static(HEARTBEAT),
        Detail::Counts => text("delta", delta.as_of, &json(&TotalsBody::from(delta.totals))),
        Detail::Items => {
            let sale = format!("0:{}", delta.totals.units_left);
            text("delta", delta.as_of, &[vec![sale], pairs(&delta.items)].concat().join(" "))
        }
    }
}

/// Returns `number:units left` of each item, and only `number` where none is left.
fn pairs(items: &[(Ordinal, u32)]) -> Vec<String> {
    let pair = |(item, left): &(Ordinal, u32)| match left {
        0 => item.to_string(),
        left => format!("{item}:{left}"),
    };
    items.iter().map(pair).collect()
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_else(|error| unreachable!("these fields can be written: {error}"))
}

fn text(name: &str, id: LedgerId, data: &str) -> Bytes {
    format!("id: {id}\nevent: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::Value;

    use crate::application::sale::live_sale::LiveSale;
    use crate::application::sale::stock_reader::StockReader;
    use crate::domain::sale::{
        Catalog, Item, LedgerEntry, LedgerEvent, Purchase, Release, ReleaseReason, Sale, SoldUnit, Window,
    };
    use crate::domain::shared::{CheckoutCode, Currency, Money};

    use super::*;

    const STOCKS: [u32; 4] = [1, 1, 3, 7];

    /// The knowledge of a client: the units left of each item, of the whole sale, and the id of the last event.
    #[derive(Debug, Default)]
    struct Client {
        left: Vec<u32>,
        total: u32,
        last: Option<LedgerId>,
    }

    impl Client {
        /// Reads an event as a browser would.
        fn read(&mut self, stocks: &[u32], text: &str) {
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            if text.starts_with(':') {
                return;
            }
            self.last = Some(field("id: ").parse().unwrap());
            let data = field("data: ");
            match field("event: ") {
                "snapshot" => {
                    let body: Value = serde_json::from_str(data).unwrap();
                    let bits = BASE64_STANDARD.decode(body["sold_out"].as_str().unwrap()).unwrap();
                    let is_sold = |index: usize| bits[index / 8] >> (index % 8) & 1 == 1;
                    let all = stocks.iter().enumerate();
                    self.left = all.map(|(index, stock)| if is_sold(index) { 0 } else { *stock }).collect();
                    self.total = body["units_remaining"].as_u64().unwrap() as u32;
                    let sold = self.left.iter().filter(|left| **left == 0).count();
                    assert_eq!(body["items_sold"], sold);
                    self.set(body["left"].as_str().unwrap());
                }
                "delta" => self.set(data),
                other => panic!("{other}"),
            }
        }

        fn set(&mut self, pairs: &str) {
            for pair in pairs.split_whitespace() {
                let (number, left) = pair.split_once(':').unwrap_or((pair, "0"));
                let left = left.parse().unwrap();
                match number.parse::<usize>().unwrap() {
                    0 => self.total = left,
                    number => self.left[number - 1] = left,
                }
            }
        }
    }

    fn sale(items: usize) -> (Arc<LiveSale>, Vec<u32>) {
        let stocks: Vec<u32> = STOCKS.into_iter().cycle().take(items).collect();
        let item = |stock: &u32| Item::new("Lamp".into(), "/1.jpg".into(), Money::from_cents(1), *stock).unwrap();
        let catalog = Catalog::new(Currency::EUR, stocks.iter().map(item).collect()).unwrap();
        let window = Window::containing(now(), std::time::Duration::from_secs(3_600));
        let sale = Sale::new(crate::domain::shared::SaleId::hourly(window.starts_at), window, 10, &catalog);
        (Arc::new(LiveSale::new(sale, Arc::new(catalog))), stocks)
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_165_200, 0).unwrap()
    }

    fn entry(sale: &LiveSale, event: LedgerEvent) -> LedgerEntry {
        LedgerEntry { id: sale.projection().as_of().next(), event }
    }

    fn sold(sale: &LiveSale, ordinal: u32, unit: u32) -> LedgerEntry {
        let purchase = Purchase {
            code: CheckoutCode::new(sale.id(), u128::from(ordinal)),
            user: "ann".parse().unwrap(),
            request: None,
            units: vec![SoldUnit { ordinal: ordinal.try_into().unwrap(), unit, slot: 1 }],
            missed: Vec::new(),
        };
        entry(sale, LedgerEvent::Sold(purchase))
    }

    fn released(sale: &LiveSale, ordinal: u32, unit: u32) -> LedgerEntry {
        let units = vec![SoldUnit { ordinal: ordinal.try_into().unwrap(), unit, slot: 1 }];
        let (purchase, reason) = (LedgerId::ZERO, ReleaseReason::Void);
        entry(sale, LedgerEvent::Released(Release { purchase, units, slots: Vec::new(), reason }))
    }

    #[derive(Debug, Clone)]
    enum Step {
        Sell(prop::sample::Index, u32),
        Release(prop::sample::Index, u32),
        Tick,
        /// A client reads this many events, or connects.
        Read(usize, usize),
        /// A client loses its connection, and comes back with the id of its last event.
        Reconnect(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (item, unit) = (any::<prop::sample::Index>(), 1..4u32);
        prop_oneof![
            8 => (item.clone(), unit.clone()).prop_map(|(item, unit)| Step::Sell(item, unit)),
            2 => (item, unit).prop_map(|(item, unit)| Step::Release(item, unit)),
            2 => Just(Step::Tick),
            3 => (0..3usize, 1..6usize).prop_map(|(client, events)| Step::Read(client, events)),
            1 => (0..3usize).prop_map(Step::Reconnect),
        ]
    }

    proptest! {
        #[test]
        fn a_snapshot_and_the_deltas_from_any_cut_are_the_state(
            items in 1..300usize,
            steps in prop::collection::vec(step(), 1..400),
        ) {
            let (sale, stocks) = sale(items);
            let mut clients: [(Client, Option<StockReader>); 3] = Default::default();
            let read = |client: &mut Client, reader: &mut StockReader, events: usize| {
                for _ in 0..events {
                    // After the end it goes on if something comes back.
                    let Some(event) = reader.take(now()).filter(|event| !matches!(event, StockEvent::End(..))) else {
                        return;
                    };
                    client.read(&stocks, str::from_utf8(&of(&event, Detail::Items)).unwrap());
                }
            };
            for step in steps {
                match step {
                    Step::Sell(item, unit) => {
                        let item = item.index(items);
                        let unit = unit.min(stocks[item]);
                        sale.apply(&[sold(&sale, item as u32 + 1, unit)]);
                    }
                    Step::Release(item, unit) => sale.apply(&[released(&sale, item.index(items) as u32 + 1, unit)]),
                    Step::Tick => _ = sale.tick_stock(now()),
                    Step::Read(number, events) => {
                        let (client, reader) = &mut clients[number];
                        let reader = reader.get_or_insert_with(|| StockReader::new(sale.clone(), None, now()));
                        read(client, reader, events);
                    }
                    Step::Reconnect(number) => {
                        let (client, reader) = &mut clients[number];
                        *reader = Some(StockReader::new(sale.clone(), client.last, now()));
                    }
                }
            }
            sale.tick_stock(now());
            for (client, reader) in &mut clients {
                let Some(reader) = reader else { continue };
                read(client, reader, usize::MAX);
                let projection = sale.projection();
                prop_assert_eq!((&*client.left, client.total), (projection.left(), projection.units()));
            }
        }
    }

    #[test]
    fn each_event_has_its_text() {
        let (sale, _) = sale(20);
        let mut reader = StockReader::new(sale.clone(), None, now());
        let text = |event: Option<StockEvent>, detail| String::from_utf8(of(&event.unwrap(), detail).into()).unwrap();
        let id = |sale: &LiveSale| sale.projection().as_of();
        sale.apply(&[sold(&sale, 1, 1)]);
        sale.apply(&[sold(&sale, 3, 2)]);
        let snapshot = reader.take(now()).unwrap();
        assert_eq!(
            text(Some(snapshot.clone()), Detail::Items),
            format!(
                "id: {}\nevent: snapshot\ndata: {{\"server_time\":\"2026-11-20T09:00:00.000Z\",\
                 \"started_at\":\"2026-11-20T09:00:00.000Z\",\"ended_at\":\"2026-11-20T10:00:00.000Z\",\
                 \"items_sold\":1,\"units_remaining\":58,\"sold_out\":\"AQAA\",\"left\":\"3:2\"}}\n\n",
                id(&sale)
            )
        );
        assert!(text(Some(snapshot), Detail::Counts).ends_with("\"items_sold\":1,\"units_remaining\":58}\n\n"));
        sale.tick_stock(now());
        let _known = reader.take(now());
        sale.apply(&[sold(&sale, 2, 1)]);
        sale.apply(&[sold(&sale, 4, 1)]);
        sale.tick_stock(now());
        let delta = reader.take(now()).unwrap();
        let start = format!("id: {}\nevent: delta\ndata: ", id(&sale));
        assert_eq!(text(Some(delta.clone()), Detail::Items), format!("{start}0:56 2 4:6\n\n"));
        assert_eq!(
            text(Some(delta), Detail::Counts),
            format!("{start}{{\"items_sold\":2,\"units_remaining\":56}}\n\n")
        );
        let end = StockEvent::End(EndReason::SoldOut, id(&sale));
        assert_eq!(
            text(Some(end), Detail::Items),
            format!("id: {}\nevent: end\ndata: {{\"reason\":\"sold_out\"}}\n\n", id(&sale))
        );
    }
}
