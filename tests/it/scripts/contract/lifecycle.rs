//! The life of a sale and of its idle carts.

use super::*;

contract! {
    opening_twice_changes_nothing,
    a_sale_can_only_end_earlier,
    nothing_is_decided_in_another_epoch_or_without_scripts,
    a_retired_sale_is_forgotten_in_time,
    a_cart_is_forgotten_unless_it_is_checked_out_again,
    idle_carts_are_forgotten_when_it_is_time,
}

async fn opening_twice_changes_nothing(sale: Fixture<'_>) {
    sale.buy("ann", 1, &[(1, 1)]).await;
    sale.store().open(EPOCH, &sale.stock).await.unwrap();
    assert_eq!(sale.ledger().await.len(), 2);
    assert_eq!(sale.sold(1).await, [1].into());
    // A sale of another epoch, or one that is being restored, is not opened.
    sale.store().load_scripts(Epoch(2)).await.unwrap();
    assert!(matches!(sale.store().open(Epoch(2), &sale.stock).await, Err(StoreError::Fenced)));
    sale.store().fence(EPOCH, sale.id).await.unwrap();
    assert!(matches!(sale.store().open(EPOCH, &sale.stock).await, Err(StoreError::Fenced)));
}

async fn a_sale_can_only_end_earlier(sale: Fixture<'_>) {
    let (store, now) = (sale.store(), sale.store().now().await.unwrap());
    store.end(EPOCH, sale.id, now + TimeDelta::days(1)).await.unwrap();
    sale.checkout("ann", 1, &[(1, 1)]).await.unwrap();
    store.end(EPOCH, sale.id, now).await.unwrap();
    store.end(EPOCH, sale.id, now + TimeDelta::hours(1)).await.unwrap();
    assert_eq!(refused(sale.checkout("ann", 2, &[(2, 1)]).await), CheckoutRefusal::SaleEnded);
}

async fn nothing_is_decided_in_another_epoch_or_without_scripts(sale: Fixture<'_>) {
    let (store, ann, r, code) = (sale.store(), user("ann"), request("r"), sale.code(1));
    let reason = ReleaseReason::Void;
    let release = Release { purchase: LedgerId::MAX, units: Vec::new(), slots: Vec::new(), reason };
    let ordinal = 1.try_into().unwrap();
    let all_are_fenced = async |epoch: Epoch, code: CheckoutCode| {
        assert!(is_fenced(store.checkout(epoch, &catalog(), &ann, code, &lines(&[(1, 1)])).await));
        assert!(is_fenced(store.remove(epoch, code, ordinal).await));
        assert!(is_fenced(store.purchase(epoch, &code.into(), false).await));
        assert!(is_fenced(store.buy_now(epoch, &catalog(), (&ann, &r), code, line(1, 1)).await));
        assert!(matches!(store.find(epoch, code).await, Err(StoreError::Fenced)));
        assert!(matches!(store.find_request(epoch, code.sale, &ann, &r).await, Err(StoreError::Fenced)));
        assert!(is_fenced(store.release(epoch, code.sale, &release).await));
        assert!(matches!(store.seal(epoch, code.sale).await, Err(StoreError::Fenced)));
        assert!(matches!(store.end(epoch, code.sale, sale.stock.sale.window.starts_at).await, Err(StoreError::Fenced)));
    };
    all_are_fenced(Epoch(2), code).await;
    store.load_scripts(Epoch(2)).await.unwrap();
    all_are_fenced(Epoch(2), code).await;
    all_are_fenced(EPOCH, CheckoutCode::new(SaleId::special(sale.id.starts_at(), 8), 1)).await;
    sale.checkout("ann", 1, &[(1, 1)]).await.unwrap();
    sale.subject.forget_scripts().await;
    all_are_fenced(EPOCH, code).await;
    store.load_scripts(EPOCH).await.unwrap();
    assert!(matches!(store.find(EPOCH, code).await.unwrap(), Some(Found::Cart(_))));
    sale.subject.forget().await;
    all_are_fenced(EPOCH, code).await;
}

