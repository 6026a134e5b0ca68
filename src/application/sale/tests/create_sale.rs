use super::*;
use crate::application::sale::create_sale::{NewSale, NewSaleError, Offer};
use crate::application::sale::memory::{Fault, StoreCall};
use crate::application::sale::ports::SaleArchive;
use crate::domain::sale::{CheckoutRefusal, SaleStatus};
use crate::domain::shared::Epoch;
use crate::domain::shared::limits::{LIVE_SALES_MAX, SALE_DAYS_MAX};

fn wanted(starts_at: Option<DateTime<Utc>>, ends_at: Option<DateTime<Utc>>) -> NewSale {
    NewSale {
        starts_at,
        ends_at,
        offer: Offer::Generated(3),
        user_limit: Some(2),
        payment_window: None,
        waiting_room: false,
    }
}

#[tokio::test]
async fn a_created_sale_sells_at_once() {
    let world = World::open().await;
    let sale = world.shop.create_sale(wanted(None, None)).await.unwrap();
    assert_eq!(sale.window.status(at("09:30:01")), SaleStatus::Open);
    assert_eq!((sale.window.starts_at, sale.window.ends_at), (at("09:30:00"), at("10:30:00")));
    let item = format!("{}-00003", sale.id).parse().unwrap();
    let open = world.shop.checkout(&user("ann"), &[(item, Quantity::ONE)]).await.unwrap();
    world.shop.purchase(open.cart.code, false).await.unwrap();
}

#[tokio::test]
async fn a_sale_that_cannot_be_opened_yet_exists_and_recovery_opens_it() {
    let world = World::open().await;
    world.store.calls().fail_next(StoreCall::Open, Fault::Unreachable);
    let sale = world.shop.create_sale(wanted(None, None)).await.unwrap();
    let live = world.shop.sales.live(sale.id).unwrap();
    assert_eq!(live.fence.epoch(), None);
    world.shop.recover().await.unwrap();
    assert_eq!(live.fence.epoch(), Some(Epoch(1)));
}

#[tokio::test]
async fn a_window_that_no_sale_can_have_is_invalid() {
    let world = World::open().await;
    let year: DateTime<Utc> = "9999-12-31T22:00:00Z".parse().unwrap();
    let last_hour: DateTime<Utc> = "9999-12-31T23:00:00Z".parse().unwrap();
    let later: DateTime<Utc> = "+10000-01-01T00:00:00Z".parse().unwrap();
    let days = |days: u32| Some(at("09:30:00") + chrono::TimeDelta::days(days.into()));
    for (starts_at, ends_at) in [
        (Some(at("08:00:00")), Some(at("09:00:00"))),
        (Some(at("12:00:00")), Some(at("11:00:00"))),
        (None, days(SALE_DAYS_MAX + 1)),
        (Some(later), None),
        (Some(last_hour), None),
        (Some(last_hour), Some(later)),
        (Some(DateTime::<Utc>::MAX_UTC), None),
    ] {
        let result = world.shop.create_sale(wanted(starts_at, ends_at)).await;
        assert!(matches!(result, Err(NewSaleError::Invalid(_))), "{result:?}");
    }
    for (starts_at, ends_at) in [(None, days(SALE_DAYS_MAX)), (Some(year), None)] {
        world.shop.create_sale(wanted(starts_at, ends_at)).await.unwrap();
    }
}

#[tokio::test]
async fn live_sales_are_bounded() {
    let world = World::open().await;
    for _ in 1..LIVE_SALES_MAX {
        world.shop.create_sale(wanted(None, None)).await.unwrap();
    }
    let result = world.shop.create_sale(wanted(None, None)).await;
    assert!(matches!(result, Err(NewSaleError::TooMany)), "{result:?}");
    // A sale that has ended makes room once it is closed.
    let sale = world.shop.sales.all_live().into_iter().find(|sale| sale.id() != world.sale().id()).unwrap();
    world.shop.end_sale(sale.id()).await.unwrap();
    world.write(&sale).await;
    world.set_time("09:30:03");
    world.shop.keep_schedule().await.unwrap();
    world.shop.create_sale(wanted(None, None)).await.unwrap();
}

#[tokio::test]
async fn an_ended_sale_sells_nothing_more() {
    let world = World::open().await;
    let sale = world.shop.create_sale(wanted(None, None)).await.unwrap();
    let item = format!("{}-00001", sale.id).parse().unwrap();
    let checkout = async |name| world.shop.checkout(&user(name), &[(item, Quantity::ONE)]).await;
    let open = checkout("ann").await.unwrap();
    world.set_time("09:31:00");
    let ended = world.shop.end_sale(sale.id).await.unwrap().unwrap();
    assert_eq!(ended.window.ends_at, at("09:31:00"));
    assert_eq!(world.archive.sale(sale.id).await.unwrap(), Some(ended.clone()));
    let refused = crate::application::sale::checkout::CheckoutError::Refused(sale.id, CheckoutRefusal::SaleEnded);
    assert_eq!(format!("{:?}", checkout("bob").await.unwrap_err()), format!("{refused:?}"));
    world.shop.purchase(open.cart.code, false).await.unwrap_err();
    // Ending it again changes nothing.
    world.set_time("09:32:00");
    assert_eq!(world.shop.end_sale(sale.id).await.unwrap(), Some(ended));
    assert_eq!(world.shop.end_sale("20261120T0930-7f3a".parse().unwrap()).await.unwrap(), None);
}
