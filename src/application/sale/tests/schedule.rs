use super::*;
use crate::application::sale::attempts::AttemptsWriter;
use crate::application::sale::memory::{ArchiveCall, Fault, StoreCall};
use crate::application::sale::ports::{Inspector, SaleArchive};
use crate::application::sale::purchase::PurchaseError;
use crate::application::shared::StoreError;
use crate::domain::sale::{Catalog, Sale, Window};
use crate::domain::shared::SaleId;

fn live(shop: &Shop) -> Vec<String> {
    shop.sales.all_live().iter().map(|sale| sale.id().to_string()).collect()
}

/// Creates a sale in the archive only.
async fn create(world: &World, suffix: u16, ends_at: &str) -> Sale {
    let catalog = Catalog::generated(3).unwrap();
    let window = Window::new(at("09:00:00"), at(ends_at)).unwrap();
    let sale = Sale::new(SaleId::special(window.starts_at, suffix), window, 1, &catalog);
    assert!(world.archive.create_sale(&sale, &catalog).await.unwrap());
    sale
}

#[tokio::test]
async fn the_next_sale_exists_before_its_hour_and_once() {
    let world = World::open().await;
    assert_eq!(live(&world.shop), ["20261120T09"]);
    world.set_time("09:54:59");
    world.shop.keep_schedule().await.unwrap();
    assert_eq!(live(&world.shop), ["20261120T09"]);
    world.set_time("09:55:00");
    let other = world.other();
    start(&other).await;
    for _again in 0..2 {
        let (one, two) = tokio::join!(world.shop.keep_schedule(), other.keep_schedule());
        one.and(two).unwrap();
    }
    assert_eq!(live(&world.shop), ["20261120T09", "20261120T10"]);
    assert_eq!(live(&other), live(&world.shop));
    assert_eq!(world.archive.sales(crate::application::sale::ports::SaleFilter::Live).await.unwrap().len(), 2);
    world.set_time("10:00:00");
    assert_eq!(world.sale().id().to_string(), "20261120T10");
    world.cart("ann", &[1]).await;
}

#[tokio::test]
async fn a_sale_is_closed_only_when_all_of_it_is_archived() {
    let world = World::open().await;
    let sale = world.sale();
    world.decide("ann", &[1]).await;
    world.set_time("10:00:03");
    let is_closed = async || {
        world.shop.keep_schedule().await.unwrap();
        sale.sale().closed
    };
    assert!(!is_closed().await, "a purchase is not archived");
    world.write(&sale).await;
    assert!(!is_closed().await, "an attempt is not archived");
    AttemptsWriter::default().step(&world.shop, &sale).await.unwrap();
    assert!(is_closed().await);
    assert!(world.archive.sale(sale.id()).await.unwrap().unwrap().closed);
    assert_eq!(live(&world.shop), ["20261120T10"]);
    // Redis keeps it for a day, so that it answers retries.
    assert!(world.store.has_state(sale.id()).await.unwrap());
    world.set_now(at("10:00:03") + chrono::TimeDelta::days(1));
    world.shop.keep_schedule().await.unwrap();
    assert!(!world.store.has_state(sale.id()).await.unwrap());
}

#[tokio::test]
async fn a_sale_with_a_rejected_purchase_is_closed_after_its_release() {
    let world = World::open().await;
    let sale = world.sale();
    let code = world.decide("ann", &[1]).await;
    AttemptsWriter::default().step(&world.shop, &sale).await.unwrap();
    world.archive.reject_purchase(code, RejectionReason::Invalid);
    world.set_time("10:00:03");
    world.store.calls().fail_next(StoreCall::Release, Fault::Unreachable);
    LedgerWriter::new(sale.fence.epoch().unwrap()).step(&world.shop, &sale).await.unwrap_err();
    world.shop.keep_schedule().await.unwrap();
    assert!(!sale.sale().closed);
    // The release and then its own entry in the ledger.
    for _ in 0..2 {
        world.write(&sale).await;
    }
    world.shop.keep_schedule().await.unwrap();
    assert!(sale.sale().closed);
}

