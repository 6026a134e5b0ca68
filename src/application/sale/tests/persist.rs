use super::*;
use crate::application::sale::memory::{ArchiveCall, Fault, StoreCall};
use crate::application::sale::ports::{PurchaseArchive, RejectedEntry, Watermarks};
use crate::domain::sale::LedgerEvent;

fn writer(world: &World) -> LedgerWriter {
    LedgerWriter::new(world.sale().fence.epoch().unwrap())
}

#[tokio::test]
async fn a_batch_is_archived_in_one_call_and_announced() {
    let world = World::open().await;
    let sale = world.sale();
    let mut news = world.store.subscribe().await.unwrap();
    for number in 1..=5 {
        world.decide(&format!("u{number}"), &[number]).await;
    }
    let mut writer = writer(&world);
    assert_eq!(writer.step(&world.shop, &sale).await.unwrap(), Progress::More);
    assert_eq!(writer.step(&world.shop, &sale).await.unwrap(), Progress::Idle);
    assert_eq!(world.archive.calls().count(ArchiveCall::Persist), 1);
    assert_eq!(world.archive.entries_in(sale.id(), LedgerId::ZERO, 9).await.unwrap().len(), 5);
    let watermark = news.next().await.unwrap();
    assert_eq!((watermark.persisted, watermark.rejections), (world.archived().await, 0));

    // Another instance learns from it that the purchases are durable.
    let other = world.other();
    start(&other).await;
    other.apply_watermark(watermark.clone()).await.unwrap();
    assert_eq!(other.current_sale().unwrap().confirmations.persisted(), watermark.persisted);
}

#[tokio::test]
async fn an_entry_that_is_rejected_for_itself_affects_no_other() {
    let world = World::open().await;
    let sale = world.sale();
    world.sell("ann", &[1]).await;
    let good = world.decide("bob", &[2]).await;
    world.free_again(1);
    let bad = world.cart("cat", &[4, 5]).await;
    world.store.edit(sale.id(), |stock| {
        let cart = stock.carts.get_mut(&bad).unwrap();
        cart.lines[0].ordinal = 1.try_into().unwrap();
    });
    world.shop.purchase(bad, false).await.unwrap();
    let unreadable = world.store.append(sale.id(), LedgerEvent::Unreadable("nonsense".into()));
    let last = world.decide("dan", &[3]).await;
    world.write(&sale).await;
    for code in [good, last] {
        durable(world.shop.receipt(code).await.unwrap().unwrap());
    }
    let rejections = world.archive.rejections(sale.id()).await.unwrap();
    assert_eq!(rejections.iter().map(|entry| entry.released).collect::<Vec<_>>(), [true, true]);
    assert_eq!(rejections[1].id, unreadable);
    assert_eq!((world.free(1), world.free(5)), (vec![], vec![1]));
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_not_written_twice() {
    let world = World::open().await;
    let sale = world.sale();
    let code = world.decide("ann", &[1]).await;
    world.archive.calls().fail_next(ArchiveCall::Persist, Fault::AnswerLost);
    let mut writer = writer(&world);
    writer.step(&world.shop, &sale).await.unwrap_err();
    assert_eq!(writer.step(&world.shop, &sale).await.unwrap(), Progress::Idle);
    assert_eq!(world.archive.calls().count(ArchiveCall::Persist), 1);
    durable(world.shop.receipt(code).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_ledger_that_is_archived_again_from_its_beginning_changes_nothing() {
    let world = World::open().await;
    let sale = world.sale();
    for number in 1..=3 {
        world.sell(&format!("u{number}"), &[number]).await;
    }
    let archived = (world.archived().await, world.archive.entries_in(sale.id(), LedgerId::ZERO, 9).await.unwrap());
    world.archive.set_cursor(sale.id(), LedgerId::ZERO);
    world.decide("ann", &[4]).await;
    world.write(&sale).await;
    let purchases = world.archive.entries_in(sale.id(), LedgerId::ZERO, 9).await.unwrap();
    assert_eq!(purchases[..3], archived.1);
    assert_eq!(purchases.len(), 4);
    assert!(world.archived().await > archived.0);
    assert_eq!(world.archive.rejections(sale.id()).await.unwrap(), []);
}

#[tokio::test]
async fn another_purchase_under_an_archived_id_is_rejected() {
    let world = World::open().await;
    let sale = world.sale();
    world.sell("ann", &[1]).await;
    let code = world.decide("bob", &[2]).await;
    for _as_a_batch_and_alone in 0..2 {
        world.archive.fail_next_persist(PersistError::Duplicate);
    }
    world.write(&sale).await;
    let is_released = |entry: &RejectedEntry| entry.released;
    let rejections: Vec<_> = world.archive.rejections(sale.id()).await.unwrap().iter().map(is_released).collect();
    assert_eq!(rejections, [true]);
    assert!(world.shop.receipt(code).await.unwrap().is_none());
    assert_eq!(world.free(2), [1]);
}

#[tokio::test]
async fn a_failure_of_the_archive_itself_rejects_nothing() {
    let world = World::open().await;
    let sale = world.sale();
    world.decide("ann", &[1]).await;
    let mut writer = writer(&world);
    for fault in [Fault::Busy, Fault::Unreachable, Fault::Corrupt] {
        world.archive.calls().fail_next(ArchiveCall::Persist, fault);
        assert!(matches!(writer.step(&world.shop, &sale).await, Err(PersistError::Store(_))));
    }
    for error in [PersistError::CursorMoved, PersistError::EpochPassed] {
        let expected = error.to_string();
        world.archive.fail_next_persist(error);
        assert_eq!(writer.step(&world.shop, &sale).await.unwrap_err().to_string(), expected);
    }
    assert_eq!(world.archive.rejections(sale.id()).await.unwrap(), []);
    world.write(&sale).await;
    assert_eq!(world.archive.entries_in(sale.id(), LedgerId::ZERO, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_rejection_outlives_the_writer_that_made_it() {
    let world = World::open().await;
    let sale = world.sale();
    let code = world.decide("ann", &[1]).await;
    world.archive.reject_purchase(code, RejectionReason::Invalid);
    world.store.calls().fail_next(StoreCall::Release, Fault::Unreachable);
    writer(&world).step(&world.shop, &sale).await.unwrap_err();
    assert!(world.free(1).is_empty(), "rejected and not released yet");
    // The next writer finds it.
    world.write(&sale).await;
    assert_eq!(world.free(1), [1]);
    assert!(world.archive.rejections(sale.id()).await.unwrap()[0].released);
    assert!(world.shop.receipt(code).await.unwrap().is_none());
    world.write(&sale).await;
    assert_eq!(world.store.calls().count(StoreCall::Release), 2, "it is released once");
}

#[tokio::test]
async fn a_draining_writer_releases_nothing() {
    let world = World::open().await;
    let sale = world.sale();
    let code = world.decide("ann", &[1]).await;
    world.archive.reject_purchase(code, RejectionReason::Invalid);
    let mut writer = LedgerWriter::draining(world.sale().fence.epoch().unwrap());
    while writer.step(&world.shop, &sale).await.unwrap() == Progress::More {}
    assert_eq!(world.store.calls().count(StoreCall::Release), 0);
    assert!(!world.archive.rejections(sale.id()).await.unwrap()[0].released);
}
