use futures::future::BoxFuture;

use super::*;
use crate::application::sale::fence::CurrentEpoch;
use crate::application::sale::memory::{ArchiveCall, Fault, StoreCall};
use crate::application::sale::ports::{Coordination, Inspector, LockName, SaleArchive};
use crate::application::sale::purchase::PurchaseError;
use crate::application::shared::StoreError;
use crate::domain::sale::{Catalog, Sale, Window};
use crate::domain::shared::{Epoch, SaleId};

/// Checks that the purchase stands, the item stays sold, and selling goes on.
async fn nothing_was_forgotten(world: &World, receipt: &Receipt) {
    assert_eq!(durable(world.shop.purchase(receipt.code, false).await.unwrap()), *receipt);
    let sale = world.sale();
    assert!(world.verify(&sale.sale()).await.is_sound());
    for line in &receipt.lines {
        assert!(world.free(line.id.ordinal.get()).is_empty());
    }
    let code = world.decide("after", &[20]).await;
    world.write(&sale).await;
    assert!(durable(world.shop.purchase(code, false).await.unwrap()).order_id.entry > receipt.order_id.entry);
}

#[tokio::test]
async fn an_intact_store_keeps_its_epoch() {
    let world = World::started(settings());
    assert_eq!(start(&world.shop).await, Recovered::Restored(Epoch(1)));
    let receipt = world.sell("ann", &[1]).await;
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Intact);
    assert_eq!(start(&world.other()).await, Recovered::Intact);
    nothing_was_forgotten(&world, &receipt).await;
}

#[tokio::test]
async fn a_store_that_lost_anything_is_restored_in_a_new_epoch() {
    for loss in ["data", "scripts", "data and scripts"] {
        let world = World::open().await;
        let receipt = world.sell("ann", &[1, 2]).await;
        let cart = world.cart("bob", &[3]).await;
        if loss.contains("data") {
            world.store.forget();
        }
        if loss.contains("scripts") {
            world.store.forget_scripts();
        }
        world.shop.check_redis().await.unwrap();
        assert_eq!(world.sale().fence.epoch(), None, "{loss}");
        assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(2)), "{loss}");
        nothing_was_forgotten(&world, &receipt).await;
        assert_eq!(world.shop.cart(cart).await.unwrap().is_some(), loss == "scripts");
    }
}

#[tokio::test]
async fn an_older_copy_of_the_store_is_restored_to_what_is_archived() {
    let world = World::open().await;
    world.sell("bob", &[5]).await;
    let copy = world.store.save();
    let receipt = world.sell("ann", &[1, 2]).await;
    world.store.load(copy);
    assert_eq!(world.free(1), [1], "the copy would sell it again");
    world.shop.check_redis().await.unwrap();
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(2)));
    nothing_was_forgotten(&world, &receipt).await;
}

#[tokio::test]
async fn purchases_that_were_not_archived_yet_are_saved() {
    let world = World::open().await;
    let code = world.decide("ann", &[1]).await;
    world.store.forget_scripts();
    world.shop.check_redis().await.unwrap();
    world.shop.recover().await.unwrap();
    assert_eq!(durable(world.shop.receipt(code).await.unwrap().unwrap()).code, code);
    assert!(world.free(1).is_empty());
}

#[tokio::test]
async fn an_unreadable_entry_does_not_stop_recovery_and_frees_its_units() {
    let world = World::open().await;
    let sale = world.sale();
    let receipt = world.sell("ann", &[1]).await;
    world.store.append(sale.id(), crate::domain::sale::LedgerEvent::Unreadable("nonsense".into()));
    world.store.edit(sale.id(), |stock| stock.holdings.units.insert(2.try_into().unwrap(), [1].into()));
    let code = world.decide("bob", &[3]).await;
    world.store.forget_scripts();
    world.shop.check_redis().await.unwrap();
    world.shop.recover().await.unwrap();
    assert_eq!(world.free(2), [1]);
    durable(world.shop.receipt(code).await.unwrap().unwrap());
    nothing_was_forgotten(&world, &receipt).await;
}

#[tokio::test]
async fn a_recovery_that_breaks_off_anywhere_is_completed_by_the_next() {
    for call in [StoreCall::Fence, StoreCall::Read, StoreCall::Restore, StoreCall::LoadScripts] {
        for fault in [Fault::Unreachable, Fault::AnswerLost] {
            let world = World::open().await;
            let receipt = world.sell("ann", &[1]).await;
            let waiting = world.decide("bob", &[2]).await;
            world.store.forget_scripts();
            world.shop.check_redis().await.unwrap();
            world.store.calls().fail_next(call, fault);
            world.shop.recover().await.unwrap_err();
            assert_eq!(world.sale().fence.epoch(), None, "{call:?} {fault:?}");
            // Another instance completes it; this one joins its epoch.
            let other = world.other();
            assert_ne!(start(&other).await, Recovered::Elsewhere, "the lock was not released");
            assert_eq!(world.shop.recover().await.unwrap(), Recovered::Intact, "{call:?} {fault:?}");
            world.shop.catch_up(&world.sale()).await.unwrap();
            durable(world.shop.receipt(waiting).await.unwrap().unwrap());
            nothing_was_forgotten(&world, &receipt).await;
        }
    }
}

