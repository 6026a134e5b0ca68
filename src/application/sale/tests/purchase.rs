use std::pin::pin;

use tokio::time::timeout;

use super::*;
use crate::application::sale::memory::{ArchiveCall, Fault, StoreCall};
use crate::application::sale::ports::PurchaseArchive;
use crate::application::sale::purchase::PurchaseError;
use crate::application::shared::StoreError;
use crate::domain::sale::PurchaseRefusal;

#[tokio::test]
async fn a_purchase_is_acknowledged_once_it_is_archived_and_not_before() {
    let world = World::open_with(|settings| settings.ack_timeout = LONG).await;
    let code = world.cart("ann", &[1, 2]).await;
    let mut purchase = pin!(world.shop.purchase(code, false));
    assert!(timeout(ACK_TIMEOUT, &mut purchase).await.is_err(), "it is decided, not durable");
    assert!(world.free(1).is_empty());
    assert_eq!(world.archive.purchase_by_code(code).await.unwrap(), None);
    world.write(&world.sale()).await;
    let receipt = durable(purchase.await.unwrap());
    assert_eq!((receipt.code, receipt.units), (code, 2));
    assert!(world.archive.purchase_by_code(code).await.unwrap().is_some());
}

#[tokio::test]
async fn a_purchase_that_is_not_archived_in_time_is_confirming_and_later_has_one_receipt() {
    let world = World::open().await;
    let code = world.decide("ann", &[1]).await;
    assert!(matches!(world.shop.receipt(code).await.unwrap(), Some(PurchaseOutcome::Confirming(_))));
    world.write(&world.sale()).await;
    let receipt = durable(world.shop.receipt(code).await.unwrap().unwrap());
    for partial in [false, true] {
        match world.shop.purchase(code, partial).await.unwrap() {
            PurchaseOutcome::Durable { receipt: again, replayed, .. } => {
                assert_eq!((again, replayed), (receipt.clone(), true));
            }
            PurchaseOutcome::Confirming(_) => panic!("it is durable"),
        }
    }
}

#[tokio::test]
async fn a_purchase_whose_answer_was_lost_has_the_same_outcome_for_the_retry() {
    let world = World::open().await;
    let code = world.cart("ann", &[1]).await;
    world.store.calls().fail_next(StoreCall::Purchase, Fault::AnswerLost);
    let error = world.shop.purchase(code, false).await.unwrap_err();
    assert!(matches!(error, PurchaseError::Failed(StoreError::Unreachable(_))), "{error:?}");
    world.write(&world.sale()).await;
    assert_eq!(durable(world.shop.purchase(code, false).await.unwrap()).units, 1);
}

#[tokio::test]
async fn a_unit_that_the_store_sells_twice_is_kept_by_the_first_buyer() {
    let world = World::open_with(|settings| settings.ack_timeout = LONG).await;
    let (first, second) = (world.cart("ann", &[1]).await, world.cart("bob", &[1, 2]).await);
    let sale = world.sale();
    let (bought, ()) = tokio::join!(world.shop.purchase(first, false), world.write(&sale));
    durable(bought.unwrap());
    world.free_again(1);
    let mut purchase = pin!(world.shop.purchase(second, false));
    assert!(timeout(ACK_TIMEOUT, &mut purchase).await.is_err());
    world.write(&sale).await;
    let error = purchase.await.unwrap_err();
    assert!(matches!(error, PurchaseError::Undone), "{error:?}");
    assert_eq!((world.free(1), world.free(2)), (vec![], vec![1]), "only the unit without an owner is free again");
    assert!(world.shop.receipt(second).await.unwrap().is_none());
}

#[tokio::test]
async fn a_limit_that_the_store_forgets_is_kept_by_the_archive() {
    let world = World::open_with(|settings| settings.ack_timeout = LONG).await;
    let sale = world.sale();
    for items in [[1], [2]] {
        let code = world.cart("ann", &items).await;
        world.store.edit(sale.id(), |stock| stock.holdings.slots.clear());
        let (outcome, ()) = tokio::join!(world.shop.purchase(code, false), async {
            tokio::task::yield_now().await;
            world.write(&sale).await;
        });
        match items {
            [1] => _ = durable(outcome.unwrap()),
            _ => assert!(matches!(outcome, Err(PurchaseError::Undone))),
        }
    }
}

#[tokio::test]
async fn a_purchase_that_cannot_be_recorded_is_undone() {
    let world = World::open_with(|settings| settings.ack_timeout = LONG).await;
    let code = world.cart("ann", &[1]).await;
    let sale = world.sale();
    world.archive.reject_purchase(code, RejectionReason::Invalid);
    let (outcome, ()) = tokio::join!(world.shop.purchase(code, false), async {
        tokio::task::yield_now().await;
        world.write(&sale).await;
    });
    assert!(matches!(outcome, Err(PurchaseError::Undone)), "{outcome:?}");
    assert_eq!(world.free(1), [1]);
}

#[tokio::test]
async fn a_repeated_purchase_is_answered_although_the_queue_of_purchases_is_full() {
    let world = World::open().await;
    let bought = world.sell("ann", &[1]).await.code;
    let code = world.cart("bob", &[2]).await;
    world.store.calls().fail(StoreCall::Purchase, Fault::Busy);
    assert_eq!(durable(world.shop.purchase(bought, false).await.unwrap()).code, bought);
    let error = world.shop.purchase(code, false).await.unwrap_err();
    assert!(matches!(error, PurchaseError::Failed(StoreError::Busy(_))), "{error:?}");
}

