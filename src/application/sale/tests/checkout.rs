use super::*;
use crate::application::sale::checkout::CheckoutError;
use crate::application::sale::memory::{ArchiveCall, Fault, StoreCall};
use crate::application::shared::StoreError;
use crate::domain::sale::CheckoutRefusal;

/// Calls `checkout` for one unit of each of these items.
async fn checkout(shop: &Shop, name: &str, items: &[u32]) -> Result<CheckoutCode, CheckoutError> {
    let items: Vec<_> = items.iter().map(|number| (item(*number), Quantity::ONE)).collect();
    shop.checkout(&user(name), &items).await.map(|open| open.cart.code)
}

#[track_caller]
fn refusal(result: Result<CheckoutCode, CheckoutError>) -> CheckoutRefusal {
    match result {
        Err(CheckoutError::Refused(_, refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_sold_item_costs_no_call() {
    let world = World::open().await;
    world.sell("ann", &[1, 2]).await;
    let (store, archive) = (world.store.calls().total(), world.archive.calls().total());
    let sold = [1.try_into().unwrap(), 2.try_into().unwrap()];
    let refused = refusal(checkout(&world.shop, "bob", &[1, 3, 2]).await);
    assert_eq!(refused, CheckoutRefusal::ItemSold(sold.to_vec()));
    assert_eq!((world.store.calls().total(), world.archive.calls().total()), (store, archive));
    assert_eq!(world.shop.refusals.filtered(), 1);
    checkout(&world.shop, "bob", &[3]).await.unwrap();
}

#[tokio::test]
async fn an_impossible_cart_costs_no_call() {
    let world = World::open().await;
    let calls = world.store.calls().total();
    assert_eq!(
        refusal(checkout(&world.shop, "ann", &[21]).await),
        CheckoutRefusal::ItemNotFound(21.try_into().unwrap())
    );
    let eleven: Vec<u32> = (1..=11).collect();
    assert_eq!(refusal(checkout(&world.shop, "ann", &eleven).await), CheckoutRefusal::CartFull);
    assert_eq!(world.store.calls().total(), calls);
}

#[tokio::test]
async fn while_no_sale_is_known_here_the_answer_is_busy_and_never_not_found() {
    let world = World::started(settings());
    for result in [checkout(&world.shop, "ann", &[1]).await, checkout(&world.shop, "ann", &[99_999]).await] {
        assert!(matches!(result, Err(CheckoutError::Failed(StoreError::Busy(_)))), "{result:?}");
    }
    world.shop.keep_schedule().await.unwrap();
    let result = checkout(&world.shop, "ann", &[1]).await;
    assert!(matches!(result, Err(CheckoutError::Failed(StoreError::Busy(_)))), "{result:?}");
    world.shop.recover().await.unwrap();
    checkout(&world.shop, "ann", &[1]).await.unwrap();
}

#[tokio::test]
async fn a_sale_that_does_not_exist_is_not_found_and_one_that_cannot_be_asked_for_is_an_error() {
    let world = World::open().await;
    let unknown = [("20261120T0930-7f3a-00001".parse::<ItemRef>().unwrap(), Quantity::ONE)];
    let result = world.shop.checkout(&user("ann"), &unknown).await;
    assert!(matches!(result, Err(CheckoutError::SaleNotFound)), "{result:?}");
    world.archive.calls().fail_next(ArchiveCall::Sale, Fault::Unreachable);
    let result = world.shop.checkout(&user("ann"), &unknown).await;
    assert!(matches!(result, Err(CheckoutError::Failed(StoreError::Unreachable(_)))), "{result:?}");
}

#[tokio::test]
async fn items_are_named_once_and_belong_to_one_sale() {
    let world = World::open().await;
    let other: ItemRef = "20261120T0930-7f3a-00001".parse().unwrap();
    let one = Quantity::ONE;
    for items in [&[][..], &[(item(1), one), (item(1), one)], &[(item(1), one), (other, one)]] {
        let result = world.shop.checkout(&user("ann"), items).await;
        assert!(matches!(result, Err(CheckoutError::Invalid(_))), "{result:?}");
    }
}

#[tokio::test]
async fn at_the_boundary_a_number_means_the_sale_that_the_store_is_in() {
    let world = World::open().await;
    world.set_time("09:56:00");
    world.shop.keep_schedule().await.unwrap();
    let [nine, ten] = ["20261120T09", "20261120T10"].map(|id| id.parse().unwrap());
    // The instance is ahead of the store, then behind it.
    for (instance, store, name, sale) in
        [("10:00:00.2", "09:59:59.9", "ann", nine), ("09:59:59.8", "10:00:00.1", "bob", ten)]
    {
        world.store.set_time(at(store));
        world.shop.clock.set(at(instance));
        assert_eq!(checkout(&world.shop, name, &[1]).await.unwrap().sale, sale);
    }
    // An id means its own sale.
    let items = [("20261120T09-00001".parse().unwrap(), Quantity::ONE)];
    let result = world.shop.checkout(&user("cat"), &items).await;
    assert!(matches!(result, Err(CheckoutError::Refused(_, CheckoutRefusal::SaleEnded))), "{result:?}");
}

#[tokio::test]
async fn a_store_that_lost_its_state_closes_the_fence() {
    let world = World::open().await;
    world.store.forget_scripts();
    let result = checkout(&world.shop, "ann", &[1]).await;
    assert!(matches!(result, Err(CheckoutError::Failed(StoreError::Fenced))), "{result:?}");
    assert_eq!(world.sale().fence.epoch(), None);
    let calls = world.store.calls().count(StoreCall::Checkout);
    checkout(&world.shop, "ann", &[1]).await.unwrap_err();
    assert_eq!(world.store.calls().count(StoreCall::Checkout), calls, "a closed fence costs no call");
}

#[tokio::test]
async fn refused_checkouts_are_counted_and_no_count_is_lost_by_a_failure() {
    let world = World::open().await;
    world.sell("ann", &[1]).await;
    for _ in 0..3 {
        checkout(&world.shop, "bob", &[1]).await.unwrap_err();
    }
    world.archive.calls().fail_next(ArchiveCall::AddRefusals, Fault::Busy);
    world.shop.archive_refusals().await.unwrap_err();
    checkout(&world.shop, "bob", &[1]).await.unwrap_err();
    world.shop.archive_refusals().await.unwrap();
    let counts: Vec<_> = world.archive.refusals().into_iter().map(|(key, count)| (key.reason, count)).collect();
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 4);
    assert!(counts.iter().all(|(reason, _)| *reason == "item_sold"), "{counts:?}");
}

#[tokio::test]
async fn a_bought_cart_is_no_cart() {
    let world = World::open().await;
    let code = world.cart("ann", &[1, 2]).await;
    let removed = world.shop.remove(code, item(1)).await.unwrap();
    assert_eq!(removed.cart.lines.len(), 1);
    assert_eq!(world.shop.cart(code).await.unwrap().unwrap().cart, removed.cart);
    world.shop.purchase(code, false).await.unwrap();
    assert!(world.shop.cart(code).await.unwrap().is_none());
}
