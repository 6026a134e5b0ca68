//! PostgreSQL by itself: what it refuses, whoever asks.

use chrono::{DateTime, TimeDelta, Utc};
use flashsale::application::sale::ports::*;
use flashsale::domain::shared::Epoch;
use flashsale::domain::{sale::*, shared::*};
use flashsale::infrastructure::postgres::PgArchive;

use crate::harness::stores;

struct Fixture {
    archive: PgArchive,
    sale: Sale,
    catalog: Catalog,
    epoch: Epoch,
}

fn id(sequence: i64) -> LedgerId {
    LedgerId::try_from((1_763_632_800_000 << 20) + sequence).expect("an id")
}

fn sale_from(starts_at: DateTime<Utc>, hours: i64, catalog: &Catalog) -> Sale {
    let window = Window::new(starts_at, starts_at + TimeDelta::hours(hours)).expect("a window");
    let (id, items, units) = (SaleId::hourly(starts_at), catalog.items(), catalog.units());
    Sale { id, window, user_limit: 2, currency: catalog.currency(), items, units, closed: false }
}

impl Fixture {
    async fn new() -> Self {
        let archive = PgArchive::connect(&stores::database().await, 4).await.expect("PostgreSQL answers");
        let catalog = Catalog::generated(10).expect("a catalog");
        let sale = sale_from("2026-11-20T09:00:00Z".parse().expect("a time"), 1, &catalog);
        assert!(archive.create_sale(&sale, &catalog).await.expect("it answers"));
        let epoch = archive.raise_epoch().await.expect("it answers");
        Fixture { archive, sale, catalog, epoch }
    }

    fn sold(&self, at: LedgerId, user: &str, units: &[(u32, u32, u32)]) -> LedgerEntry {
        let unit = |(item, unit, slot): &(u32, u32, u32)| SoldUnit {
            ordinal: Ordinal::try_from(*item).expect("an item"),
            unit: *unit,
            slot: *slot,
        };
        let sold = Purchase {
            code: CheckoutCode::new(self.sale.id, at.to_i64() as u128),
            user: user.parse().expect("a user"),
            request: None,
            units: units.iter().map(unit).collect(),
            missed: Vec::new(),
        };
        LedgerEntry { id: at, event: LedgerEvent::Sold(sold) }
    }

    async fn persist(&self, after: LedgerId, entries: &[LedgerEntry]) -> Result<(), PersistError> {
        self.archive.persist(self.epoch, &self.catalog, self.sale.id, after, entries).await
    }
}

#[tokio::test]
async fn a_batch_of_an_older_epoch_is_refused_whole() {
    let fixture = Fixture::new().await;
    let entry = fixture.sold(id(1), "ann", &[(1, 1, 1)]);
    fixture.archive.raise_epoch().await.expect("it answers");
    let late = fixture.persist(LedgerId::ZERO, std::slice::from_ref(&entry)).await;
    assert!(matches!(late, Err(PersistError::EpochPassed)), "{late:?}");
    let rejection = Rejection { reason: RejectionReason::Invalid, message: "late".into() };
    let late = fixture.archive.reject(fixture.epoch, fixture.sale.id, LedgerId::ZERO, &entry, &rejection).await;
    assert!(matches!(late, Err(PersistError::EpochPassed)), "{late:?}");
    assert!(fixture.archive.purchases_in(fixture.sale.id).await.expect("it answers").is_empty());
    assert_eq!(fixture.archive.cursors(fixture.sale.id).await.expect("it answers").ledger, LedgerId::ZERO);
}

#[tokio::test]
async fn each_entry_is_written_exactly_once_whoever_writes() {
    let fixture = Fixture::new().await;
    let entries = [fixture.sold(id(1), "ann", &[(1, 1, 1)]), fixture.sold(id(2), "bob", &[(2, 1, 1)])];
    let (one, two) = tokio::join!(fixture.persist(LedgerId::ZERO, &entries), fixture.persist(LedgerId::ZERO, &entries));
    let moved = |result: &Result<(), PersistError>| matches!(result, Err(PersistError::CursorMoved));
    assert!(one.is_ok() && moved(&two) || two.is_ok() && moved(&one), "{one:?} {two:?}");
    assert_eq!(fixture.archive.purchases_in(fixture.sale.id).await.expect("it answers").len(), 2);
    // Which guard a repeated purchase meets first is up to PostgreSQL; it meets one.
    let again = fixture.persist(id(2), &entries[..1]).await;
    assert!(matches!(again, Err(PersistError::Duplicate | PersistError::Rejected(_))), "{again:?}");
}

