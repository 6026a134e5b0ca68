use super::*;
use crate::application::sale::attempts::AttemptsWriter;
use crate::application::sale::follow::Follower;
use crate::application::sale::memory::{ArchiveCall, Fault, StoreCall};
use crate::application::sale::ports::{Ledger, LedgerReader};
use crate::application::sale::void::{VoidError, Voided};
use crate::application::shared::StoreError;
use crate::domain::sale::{LedgerEvent, Purchase, Release, ReleaseReason};

/// Voids a purchase while a writer archives.
async fn void(world: &World, code: CheckoutCode) -> Result<Voided, VoidError> {
    let sale = world.sale();
    let (voided, ()) = tokio::join!(world.shop.void(code, "broken"), async {
        tokio::task::yield_now().await;
        world.write(&sale).await;
    });
    voided
}

/// A shop whose operators have time.
async fn open() -> World {
    World::open_with(|settings| settings.ack_timeout = LONG).await
}

/// Sells items, durably, and returns the code and the receipt.
async fn sold(world: &World, name: &str, items: &[u32]) -> (CheckoutCode, Receipt) {
    let code = world.cart(name, items).await;
    let sale = world.sale();
    let (bought, ()) = tokio::join!(world.shop.purchase(code, false), async {
        tokio::task::yield_now().await;
        world.write(&sale).await;
    });
    (code, durable(bought.unwrap()))
}

#[tokio::test]
async fn a_voided_purchase_gives_its_units_back_and_keeps_its_receipt() {
    let world = open().await;
    let (sale, mut follower) = (world.sale(), Follower::default());
    let epoch = world.sale().fence.epoch().unwrap();
    let mut reader: Box<dyn LedgerReader> = world.store.follow(sale.id()).await.unwrap();
    let (code, receipt) = sold(&world, "ann", &[1, 2, 3, 4]).await;
    follower.step(epoch, &sale, reader.as_mut()).await.unwrap();
    assert!(sale.is_sold(1.try_into().unwrap()));
    assert!(world.shop.checkout(&user("ann"), &[(item(5), Quantity::ONE)]).await.is_err(), "her limit is four");

    let voided = void(&world, code).await.unwrap();
    assert_eq!((voided.id, voided.purchase.units.len()), (receipt.order_id.entry, 4));
    let release = world.archived().await;
    assert_eq!(world.archive.note(sale.id(), release), Some("broken".into()));
    follower.step(epoch, &sale, reader.as_mut()).await.unwrap();
    assert!(!sale.is_sold(1.try_into().unwrap()), "the filter forgets it at once");
    assert_eq!(sale.projection().units(), 20);
    let (_, again) = sold(&world, "ann", &[1, 2, 3, 4]).await;
    assert_ne!(again.order_id, receipt.order_id);
    assert_eq!(durable(world.shop.purchase(code, false).await.unwrap()).order_id, receipt.order_id);
    assert_eq!(world.verify(&sale.sale()).await, Findings { sold: 4, ..Findings::default() });

    assert!(matches!(void(&world, code).await, Err(VoidError::ReleasedBefore(ReleaseReason::Void))));
    assert_eq!((world.free(1), world.archive.calls().count(ArchiveCall::NoteRelease)), (vec![], 1));
}

#[tokio::test]
async fn what_was_released_before_a_recovery_is_released_after_it() {
    let world = open().await;
    let sale = world.sale();
    let (first, receipt) = sold(&world, "ann", &[1]).await;
    void(&world, first).await.unwrap();
    let (second, _) = sold(&world, "bob", &[1]).await;
    let (third, _) = sold(&world, "cat", &[2]).await;
    // Archived by the recovery, from the rest of the ledger.
    let voiding = tokio::time::timeout(Duration::from_millis(5), world.shop.void(third, "late")).await;
    assert!(voiding.is_err(), "nobody archives");
    world.store.forget_scripts();
    for _state_and_nothing in 0..2 {
        world.shop.check_redis().await.unwrap();
        world.shop.recover().await.unwrap();
        assert_eq!((world.free(1), world.free(2)), (vec![], vec![1]));
        assert_eq!(world.verify(&sale.sale()).await, Findings { sold: 1, ..Findings::default() });
        for code in [first, third] {
            assert!(matches!(void(&world, code).await, Err(VoidError::ReleasedBefore(ReleaseReason::Void))));
        }
        world.shop.catch_up(&sale).await.unwrap();
        let replayed = durable(world.shop.purchase(first, false).await.unwrap());
        assert_eq!(replayed.order_id, receipt.order_id);
        world.store.forget();
    }
    world.shop.check_redis().await.unwrap();
    world.shop.recover().await.unwrap();
    void(&world, second).await.unwrap();
    assert_eq!(world.free(1), [1]);
}