async fn a_retired_sale_is_forgotten_in_time(sale: Fixture<'_>) {
    let (store, now) = (sale.store(), sale.store().now().await.unwrap());
    sale.buy("ann", 1, &[(1, 1)]).await;
    let cart = sale.checkout("bob", 2, &[(2, 1)]).await.unwrap();
    store.retire(sale.id, now + TimeDelta::hours(1)).await.unwrap();
    assert_eq!(store.find(EPOCH, cart.code).await.unwrap(), None, "nobody can buy it any more");
    store.drop_retired(now + TimeDelta::minutes(59)).await.unwrap();
    assert!(matches!(store.find(EPOCH, sale.code(1)).await.unwrap(), Some(Found::Purchase(_))));
    store.drop_retired(now + TimeDelta::hours(1)).await.unwrap();
    assert!(matches!(store.find(EPOCH, sale.code(1)).await, Err(StoreError::Fenced)));
    assert_eq!(sale.ledger().await, []);
    store.retire(sale.id, now).await.unwrap();
    store.drop_retired(now + TimeDelta::hours(1)).await.unwrap();
}

async fn a_cart_is_forgotten_unless_it_is_checked_out_again(sale: Fixture<'_>) {
    let forget = async || sale.store().forget_idle_carts(EPOCH, &sale.stock.sale, Duration::MAX, 0).await.unwrap();
    let names = ["ann", "bob", "cat", "dan", "eve"];
    let mut codes = Vec::new();
    for (secret, name) in (1..).zip(names) {
        codes.push(sale.checkout(name, secret, &[(5, 1), (4, 1)]).await.unwrap().code);
    }
    let open = async || {
        let mut open = Vec::new();
        for (code, name) in codes.iter().zip(names) {
            if let Some(Found::Cart(cart)) = sale.store().find(EPOCH, *code).await.unwrap() {
                assert_eq!((cart.code, cart.user), (*code, user(name)));
                open.push(name);
            }
        }
        open
    };
    forget().await;
    assert_eq!(open().await, names);
    // A repeated checkout and one that adds something keep their cart. A removed item does not, nor does a refusal.
    assert_eq!(sale.checkout("ann", 11, &[(5, 1)]).await.unwrap().code, codes[0]);
    assert_eq!(sale.checkout("bob", 12, &[(3, 1)]).await.unwrap().units(), 3);
    let left = sale.store().remove(EPOCH, codes[2], 5.try_into().unwrap()).await.unwrap();
    assert_eq!(left.lines, lines(&[(4, 1)]));
    assert_eq!(refused(sale.checkout("cat", 13, &[(5, 4)]).await), CheckoutRefusal::UserLimitReached);
    let bought = sale.store().purchase(EPOCH, &codes[3].into(), false).await.unwrap();
    forget().await;
    assert_eq!(open().await, ["ann", "bob"]);
    let unknown = sale.store().purchase(EPOCH, &codes[2].into(), false).await;
    assert_eq!(refused(unknown), PurchaseRefusal::CheckoutNotFound);
    let unknown = sale.store().remove(EPOCH, codes[2], 4.try_into().unwrap()).await;
    assert_eq!(refused(unknown), RemoveRefusal::CheckoutNotFound);
    let new = sale.checkout("cat", 14, &[(5, 1)]).await.unwrap();
    assert_eq!((new.code, new.units()), (sale.code(14), 1));
    forget().await;
    assert_eq!(open().await, [""; 0]);
    let again = sale.store().purchase(EPOCH, &codes[3].into(), false).await.unwrap();
    assert_eq!((again.id, again.replayed), (bought.id, true));
    assert_eq!(sale.sold(5).await, [1].into());
}

async fn idle_carts_are_forgotten_when_it_is_time(sale: Fixture<'_>) {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let forget = async |idle, crowd| {
        sale.store().forget_idle_carts(EPOCH, &sale.stock.sale, idle, crowd).await.unwrap();
    };
    let code = sale.checkout("ann", 1, &[(5, 1)]).await.unwrap().code;
    let is_open = async || sale.store().find(EPOCH, code).await.unwrap().is_some();
    // The sale began half an hour ago, and nothing was forgotten since.
    for _ in 0..3 {
        forget(minutes(31), 2).await;
        assert!(is_open().await);
    }
    for _ in 0..3 {
        forget(minutes(29), 2).await;
        assert!(is_open().await, "it is idle, but for less than half an hour");
    }
    sale.checkout("bob", 2, &[(5, 1)]).await.unwrap();
    forget(minutes(29), 2).await;
    assert!(is_open().await);
    sale.checkout("cat", 3, &[(5, 1)]).await.unwrap();
    forget(minutes(29), 2).await;
    assert!(!is_open().await, "two others make a crowd");
    let other_epoch = sale.store().forget_idle_carts(Epoch(9), &sale.stock.sale, Duration::ZERO, 0).await;
    assert!(matches!(other_epoch, Err(StoreError::Fenced)));
}
