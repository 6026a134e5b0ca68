use tokio::time::timeout;

use super::*;
use crate::application::sale::follow::Follower;
use crate::application::sale::ports::Ledger;
use crate::domain::sale::LedgerEvent;
use crate::domain::shared::Ordinal;

/// Takes one step, or stops waiting for an entry that does not come.
async fn step(world: &World, follower: &mut Follower, sale: &LiveSale) {
    let epoch = world.sale().fence.epoch().unwrap();
    let mut reader = world.store.follow(sale.id()).await.unwrap();
    if let Ok(result) = timeout(Duration::from_millis(10), follower.step(epoch, sale, reader.as_mut())).await {
        result.unwrap();
    }
}

#[tokio::test]
async fn a_follower_shows_what_is_sold_and_wakes_the_writer() {
    let world = World::open().await;
    let (sale, mut follower) = (world.sale(), Follower::default());
    step(&world, &mut follower, &sale).await;
    assert_eq!((sale.projection().units(), sale.filter().sold_items()), (20, 0));
    world.decide("ann", &[1, 2]).await;
    timeout(ACK_TIMEOUT, sale.arrived.notified()).await.expect("a purchase wakes the writer by itself");
    step(&world, &mut follower, &sale).await;
    assert_eq!((sale.projection().units(), sale.confirmations.pending()), (18, 2), "the opening and the purchase");
    world.store.append(sale.id(), LedgerEvent::Opened);
    step(&world, &mut follower, &sale).await;
    timeout(ACK_TIMEOUT, sale.arrived.notified()).await.expect("an entry of another instance wakes it, too");
    world.write(&sale).await;
    assert_eq!(sale.confirmations.pending(), 0);
}

#[tokio::test]
async fn a_new_epoch_rebuilds_the_view_from_the_beginning() {
    let world = World::open().await;
    let (sale, mut follower) = (world.sale(), Follower::default());
    world.sell("ann", &[1]).await;
    world.decide("bob", &[2]).await;
    step(&world, &mut follower, &sale).await;
    sale.refresh_filter();
    let second: Ordinal = 2.try_into().unwrap();
    assert!(sale.is_sold(second) && sale.projection().units() == 18);
    // The purchase of the second item is lost.
    world.store.forget();
    world.shop.check_redis().await.unwrap();
    world.shop.recover().await.unwrap();
    step(&world, &mut follower, &sale).await;
    assert!(!sale.is_sold(second), "an item that nobody owns can be bought");
    assert!(sale.is_sold(1.try_into().unwrap()));
    assert_eq!((sale.projection().units(), sale.confirmations.lag()), (19, Duration::ZERO));
}

#[tokio::test]
async fn a_release_rebuilds_the_filter_at_once() {
    let world = World::open().await;
    let (sale, mut follower) = (world.sale(), Follower::default());
    step(&world, &mut follower, &sale).await;
    let code = world.decide("ann", &[1]).await;
    // This step rebuilds the filter, so the next is not due by time.
    step(&world, &mut follower, &sale).await;
    assert!(sale.is_sold(1.try_into().unwrap()));
    world.archive.reject_purchase(code, RejectionReason::Invalid);
    world.write(&sale).await;
    step(&world, &mut follower, &sale).await;
    assert!(!sale.is_sold(1.try_into().unwrap()));
    world.cart("bob", &[1]).await;
}