#[tokio::test]
async fn while_the_archive_is_behind_nothing_is_sold_and_receipts_are_still_shown() {
    let world = World::open_with(|settings| settings.lag_limit = Duration::ZERO).await;
    let bought = world.sell("ann", &[1]).await;
    let code = world.cart("bob", &[2]).await;
    let sale = world.sale();
    sale.confirmations.note([LedgerId::MAX].into_iter());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (calls, finds) = (world.store.calls().count(StoreCall::Purchase), world.store.calls().count(StoreCall::Find));
    let error = world.shop.purchase(code, false).await.unwrap_err();
    assert!(matches!(error, PurchaseError::Failed(StoreError::Busy(_))), "{error:?}");
    assert_eq!(world.store.calls().count(StoreCall::Find), finds, "a refusal costs no call");
    assert_eq!(durable(world.shop.purchase(bought.code, false).await.unwrap()), bought);
    assert_eq!(world.store.calls().count(StoreCall::Purchase), calls, "no purchase was decided");
    assert_eq!(world.free(2), [1]);
}

#[tokio::test]
async fn a_closed_sale_shows_its_receipts_and_sells_nothing() {
    let world = World::open().await;
    let receipt = world.sell("ann", &[1]).await;
    let left = world.cart("bob", &[2]).await;
    let live = world.sale();
    world.archive.calls().fail_next(ArchiveCall::PersistAttempts, Fault::Unreachable);
    let mut attempts = crate::application::sale::attempts::AttemptsWriter::default();
    attempts.step(&world.shop, &live).await.unwrap_err();
    attempts.step(&world.shop, &live).await.unwrap();
    world.set_time("10:00:03");
    world.shop.keep_schedule().await.unwrap();
    assert!(live.sale().closed && world.shop.sales.live(live.id()).is_none());
    let other = world.other();
    start(&other).await;
    for _store in ["holds the sale", "has dropped the sale"] {
        for shop in [&world.shop, &other] {
            assert_eq!(durable(shop.purchase(receipt.code, false).await.unwrap()), receipt);
            assert_eq!(durable(shop.receipt(receipt.code).await.unwrap().unwrap()), receipt);
            let error = shop.purchase(left, false).await.unwrap_err();
            assert!(matches!(error, PurchaseError::Refused(_, PurchaseRefusal::Ended)), "{error:?}");
        }
        world.store.forget();
    }
}

#[tokio::test]
async fn a_code_of_a_sale_that_does_not_exist_is_not_found() {
    let world = World::open().await;
    let code = CheckoutCode::new("20261120T0930-7f3a".parse().unwrap(), 1);
    let error = world.shop.purchase(code, false).await.unwrap_err();
    assert!(matches!(error, PurchaseError::Refused(_, PurchaseRefusal::CheckoutNotFound)), "{error:?}");
    assert!(world.shop.receipt(code).await.unwrap().is_none());
    // Without an answer nobody knows if it bought, so it is no "not found".
    world.archive.calls().fail(ArchiveCall::Sale, Fault::Busy);
    let error = world.shop.purchase(code, false).await.unwrap_err();
    assert!(matches!(error, PurchaseError::Failed(StoreError::Unreachable(_))), "{error:?}");
}

#[tokio::test]
async fn a_purchase_that_recovery_saved_is_acknowledged_to_its_waiter() {
    let world = World::open_with(|settings| settings.ack_timeout = LONG).await;
    let code = world.cart("ann", &[1]).await;
    let mut purchase = pin!(world.shop.purchase(code, false));
    assert!(timeout(ACK_TIMEOUT, &mut purchase).await.is_err());
    world.store.forget_scripts();
    world.shop.check_redis().await.unwrap();
    world.shop.recover().await.unwrap();
    // Decided in one epoch, archived in the next: the archive has the last word.
    assert_eq!(durable(purchase.await.unwrap()).code, code);
}

#[tokio::test]
async fn a_purchase_that_the_store_lost_is_never_acknowledged_whatever_is_archived_later() {
    let world = World::open_with(|settings| settings.ack_timeout = LONG).await;
    let code = world.cart("ann", &[1]).await;
    let mut purchase = pin!(world.shop.purchase(code, false));
    assert!(timeout(ACK_TIMEOUT, &mut purchase).await.is_err());
    world.store.forget();
    world.shop.check_redis().await.unwrap();
    world.shop.recover().await.unwrap();
    world.store.pass(chrono::TimeDelta::seconds(1));
    let sale = world.sale();
    let other = world.cart("bob", &[1]).await;
    let (later, ()) = tokio::join!(world.shop.purchase(other, false), async {
        tokio::task::yield_now().await;
        world.write(&sale).await;
    });
    durable(later.unwrap());
    match purchase.await.unwrap() {
        PurchaseOutcome::Confirming(confirming) => assert_eq!(confirming, code),
        PurchaseOutcome::Durable { .. } => panic!("the item belongs to the other buyer"),
    }
}
