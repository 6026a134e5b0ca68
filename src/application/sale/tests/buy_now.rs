use super::*;
use crate::application::sale::buy_now::BuyNowError;
use crate::application::sale::memory::StoreCall;
use crate::application::shared::StoreError;
use crate::domain::sale::BuyNowRefusal;

async fn buy(shop: &Shop, name: &str, id: &str, number: u32) -> Result<PurchaseOutcome, BuyNowError> {
    shop.buy_now(&user(name), &request(id), item(number), Quantity::ONE).await
}

/// Buys an item, durably.
async fn sell(world: &World, name: &str, id: &str, number: u32) -> Receipt {
    buy(&world.shop, name, id, number).await.unwrap();
    let sale = world.sale();
    world.write(&sale).await;
    world.read_ledger(&sale).await;
    durable(buy(&world.shop, name, id, number).await.unwrap())
}

#[track_caller]
fn refusal(result: Result<PurchaseOutcome, BuyNowError>) -> BuyNowRefusal {
    match result {
        Err(BuyNowError::Refused(_, refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_buys_once_and_only_the_same_thing() {
    let world = World::open().await;
    let receipt = sell(&world, "ann", "r", 1).await;
    assert_eq!(durable(buy(&world.shop, "ann", "r", 1).await.unwrap()), receipt);
    assert_eq!(refusal(buy(&world.shop, "ann", "r", 2).await), BuyNowRefusal::RequestMismatch);
    assert_eq!(receipt.units, 1);
}

#[tokio::test]
async fn a_sold_item_costs_no_call_except_for_the_request_that_bought_it() {
    let world = World::open().await;
    let receipt = sell(&world, "ann", "r", 1).await;
    let calls = world.store.calls().total();
    assert_eq!(refusal(buy(&world.shop, "bob", "r", 1).await), BuyNowRefusal::SoldOut);
    assert_eq!((world.store.calls().total(), world.shop.refusals.filtered()), (calls, 1));
    assert_eq!(durable(buy(&world.shop, "ann", "r", 1).await.unwrap()), receipt);
}

#[tokio::test]
async fn a_retry_after_the_hour_gets_the_receipt_of_the_hour_before() {
    let world = World::open().await;
    let receipt = sell(&world, "ann", "r", 1).await;
    let nine = world.sale();
    world.set_time("10:00:00");
    world.shop.keep_schedule().await.unwrap();
    assert_ne!(world.sale().id(), nine.id());
    // Another instance does not know yet what was sold before.
    let other = world.other();
    start(&other).await;
    let early = buy(&other, "ann", "r", 1).await;
    assert!(matches!(early, Err(BuyNowError::Failed(StoreError::Busy(_)))), "{early:?}");
    assert_eq!(durable(buy(&world.shop, "ann", "r", 1).await.unwrap()), receipt);
    // Another user buys the item of that number in the new sale.
    let outcome = buy(&world.shop, "bob", "r", 1).await.unwrap();
    assert!(matches!(outcome, PurchaseOutcome::Confirming(code) if code.sale == world.sale().id()));

    // The same once the sale is closed.
    world.set_time("10:00:03");
    let mut attempts = crate::application::sale::attempts::AttemptsWriter::default();
    attempts.step(&world.shop, &nine).await.unwrap();
    world.shop.keep_schedule().await.unwrap();
    assert!(nine.sale().closed);
    for _store in ["holds the sale", "has dropped the sale"] {
        assert_eq!(durable(buy(&world.shop, "ann", "r", 1).await.unwrap()), receipt);
        let by_id = "20261120T09-00002".parse().unwrap();
        let mismatch = world.shop.buy_now(&user("ann"), &request("r"), by_id, Quantity::ONE).await;
        assert_eq!(refusal(mismatch), BuyNowRefusal::RequestMismatch);
        let ended = world.shop.buy_now(&user("ann"), &request("new"), by_id, Quantity::ONE).await;
        assert_eq!(refusal(ended), BuyNowRefusal::Ended);
        world.store.forget();
    }
}

#[tokio::test]
async fn at_the_boundary_a_number_means_the_sale_that_the_store_is_in() {
    let world = World::open().await;
    world.set_time("09:56:00");
    world.shop.keep_schedule().await.unwrap();
    for (instance, store, name, sale) in
        [("10:00:00.2", "09:59:59.9", "ann", "20261120T09"), ("09:59:59.8", "10:00:00.1", "bob", "20261120T10")]
    {
        world.store.set_time(at(store));
        world.shop.clock.set(at(instance));
        let outcome = buy(&world.shop, name, "r", 1).await.unwrap();
        assert!(matches!(outcome, PurchaseOutcome::Confirming(code) if code.sale.to_string() == sale), "{outcome:?}");
    }
}

#[tokio::test]
async fn while_the_instance_cannot_know_the_answer_is_busy_and_never_not_found() {
    let world = World::started(settings());
    let result = buy(&world.shop, "ann", "r", 99_999).await;
    assert!(matches!(result, Err(BuyNowError::Failed(StoreError::Busy(_)))), "{result:?}");
    start(&world.shop).await;
    assert_eq!(refusal(buy(&world.shop, "ann", "r", 99_999).await), BuyNowRefusal::ItemNotFound);
    let unknown = "20261120T0930-7f3a-00001".parse().unwrap();
    let result = world.shop.buy_now(&user("ann"), &request("r"), unknown, Quantity::ONE).await;
    assert!(matches!(result, Err(BuyNowError::SaleNotFound)), "{result:?}");
}

#[tokio::test]
async fn while_the_archive_is_behind_only_earlier_purchases_are_answered() {
    let world = World::open_with(|settings| settings.lag_limit = Duration::ZERO).await;
    let receipt = sell(&world, "ann", "r", 1).await;
    world.sale().confirmations.note([LedgerId::MAX].into_iter());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let calls = world.store.calls().count(StoreCall::BuyNow);
    assert_eq!(durable(buy(&world.shop, "ann", "r", 1).await.unwrap()), receipt);
    assert_eq!(refusal(buy(&world.shop, "ann", "r", 2).await), BuyNowRefusal::RequestMismatch);
    let result = buy(&world.shop, "ann", "new", 2).await;
    assert!(matches!(result, Err(BuyNowError::Failed(StoreError::Busy(_)))), "{result:?}");
    assert_eq!(world.store.calls().count(StoreCall::BuyNow), calls);
}

#[tokio::test]
async fn a_unit_that_the_store_sells_twice_is_kept_by_the_first_buyer() {
    let world = World::open().await;
    sell(&world, "ann", "r", 1).await;
    world.free_again(1);
    // The filter knows better than the store, so it is bypassed.
    let (sale, epoch) = (world.sale(), world.sale().fence.epoch().unwrap());
    let wanted = crate::domain::sale::CartLine { ordinal: 1.try_into().unwrap(), quantity: Quantity::ONE };
    let code = CheckoutCode::new(sale.id(), 7);
    world.shop.store.buy_now(epoch, &sale.catalog, (&user("bob"), &request("r")), code, wanted).await.unwrap();
    world.read_ledger(&sale).await;
    let (result, ()) = tokio::join!(buy(&world.shop, "bob", "r", 1), async {
        tokio::task::yield_now().await;
        world.write(&sale).await;
    });
    assert!(matches!(result, Err(BuyNowError::Undone)), "{result:?}");
    assert!(world.free(1).is_empty());
}
