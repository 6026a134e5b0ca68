//! The contract of the ports of an archive. Each test runs against PostgreSQL and against the archive in memory.

mod cost;
mod guards;
mod lists;

use chrono::{DateTime, TimeDelta, Utc};
use flashsale::application::sale::memory::MemoryArchive;
use flashsale::application::sale::ports::*;
use flashsale::application::shared::StoreError;

use flashsale::domain::{sale::*, shared::*};
use flashsale::infrastructure::postgres::PgArchive;

use sqlx::{Connection, Executor};

use crate::harness::stores;

/// Runs each test against every archive.
macro_rules! contract {
    ($($module:ident :: $test:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$module::$test(super::Fixture::new(Box::new(super::postgres_archive().await)).await).await;
            })*
        }

        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$module::$test(super::Fixture::new(Box::new(super::MemoryArchive::default())).await).await;
            })*
        }
    };
}

contract! {
    guards::a_batch_of_an_older_epoch_is_refused_whole,
    guards::the_epoch_of_one_sale_is_none_of_the_others,
    guards::each_entry_is_written_exactly_once_by_concurrent_writers,
    guards::every_guard_names_its_reason_and_leaves_the_batch_unwritten,
    guards::an_item_has_as_many_units_as_its_stock,
    guards::a_purchase_archived_again_is_no_second_purchase,
    guards::a_code_and_a_request_buy_once,
    guards::a_rejected_entry_is_filed_and_the_cursor_moves_past_it,
    guards::a_rejected_purchase_gives_back_only_units_and_slots_without_an_owner,
    guards::a_release_frees_units_and_slots_once,
    guards::a_batch_frees_units_and_sells_them_again_or_does_neither,
    guards::a_release_of_a_purchase_that_owns_nothing_is_rejected,
    guards::a_lock_has_one_holder_until_it_is_dropped,
    guards::attempts_are_archived_exactly_once,
    guards::refusals_are_added_up,
    lists::hourly_sales_never_overlap,
    lists::sales_are_listed_latest_first_by_status_and_page,
    lists::a_sale_ends_earlier_and_never_before_its_start,
    lists::a_closed_sale_is_no_longer_live,
    lists::a_purchase_is_found_by_code_and_by_request,
    lists::the_purchases_and_releases_of_a_sale_are_read_in_pages,
    lists::a_released_purchase_is_found_and_listed_complete,
    lists::receipts_are_listed_newest_first_over_all_sales,
}

async fn postgres_archive() -> PgArchive {
    PgArchive::connect(&stores::service_url(&stores::database().await), 4).await.expect("PostgreSQL answers")
}

/// An archive with a sale of ten items, of which a user may own two units.
struct Fixture {
    archive: Box<dyn Archive>,
    sale: Sale,
    catalog: Catalog,
    epoch: Epoch,
}

fn id(sequence: i64) -> LedgerId {
    LedgerId::try_from((1_763_632_800_000 << 20) + sequence).expect("an id")
}

fn sale_from(starts_at: DateTime<Utc>, hours: i64, catalog: &Catalog) -> Sale {
    let window = Window::new(starts_at, starts_at + TimeDelta::hours(hours)).expect("a window");
    Sale::new(SaleId::hourly(starts_at), window, 2, catalog)
}

impl Fixture {
    async fn new(archive: Box<dyn Archive>) -> Self {
        archive.ping().await.expect("it answers");
        let catalog = Catalog::generated(10).expect("a catalog");
        let sale = sale_from("2026-11-20T09:00:00Z".parse().expect("a time"), 1, &catalog);
        assert!(archive.create_sale(&sale, &catalog).await.expect("it answers"));
        let epoch = archive.begin_epoch(Epoch(0), &[sale.id]).await.expect("it answers");
        Fixture { archive, sale, catalog, epoch }
    }

    fn purchase(&self, at: LedgerId, user: &str, units: &[(u32, u32, u32)]) -> Purchase {
        let unit = |(item, unit, slot): &(u32, u32, u32)| SoldUnit {
            ordinal: Ordinal::try_from(*item).expect("an item"),
            unit: *unit,
            slot: *slot,
        };
        Purchase {
            code: CheckoutCode::new(self.sale.id, at.to_i64() as u128),
            user: user.parse().expect("a user"),
            request: None,
            units: units.iter().map(unit).collect(),
            missed: Vec::new(),
        }
    }

    fn sold(&self, at: LedgerId, user: &str, units: &[(u32, u32, u32)]) -> LedgerEntry {
        LedgerEntry { id: at, event: LedgerEvent::Sold(self.purchase(at, user, units)) }
    }

    async fn persist(&self, after: LedgerId, entries: &[LedgerEntry]) -> Result<(), PersistError> {
        self.archive.persist(self.epoch, self.sale.id, after, entries).await
    }

    async fn cursor(&self) -> LedgerId {
        self.archive.cursors(self.sale.id).await.expect("it answers").ledger
    }

    /// The release of everything that an entry sold.
    fn released(&self, at: LedgerId, sold: &LedgerEntry, reason: ReleaseReason) -> LedgerEntry {
        let LedgerEvent::Sold(purchase) = &sold.event else { panic!("{sold:?} sells nothing") };
        LedgerEntry { id: at, event: LedgerEvent::Released(Release::of(sold.id, purchase, reason)) }
    }

    async fn entries(&self) -> Vec<LedgerEntry> {
        self.archive.entries_in(self.sale.id, LedgerId::ZERO, 9).await.expect("it answers")
    }
}

/// Recovery would free the units of a row that only lost them.
#[tokio::test]
async fn a_purchase_that_lost_a_unit_is_corrupt_and_not_smaller() {
    let url = stores::database().await;
    let archive = PgArchive::connect(&url, 2).await.expect("PostgreSQL answers");
    let fixture = Fixture::new(Box::new(archive)).await;
    let entry = fixture.sold(id(1), "ann", &[(1, 1, 1), (2, 1, 2)]);
    fixture.persist(LedgerId::ZERO, &[entry]).await.expect("the entry is valid");
    let mut connection = sqlx::PgConnection::connect(&url).await.expect("PostgreSQL answers");
    for units_left in [1, 0] {
        connection
            .execute("DELETE FROM purchase_units WHERE slot = (SELECT max(slot) FROM purchase_units)")
            .await
            .unwrap();
        let read = fixture.archive.entries_in(fixture.sale.id, LedgerId::ZERO, 9).await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{units_left} units left: {read:?}");
    }
}
