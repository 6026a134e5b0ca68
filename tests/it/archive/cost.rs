//! The cost of archiving, in a real PostgreSQL. It measures and asserts nothing, so it runs only on demand:
//! `cargo test --test it -- --ignored --nocapture persist_cost`.

use std::time::Instant;

use super::*;
use crate::harness::stores::{Postgres, migrate};

/// Items of the sale.
const ITEMS: u32 = 100_000;

/// Purchases in the tables before the first measurement.
const FILLED: usize = 50_000;

/// Measurements of each size, of which the least is reported: other load only adds to it.
const ROUNDS: usize = 5;

#[tokio::test]
#[ignore = "a measurement"]
async fn persist_cost() {
    let postgres = Postgres::start();
    let url = postgres.server.url();
    migrate(&url).await;
    let archive = PgArchive::connect(&url, 2).await.expect("PostgreSQL answers");
    let item = || Item::new("Lamp".into(), "/lamp.jpg".into(), Money::from_cents(1_990), 10).expect("an item");
    let catalog = Catalog::new(Currency::EUR, (0..ITEMS).map(|_| item()).collect()).expect("a catalog");
    let sale = Sale { user_limit: 100, ..sale_from("2026-11-20T09:00:00Z".parse().expect("a time"), 1, &catalog) };
    let begun = Instant::now();
    assert!(archive.create_sale(&sale, &catalog).await.expect("it answers"));
    println!("a sale of {ITEMS} items is created in {:?}", begun.elapsed());
    let meter = Meter { connection: sqlx::PgPool::connect(&url).await.expect("PostgreSQL answers") };
    let mut writer =
        Writer { epoch: archive.cursors(sale.id).await.expect("it answers").epoch, archive, sale, sold: 0, units: 0 };
    while writer.sold < FILLED {
        writer.persist(500, 1).await;
    }
    println!("purchases x units | ms/batch | CPU us/batch | CPU us/purchase | WAL bytes/purchase");
    for units in [1, 10] {
        for size in [1, 8, 32, 64, 256] {
            let batches = (512 / size).max(4);
            let mut least = [f64::MAX; 3];
            for _ in 0..ROUNDS {
                let (cpu, wal, begun) = (meter.cpu().await, meter.wal().await, Instant::now());
                for _ in 0..batches {
                    writer.persist(size, units).await;
                }
                let time = begun.elapsed().as_secs_f64() * 1e3;
                let round = [time, meter.cpu().await - cpu, meter.wal().await - wal].map(|sum| sum / batches as f64);
                least = [0, 1, 2].map(|value| least[value].min(round[value]));
            }
            let ([time, cpu, wal], purchases) = (least, size as f64);
            println!(
                "{size:>4} x {units:<2} | {time:6.2} | {cpu:6.0} | {:6.1} | {:6.0}",
                cpu / purchases,
                wal / purchases
            );
        }
    }
}

struct Meter {
    connection: sqlx::PgPool,
}

impl Meter {
    /// The CPU time of all connections in microseconds.
    async fn cpu(&self) -> f64 {
        let pids = sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
            .fetch_all(&self.connection)
            .await;
        let time = |pid: i32| {
            let schedstat = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
            schedstat.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0)
        };
        pids.expect("PostgreSQL answers").into_iter().map(time).sum::<f64>() / 1e3
    }

    /// The bytes of the write-ahead log.
    async fn wal(&self) -> f64 {
        let written = sqlx::query_scalar("SELECT (pg_current_wal_insert_lsn() - '0/0')::float8");
        written.fetch_one(&self.connection).await.expect("PostgreSQL answers")
    }
}

struct Writer {
    archive: PgArchive,
    sale: Sale,
    epoch: Epoch,
    /// Purchases so far, each by a user of its own.
    sold: usize,
    /// Units so far.
    units: u32,
}

impl Writer {
    async fn persist(&mut self, purchases: usize, units: u32) {
        let after = id(self.sold as i64);
        let after = if self.sold == 0 { LedgerId::ZERO } else { after };
        let entries: Vec<LedgerEntry> = (0..purchases).map(|_| self.entry(units)).collect();
        self.archive.persist(self.epoch, self.sale.id, after, &entries).await.expect("the entries are valid");
    }

    fn entry(&mut self, units: u32) -> LedgerEntry {
        self.sold += 1;
        let units = (1..=units).map(|slot| self.unit(slot)).collect();
        let code = CheckoutCode::new(self.sale.id, rand::random());
        let user = format!("user-{:010x}", rand::random::<u64>() >> 24).parse().expect("a user");
        let purchase = Purchase { code, user, request: None, units, missed: Vec::new() };
        LedgerEntry { id: id(self.sold as i64), event: LedgerEvent::Sold(purchase) }
    }

    /// The next unit, of an item far from the last one.
    fn unit(&mut self, slot: u32) -> SoldUnit {
        self.units += 1;
        let ordinal = (u64::from(self.units) * 61_819 % u64::from(ITEMS)) as u32 + 1;
        SoldUnit { ordinal: ordinal.try_into().expect("an item"), unit: 1 + self.units / ITEMS, slot }
    }
}