#[tokio::test]
async fn one_instance_recovers_at_a_time() {
    let world = World::open().await;
    let lock = world.archive.try_lock(LockName::Recovery).await.unwrap();
    assert_eq!(start(&world.other()).await, Recovered::Intact, "what is intact needs no lock");
    world.store.forget();
    world.shop.check_redis().await.unwrap();
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Elsewhere);
    drop(lock);
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(2)));
}

#[tokio::test]
async fn a_recovery_that_loses_its_lock_or_its_epoch_restores_nothing() {
    let losses: [fn(&World) -> BoxFuture<'_, ()>; 2] = [
        |world| Box::pin(async { world.archive.break_connections() }),
        |world| {
            Box::pin(async {
                world.archive.begin_epoch(Epoch(0), &[world.sale().id()]).await.unwrap();
            })
        },
    ];
    for lose in losses {
        let world = World::open().await;
        let receipt = world.sell("ann", &[1]).await;
        world.store.forget_scripts();
        world.shop.check_redis().await.unwrap();
        let restored = world.store.calls().count(StoreCall::Restore);
        world.archive.calls().fail_next(ArchiveCall::EntriesIn, Fault::Late);
        let (recovered, ()) = tokio::join!(world.shop.recover(), async {
            tokio::task::yield_now().await;
            lose(&world).await;
        });
        assert!(matches!(recovered, Err(StoreError::Busy(_))), "{recovered:?}");
        assert_eq!(world.store.calls().count(StoreCall::Restore), restored);
        assert_eq!(world.sale().fence.epoch(), None);
        world.shop.recover().await.unwrap();
        nothing_was_forgotten(&world, &receipt).await;
    }
}

#[tokio::test]
async fn entries_of_an_older_epoch_are_never_archived_by_their_writer() {
    let world = World::open().await;
    let sale = world.sale();
    let mut old = LedgerWriter::new(sale.fence.epoch().unwrap());
    world.decide("ann", &[1]).await;
    world.store.forget_scripts();
    let other = world.other();
    start(&other).await;
    world.store.append(sale.id(), crate::domain::sale::LedgerEvent::Opened);
    assert!(matches!(old.step(&world.shop, &sale).await, Err(PersistError::EpochPassed)));
}

#[tokio::test]
async fn a_sale_whose_creator_crashed_is_opened() {
    let world = World::open().await;
    let sale = special_sale(&world).await;
    assert!(!world.store.has_state(sale.id).await.unwrap());
    assert_eq!(start(&world.other()).await, Recovered::Intact);
    assert!(world.store.has_state(sale.id).await.unwrap());
}

#[tokio::test]
async fn a_loss_is_found_while_nobody_buys() {
    let world = World::open().await;
    world.shop.check_redis().await.unwrap();
    assert!(world.sale().fence.epoch().is_some() && !world.shop.needs_recovery());
    world.store.forget();
    world.shop.check_redis().await.unwrap();
    assert!(world.sale().fence.epoch().is_none() && world.shop.needs_recovery());
    tokio::time::timeout(ACK_TIMEOUT, world.shop.alarm.raised()).await.expect("recovery is woken");
}

/// Adds a sale of three items beside the periodic one.
async fn special_sale(world: &World) -> Sale {
    let catalog = Catalog::generated(3).unwrap();
    let window = Window::new(at("09:00:00"), at("11:00:00")).unwrap();
    let sale = Sale::new(SaleId::special(window.starts_at, 7), window, 1, &catalog);
    world.archive.create_sale(&sale, &catalog).await.unwrap();
    sale
}

#[tokio::test]
async fn the_loss_of_one_sale_stops_no_other() {
    let world = World::open().await;
    let special = special_sale(&world).await.id;
    world.shop.keep_schedule().await.unwrap();
    let receipt = world.sell("ann", &[1]).await;
    // The state of the special sale vanishes, and PostgreSQL does not answer recovery.
    world.store.forget_sale(special);
    world.shop.check_redis().await.unwrap();
    let special = world.shop.sales.live(special).unwrap();
    assert!(special.fence.epoch().is_none() && world.shop.needs_recovery());
    assert_eq!(world.sale().fence.epoch(), Some(Epoch(1)));
    world.sell("bob", &[2]).await;
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(2)));
    assert_eq!((world.sale().fence.epoch(), special.fence.epoch()), (Some(Epoch(1)), Some(Epoch(2))));
    // Another instance follows, each sale in its own epoch.
    let other = world.other();
    assert_eq!(start(&other).await, Recovered::Intact);
    assert_eq!(other.sales.live(special.id()).unwrap().fence.epoch(), Some(Epoch(2)));
    nothing_was_forgotten(&world, &receipt).await;
}

