use super::*;
use crate::domain::sale::Stock;

#[tokio::test]
async fn a_sound_sale_is_sound_while_entries_are_on_their_way() {
    let world = World::open().await;
    let sale = world.sale();
    world.sell("ann", &[1, 2]).await;
    world.decide("bob", &[3]).await;
    let findings = world.verify(&sale.sale()).await;
    assert_eq!(findings, Findings { sold: 2, ..Findings::default() });
}

#[tokio::test]
async fn one_changed_unit_slot_or_receipt_is_found() {
    let changes: [fn(&mut Stock); 5] = [
        |stock| _ = stock.holdings.units.remove(&1.try_into().unwrap()),
        |stock| _ = stock.holdings.units.insert(2.try_into().unwrap(), [1].into()),
        |stock| _ = stock.holdings.slots.entry(user("ann")).or_default().insert(4),
        |stock| stock.holdings.slots.clear(),
        |stock| stock.holdings.receipts.clear(),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let world = World::open().await;
        let sale = world.sale();
        world.sell("ann", &[1]).await;
        world.store.edit(sale.id(), change);
        let findings = world.verify(&sale.sale()).await;
        assert_eq!(findings, Findings { sold: 1, drift: 1, ..Findings::default() }, "change {index}");
    }
}

#[tokio::test]
async fn a_purchase_that_the_cursor_passed_and_the_archive_does_not_have_is_lost() {
    let world = World::open().await;
    let sale = world.sale();
    let receipt = world.sell("ann", &[1]).await;
    world.archive.delete_purchase(sale.id(), receipt.order_id.entry);
    assert_eq!(world.verify(&sale.sale()).await.lost, 1);
}

#[tokio::test]
async fn a_rejected_purchase_is_neither_lost_nor_a_drift() {
    let world = World::open().await;
    let sale = world.sale();
    world.sell("ann", &[1]).await;
    let code = world.decide("bob", &[2]).await;
    world.archive.reject_purchase(code, RejectionReason::Invalid);
    world.write(&sale).await;
    let findings = world.verify(&sale.sale()).await;
    assert_eq!(findings, Findings { sold: 1, ..Findings::default() });
}

#[tokio::test]
async fn a_live_sale_without_state_is_unsound_and_a_closed_one_is_not() {
    let world = World::open().await;
    let sale = world.sale();
    world.sell("ann", &[1]).await;
    world.store.forget();
    assert_eq!(world.verify(&sale.sale()).await.drift, 1);
    let closed = crate::domain::sale::Sale { closed: true, ..(*sale.sale()).clone() };
    assert!(world.verify(&closed).await.is_sound());
}

#[tokio::test]
async fn of_a_closed_sale_only_the_ledger_counts() {
    let world = World::open().await;
    let sale = world.sale();
    let receipt = world.sell("ann", &[1]).await;
    let closed = crate::domain::sale::Sale { closed: true, ..(*sale.sale()).clone() };
    world.store.edit(sale.id(), |stock| stock.holdings.receipts.clear());
    assert_eq!(world.verify(&sale.sale()).await.drift, 1);
    assert!(world.verify(&closed).await.is_sound());
    world.archive.delete_purchase(sale.id(), receipt.order_id.entry);
    assert_eq!(world.verify(&closed).await.lost, 1);
}

#[tokio::test]
async fn an_audit_has_a_result_only_on_its_instance_and_in_one_epoch() {
    let world = World::open().await;
    let sale = world.sale();
    world.sell("ann", &[1]).await;
    assert_eq!(world.shop.audit(&sale, &mut Pace::without_pauses()).await.unwrap(), None, "another instance audits");
    sale.begin_audits(world.shop.clock.now());
    let findings = world.shop.audit(&sale, &mut Pace::without_pauses()).await.unwrap().unwrap();
    assert!(findings.is_sound());
    assert_eq!(sale.last_audit.load_full().unwrap().findings, Some(findings));
    // A store that lost its state differs without being wrong, and recovery is called.
    world.store.forget();
    assert_eq!(world.shop.audit(&sale, &mut Pace::without_pauses()).await.unwrap(), None);
    assert_eq!(world.sale().fence.epoch(), None);
    world.shop.recover().await.unwrap();
    assert!(world.shop.audit(&sale, &mut Pace::without_pauses()).await.unwrap().unwrap().is_sound());
    world.free_again(1);
    assert_eq!(world.shop.audit(&sale, &mut Pace::without_pauses()).await.unwrap().unwrap().drift, 1);
}