#[tokio::test]
async fn a_sale_that_another_instance_closed_is_closed_here() {
    let world = World::open().await;
    let (sale, other) = (world.sale(), world.other());
    start(&other).await;
    world.write(&sale).await;
    world.set_time("10:00:03");
    world.shop.keep_schedule().await.unwrap();
    assert_eq!((live(&world.shop), live(&other)), (vec!["20261120T10".into()], vec!["20261120T09".into()]));
    other.clock.set_host(at("10:00:03"));
    other.keep_schedule().await.unwrap();
    assert_eq!(live(&other), ["20261120T10"]);
    assert!(other.sales.past(sale.id()).is_some_and(|past| past.sale().closed));
}

#[tokio::test]
async fn a_failure_with_one_sale_does_not_stop_the_others() {
    let world = World::open().await;
    let (one, two) = (create(&world, 1, "11:00:00").await, create(&world, 2, "11:00:00").await);
    world.archive.calls().fail_next(ArchiveCall::Catalog, Fault::Unreachable);
    world.shop.keep_schedule().await.unwrap_err();
    let activated = [one.id, two.id].map(|id| world.shop.sales.live(id).is_some());
    assert_eq!(activated.iter().filter(|live| **live).count(), 1, "{activated:?}");
    world.shop.keep_schedule().await.unwrap();
    assert_eq!(world.shop.sales.all_live().len(), 3);
}

#[tokio::test]
async fn an_end_that_the_store_did_not_hear_of_is_passed_on() {
    let world = World::open().await;
    let sale = create(&world, 1, "11:00:00").await;
    world.shop.keep_schedule().await.unwrap();
    world.archive.end_sale(sale.id, at("09:29:00")).await.unwrap();
    world.store.calls().fail_next(StoreCall::End, Fault::Unreachable);
    world.shop.keep_schedule().await.unwrap_err();
    let item = format!("{}-00001", sale.id).parse().unwrap();
    let checkout = async |name| world.shop.checkout(&user(name), &[(item, Quantity::ONE)]).await;
    checkout("ann").await.expect("the store still sells");
    world.shop.keep_schedule().await.unwrap();
    checkout("bob").await.expect_err("the sale has ended");
}

#[tokio::test]
async fn a_clock_that_jumps_past_the_end_of_a_sale_does_not_end_it() {
    let jumps: [fn(&World); 3] = [
        |world| world.store.set_time(at("10:30:00")),
        |world| world.archive.set_time(at("10:30:00")),
        |world| world.shop.clock.set_host(at("10:30:00")),
    ];
    for (clock, jump) in jumps.iter().enumerate() {
        let world = World::open().await;
        let (sale, receipt) = (world.sale(), world.sell("ann", &[1]).await);
        AttemptsWriter::default().step(&world.shop, &sale).await.unwrap();
        let cart = world.cart("bob", &[2]).await;
        jump(&world);
        // Nothing is refused for good before the clocks are compared, and nothing is sold afterwards.
        if clock == 0 {
            let result = world.shop.purchase(cart, false).await;
            assert!(matches!(result, Err(PurchaseError::Failed(StoreError::Busy(_)))), "{result:?}");
        }
        let kept = world.shop.keep_schedule().await;
        assert!(matches!(kept, Err(StoreError::Busy(why)) if why.contains("clocks")), "{kept:?}");
        let result = world.shop.purchase(cart, false).await;
        assert!(matches!(result, Err(PurchaseError::Failed(StoreError::Busy(_)))), "{result:?}");
        assert!(!sale.sale().closed && live(&world.shop) == ["20261120T09"]);
        assert_eq!(durable(world.shop.purchase(receipt.code, false).await.unwrap()), receipt, "it was bought before");
        world.set_time("09:31:00");
        world.shop.keep_schedule().await.unwrap();
        let result = world.shop.purchase(cart, false).await;
        assert!(matches!(result, Ok(PurchaseOutcome::Confirming(_))), "{result:?}");
    }
}