#[tokio::test]
async fn every_guard_is_told_by_its_name_and_leaves_the_batch_unwritten() {
    let fixture = Fixture::new().await;
    fixture.persist(LedgerId::ZERO, &[fixture.sold(id(1), "ann", &[(1, 1, 1)])]).await.expect("it is right");
    for (units, user, expected) in [
        (&[(2, 1, 1), (1, 1, 2)][..], "bob", RejectionReason::UnitSold),
        (&[(2, 2, 1)], "bob", RejectionReason::UnitSold),
        (&[(2, 1, 1)], "ann", RejectionReason::SlotFilled),
        (&[(2, 1, 3)], "bob", RejectionReason::SlotFilled),
        (&[(11, 1, 1)], "bob", RejectionReason::Invalid),
    ] {
        let good = fixture.sold(id(2), "cat", &[(3, 1, 1)]);
        let result = fixture.persist(id(1), &[good, fixture.sold(id(3), user, units)]).await;
        match result {
            Err(PersistError::Rejected(rejection)) => assert_eq!(rejection.reason, expected, "{units:?}"),
            other => panic!("{other:?} for {units:?}"),
        }
    }
    let found = fixture.archive.check(fixture.sale.id).await.expect("it answers");
    assert_eq!(found, ArchiveFindings { sold: 1, oversold: 0, over_limit: 0, wrong_totals: 0 });
    assert_eq!(fixture.archive.cursors(fixture.sale.id).await.expect("it answers").ledger, id(1));
}

#[tokio::test]
async fn hourly_sales_never_overlap() {
    let fixture = Fixture::new().await;
    let starts_at = fixture.sale.window.starts_at;
    for (start, hours) in
        [(starts_at, 1), (starts_at + TimeDelta::minutes(30), 1), (starts_at - TimeDelta::hours(1), 2)]
    {
        let sale = sale_from(start, hours, &fixture.catalog);
        assert!(!fixture.archive.create_sale(&sale, &fixture.catalog).await.expect("it answers"), "{start}");
    }
    let next = sale_from(starts_at + TimeDelta::hours(1), 1, &fixture.catalog);
    assert!(fixture.archive.create_sale(&next, &fixture.catalog).await.expect("it answers"));
    assert_eq!(fixture.archive.catalog(next.id).await.expect("it answers"), fixture.catalog);
}

#[tokio::test]
async fn a_lock_has_one_holder_until_it_is_dropped() {
    let fixture = Fixture::new().await;
    let name = LockName::Writer(fixture.sale.id);
    let held = fixture.archive.try_lock(name).await.expect("it answers");
    let mut held = held.expect("it is free");
    assert!(held.is_held().await);
    assert!(fixture.archive.try_lock(name).await.expect("it answers").is_none());
    assert!(fixture.archive.try_lock(LockName::Recovery).await.expect("it answers").is_some());
    drop(held);
    crate::harness::eventually("it is free again", || async {
        fixture.archive.try_lock(name).await.expect("it answers").is_some()
    })
    .await;
}

#[tokio::test]
async fn what_a_refused_purchase_may_give_back_is_what_nobody_owns() {
    let fixture = Fixture::new().await;
    fixture.persist(LedgerId::ZERO, &[fixture.sold(id(1), "ann", &[(1, 1, 1)])]).await.expect("it is right");
    let refused = fixture.sold(id(2), "ann", &[(1, 1, 1), (2, 1, 2), (3, 7, 2), (12, 1, 2)]);
    let LedgerEvent::Sold(sold) = refused.event else { unreachable!("it is a purchase") };
    let released = fixture.archive.unowned(fixture.sale.id, id(2), &sold).await.expect("it answers");
    assert_eq!(released.units, [sold.units[1]], "neither a sold unit, nor one that does not exist");
    assert_eq!(released.slots, [2, 2, 2]);
}