#[tokio::test]
async fn a_purchase_that_cannot_be_voided_says_why() {
    let world = World::open().await;
    let unknown = CheckoutCode::new(world.sale().id(), 77);
    assert!(matches!(world.shop.void(unknown, "").await, Err(VoidError::UnknownCode)));
    let elsewhere = CheckoutCode::new("20200101T00".parse().unwrap(), 7);
    assert!(matches!(world.shop.void(elsewhere, "").await, Err(VoidError::UnknownCode)));
    let cart = world.cart("ann", &[1]).await;
    assert!(matches!(world.shop.void(cart, "").await, Err(VoidError::NotBought)));
    let waiting = world.decide("ann", &[1]).await;
    assert!(matches!(world.shop.void(waiting, "").await, Err(VoidError::NotCommitted)));
    world.write(&world.sale()).await;
    // Nobody archives the release within the timeout. It happens once, all the same.
    assert!(matches!(world.shop.void(waiting, "").await, Err(VoidError::Unconfirmed)));
    assert!(matches!(world.shop.void(waiting, "").await, Err(VoidError::ReleasedBefore(ReleaseReason::Void))));
    world.store.calls().fail_next(StoreCall::Release, Fault::Unreachable);
    let failed = world.shop.void(waiting, "").await;
    assert!(matches!(failed, Err(VoidError::Failed(StoreError::Unreachable(_)))), "{failed:?}");
    world.write(&world.sale()).await;
    let sale = world.sale();
    AttemptsWriter::default().step(&world.shop, &sale).await.unwrap();
    world.set_time("10:00:03");
    world.shop.keep_schedule().await.unwrap();
    assert!(sale.sale().closed);
    assert!(matches!(world.shop.void(waiting, "").await, Err(VoidError::SaleClosed)));
}

#[tokio::test]
async fn a_release_that_waits_for_the_archive_keeps_its_sale_open_and_is_no_drift() {
    let world = World::open().await;
    let sale = world.sale();
    let receipt = world.sell("ann", &[1, 2]).await;
    AttemptsWriter::default().step(&world.shop, &sale).await.unwrap();
    let purchase = purchase(&world, &receipt).await;
    let release = Release::of(receipt.order_id.entry, &purchase, ReleaseReason::Expired);
    let epoch = world.sale().fence.epoch().unwrap();
    let id = world.shop.store.release(epoch, sale.id(), &release).await.unwrap();
    assert_eq!(world.verify(&sale.sale()).await, Findings { sold: 2, ..Findings::default() });
    world.set_time("10:00:03");
    world.shop.keep_schedule().await.unwrap();
    assert!(!sale.sale().closed);
    world.write(&sale).await;
    assert_eq!(world.archive.cursors(sale.id()).await.unwrap().ledger, id);
    assert_eq!(world.verify(&sale.sale()).await, Findings::default());
    world.shop.keep_schedule().await.unwrap();
    assert!(sale.sale().closed);
}

#[tokio::test]
async fn a_batch_mixes_purchases_and_releases_but_not_those_of_its_own_purchases() {
    let world = World::open().await;
    let (sale, other) = (world.sale(), world.other());
    start(&other).await;
    let its = other.current_sale().unwrap();
    let epoch = sale.fence.epoch().unwrap();
    let mut writer = LedgerWriter::new(epoch);
    // An instance that has decided nothing reads all from the ledger.
    let mut calls = async || {
        let before = world.archive.calls().count(ArchiveCall::Persist);
        while writer.step(&other, &its).await.unwrap() == Progress::More {}
        world.archive.calls().count(ArchiveCall::Persist) - before
    };
    let release = async |purchase: LedgerId| {
        let entry = world.store.read_one(sale.id(), purchase).await.unwrap().unwrap();
        let LedgerEvent::Sold(bought) = entry.event else { panic!("{entry:?}") };
        let release = Release::of(purchase, &bought, ReleaseReason::Cancelled);
        world.shop.store.release(epoch, sale.id(), &release).await.unwrap();
    };
    let (one, two) = (world.sell("ann", &[1]).await, world.sell("bob", &[2]).await);
    world.decide("cat", &[3]).await;
    for receipt in [&one, &two] {
        release(receipt.order_id.entry).await;
    }
    world.read_ledger(&sale).await;
    world.decide("dan", &[1]).await;
    world.decide("eve", &[2]).await;
    assert_eq!(calls().await, 1);
    assert_eq!(world.verify(&sale.sale()).await, Findings { sold: 3, ..Findings::default() });

    world.decide("fox", &[4]).await;
    let fox = world.store.read(sale.id(), world.archived().await, 1).await.unwrap()[0].id;
    release(fox).await;
    assert_eq!(calls().await, 2);
    assert_eq!(world.verify(&sale.sale()).await, Findings { sold: 3, ..Findings::default() });
}

#[tokio::test]
async fn a_ledger_with_releases_that_is_archived_again_changes_nothing() {
    let world = open().await;
    let sale = world.sale();
    let (code, _) = sold(&world, "ann", &[1]).await;
    void(&world, code).await.unwrap();
    sold(&world, "bob", &[1]).await;
    world.archive.set_cursor(sale.id(), LedgerId::ZERO);
    world.write(&sale).await;
    assert_eq!(world.archive.rejections(sale.id()).await.unwrap(), []);
    assert_eq!(world.verify(&sale.sale()).await, Findings { sold: 1, ..Findings::default() });
}

async fn purchase(world: &World, receipt: &Receipt) -> Purchase {
    let entry = world.store.read_one(world.sale().id(), receipt.order_id.entry).await.unwrap().unwrap();
    match entry.event {
        LedgerEvent::Sold(purchase) => purchase,
        other => panic!("{other:?}"),
    }
}