#[tokio::test]
async fn sales_that_are_lost_together_are_restored_together() {
    let world = World::open().await;
    let special = special_sale(&world).await.id;
    world.shop.keep_schedule().await.unwrap();
    world.store.forget();
    // Only one of them is noticed yet.
    assert!(world.shop.enter(&world.sale()).map(CurrentEpoch::note_loss).is_ok());
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(2)));
    assert_eq!(world.shop.sales.live(special).unwrap().fence.epoch(), Some(Epoch(2)));
    assert!(world.store.has_state(special).await.unwrap());
}

#[tokio::test]
async fn a_sale_in_another_history_is_restored_although_nothing_seems_to_be_missing() {
    let world = World::open().await;
    let receipt = world.sell("ann", &[1]).await;
    world.store.branch();
    world.shop.check_redis().await.unwrap();
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(2)));
    nothing_was_forgotten(&world, &receipt).await;
}

#[tokio::test]
async fn a_replica_of_an_older_epoch_is_restored_although_it_knows_the_scripts_of_that_epoch() {
    let world = World::open().await;
    world.sell("bob", &[5]).await;
    let replica = world.store.save();
    world.store.forget_scripts();
    world.shop.check_redis().await.unwrap();
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(2)));
    let receipt = world.sell("ann", &[1, 2]).await;
    // It was a primary before, so it has scripts, and it was behind when it became one again.
    world.store.load(replica);
    world.shop.check_redis().await.unwrap();
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(3)));
    nothing_was_forgotten(&world, &receipt).await;
}

#[tokio::test]
async fn of_two_instances_with_a_store_each_the_one_that_was_passed_by_stops() {
    let world = World::open().await;
    let receipt = world.sell("ann", &[1]).await;
    // Another instance has another store, which knows nothing, and takes the sale over.
    let World { shop: other, .. } = World::over(world.archive.clone(), settings());
    assert_eq!(start(&other).await, Recovered::Restored(Epoch(2)));
    // What the first one sells now is neither acknowledged nor archived.
    let code = world.decide("bob", &[2]).await;
    let sale = world.sale();
    let epoch = world.shop.enter(&sale).unwrap();
    let late = epoch.check(LedgerWriter::new(epoch.number()).step(&world.shop, &sale).await);
    assert!(matches!(late, Err(PersistError::EpochPassed)), "{late:?}");
    for _again in 0..3 {
        assert!(matches!(world.shop.recover().await, Err(StoreError::Busy(why)) if why.contains("another Redis")));
        assert!(matches!(world.shop.purchase(code, false).await, Err(PurchaseError::Failed(StoreError::Fenced))));
    }
    other.check_redis().await.unwrap();
    assert_eq!(other.current_sale().unwrap().fence.epoch(), Some(Epoch(2)), "no ping-pong");
    assert_eq!(durable(other.purchase(receipt.code, false).await.unwrap()), receipt);
    // Neither does it take a sale of which it knows nothing.
    let next = special_sale(&world).await;
    let live = world.shop.activate(next.clone()).await.unwrap();
    assert!(matches!(world.shop.join(&live).await, Err(StoreError::Busy(why)) if why.contains("another Redis")));
    assert_eq!(other.activate(next).await.unwrap().fence.epoch(), Some(Epoch(2)));
    // Once the first store is known to have forgotten, it may take the sale over.
    world.store.forget_scripts();
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(3)));
    nothing_was_forgotten(&world, &receipt).await;
}

#[tokio::test]
async fn an_instance_that_was_passed_by_finds_out_while_nobody_buys() {
    let world = World::open().await;
    world.sell("ann", &[1]).await;
    let World { shop: other, .. } = World::over(world.archive.clone(), settings());
    assert_eq!(start(&other).await, Recovered::Restored(Epoch(2)));
    world.shop.check_redis().await.unwrap();
    assert_eq!(world.sale().fence.epoch(), None);
}

#[tokio::test]
async fn an_archive_that_forgot_epochs_and_purchases_gets_them_back_from_the_store() {
    let world = World::open().await;
    world.sell("ann", &[1]).await;
    let older = world.archive.save();
    world.store.forget_scripts();
    world.shop.check_redis().await.unwrap();
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(2)));
    let receipt = world.sell("bob", &[2]).await;
    // A standby that was behind becomes the primary.
    world.archive.load(older);
    let sale = world.sale();
    let epoch = world.shop.enter(&sale).unwrap();
    let late = epoch.check(LedgerWriter::new(epoch.number()).step(&world.shop, &sale).await);
    assert!(matches!(late, Err(PersistError::EpochPassed)), "{late:?}");
    assert_eq!(world.shop.recover().await.unwrap(), Recovered::Restored(Epoch(3)));
    nothing_was_forgotten(&world, &receipt).await;
}
