//! The loss of a sale, and its restoration.

use super::*;

contract! {
    a_loss_is_found_and_an_intact_store_is_left_alone,
    a_restored_sale_has_the_archived_purchases_and_its_carts,
    a_restored_sale_knows_which_purchases_were_released,
    a_restored_ledger_reaches_as_far_as_the_archive,
    only_a_store_that_lost_nothing_gets_new_scripts,
    who_restores_in_an_older_epoch_changes_nothing,
}

async fn a_loss_is_found_and_an_intact_store_is_left_alone(sale: Fixture<'_>) {
    let (store, id) = (sale.store(), sale.id);
    let bought = sale.buy("ann", 1, &[(1, 1)]).await.id;
    let stored = async |epoch, archived| store.stored(epoch, id, archived).await.unwrap();
    for archived in [LedgerId::ZERO, bought] {
        assert!(stored(EPOCH, archived).await.is_intact(EPOCH));
    }
    let ahead = stored(EPOCH, bought.next()).await;
    assert!(!ahead.has_archived && !ahead.is_intact(EPOCH), "the ledger ends before the archive");
    let other = store.stored(EPOCH, SaleId::special(id.starts_at(), 8), LedgerId::ZERO).await.unwrap();
    assert_eq!((other.epoch, other.is_intact(EPOCH)), (None, false), "no such sale");
    for _with_its_scripts in [false, true] {
        let newer = stored(Epoch(2), bought).await;
        assert_eq!((newer.epoch, newer.is_remembered, newer.is_intact(Epoch(2))), (Some(EPOCH), true, false));
        store.load_scripts(Epoch(2)).await.unwrap();
    }
    sale.subject.forget_scripts().await;
    for expected in [EPOCH, Epoch(2)] {
        let forgetful = stored(expected, bought).await;
        assert_eq!((forgetful.epoch, forgetful.is_remembered, forgetful.has_archived), (Some(EPOCH), false, true));
    }
    sale.subject.forget().await;
    assert_eq!(stored(EPOCH, LedgerId::ZERO).await.epoch, None, "no data");
    assert!(!store.has_state(id).await.unwrap());
}

async fn a_restored_sale_has_the_archived_purchases_and_its_carts(sale: Fixture<'_>) {
    let (store, id) = (sale.store(), sale.id);
    let archived = [sale.buy("ann", 1, &[(1, 1), (3, 1)]).await, sale.buy_now("ann", "-", 2, (5, 1)).await.unwrap()];
    let cart = sale.checkout("bob", 3, &[(2, 1), (4, 1)]).await.unwrap();
    let lost = sale.buy_now("cat", "r", 4, (2, 1)).await.unwrap();
    // This purchase is archived and its cart has survived.
    let survived = sale.checkout("dan", 5, &[(4, 2)]).await.unwrap();
    let purchase = Purchase {
        code: survived.code,
        user: survived.user.clone(),
        request: None,
        units: vec![SoldUnit { ordinal: 4.try_into().unwrap(), unit: 5, slot: 2 }],
        missed: Vec::new(),
    };
    let sold = |id, purchase| LedgerEntry { id, event: LedgerEvent::Sold(purchase) };
    let mut entries: Vec<_> = archived.iter().map(|recorded| sold(recorded.id, recorded.purchase.clone())).collect();
    entries.push(sold(lost.id, purchase));

    store.fence(EPOCH, id).await.unwrap();
    assert!(is_fenced(store.purchase(EPOCH, &cart.code.into(), false).await));
    assert!(!store.has_state(id).await.unwrap());
    assert_eq!(sale.ledger().await.len(), 4, "a fenced ledger can be read");
    let stock = Stock::with_entries(sale.stock.sale.clone(), &catalog(), entries).unwrap();
    let attempts = store.read_attempts(id, LedgerId::ZERO, 100).await.unwrap();
    let new = Epoch(2);
    for _again in 0..2 {
        store.fence(new, id).await.unwrap();
        store.restore(new, &stock, lost.id, attempts.readable[0].id).await.unwrap();
        store.load_scripts(new).await.unwrap();
    }

    assert!(store.has_state(id).await.unwrap());
    assert_eq!(sale.holdings().await.drift(&stock.holdings), 0);
    assert!(store.stored(new, id, lost.id).await.unwrap().is_intact(new));
    let found = store.find_request(new, id, &user("ann"), &request("-")).await.unwrap().unwrap();
    assert_eq!((found.id, &found.purchase), (archived[1].id, &archived[1].purchase));
    assert_eq!(store.find(new, cart.code).await.unwrap(), Some(Found::Cart(cart.clone())));
    assert!(matches!(store.find(new, survived.code).await.unwrap(), Some(Found::Purchase(_))));
    assert_eq!(store.find(new, lost.purchase.code).await.unwrap(), None);
    assert_eq!(store.count_attempts(id).await.unwrap(), attempts.count, "waiting attempts stay");
    // The user of a bought cart gets a new code; the user of an open one keeps it.
    let cart_of = async |name, secret| {
        store.checkout(new, &catalog(), &user(name), sale.code(secret), &lines(&[(5, 1)])).await.unwrap().code
    };
    assert_eq!((cart_of("dan", 6).await, cart_of("bob", 7).await), (sale.code(6), cart.code));
    assert!(store.purchase(new, &cart.code.into(), false).await.unwrap().id > lost.id);
}

async fn a_restored_sale_knows_which_purchases_were_released(sale: Fixture<'_>) {
    let (store, id) = (sale.store(), sale.id);
    let first = sale.buy_now("ann", "r", 1, (1, 1)).await.unwrap();
    let released = sale.release(&Release::of(first.id, &first.purchase, ReleaseReason::Expired)).await.unwrap();
    let second = sale.buy_now("bob", "r", 2, (1, 1)).await.unwrap();
    let last = sale.release(&Release::of(second.id, &second.purchase, ReleaseReason::Void)).await.unwrap();
    let (ledger, held) = (sale.ledger().await, sale.holdings().await);
    let stock = Stock::with_entries(sale.stock.sale.clone(), &catalog(), ledger[1..].to_vec()).unwrap();
    sale.subject.forget().await;
    store.fence(EPOCH, id).await.unwrap();
    store.restore(EPOCH, &stock, last, LedgerId::ZERO).await.unwrap();
    assert_eq!(sale.ledger().await, ledger);
    assert_eq!(sale.holdings().await.drift(&held), 0);
    for (bought, released) in [(first, released), (second, last)] {
        let again = Release::of(bought.id, &bought.purchase, ReleaseReason::Void);
        assert_eq!(refused(sale.release(&again).await), ReleaseRefusal::ReleasedBefore(released));
        let replayed = RecordedPurchase { replayed: true, ..bought };
        assert_eq!(store.purchase(EPOCH, &replayed.purchase.code.into(), false).await.unwrap(), replayed);
    }
    let third = sale.buy_now("cat", "r", 3, (1, 1)).await.unwrap();
    assert!(last.precedes(third.id));
    assert!(store.stored(EPOCH, id, last).await.unwrap().is_intact(EPOCH));
}

async fn a_restored_ledger_reaches_as_far_as_the_archive(sale: Fixture<'_>) {
    let (store, id) = (sale.store(), sale.id);
    // The archive is ahead of this store: its last entries were a release and an attempt.
    let ahead = store.now().await.unwrap().timestamp_millis() + 3_600_000;
    let (persisted, attempts): (LedgerId, LedgerId) =
        (format!("{ahead}-5").parse().unwrap(), format!("{ahead}-7").parse().unwrap());
    sale.subject.forget().await;
    store.fence(Epoch(2), id).await.unwrap();
    store.restore(Epoch(2), &sale.stock, persisted, attempts).await.unwrap();
    store.load_scripts(Epoch(2)).await.unwrap();
    assert!(store.stored(Epoch(2), id, persisted).await.unwrap().is_intact(Epoch(2)));
    assert_eq!(sale.ledger().await.last().unwrap(), &LedgerEntry { id: persisted, event: LedgerEvent::Opened });
    let cart = store.checkout(Epoch(2), &catalog(), &user("ann"), sale.code(1), &lines(&[(1, 1)])).await.unwrap();
    assert_eq!(store.read_attempts(id, attempts, 10).await.unwrap().readable.len(), 1);
    assert!(store.purchase(Epoch(2), &cart.code.into(), false).await.unwrap().id > persisted);
}

async fn only_a_store_that_lost_nothing_gets_new_scripts(sale: Fixture<'_>) {
    let store = sale.store();
    let is_intact = async |epoch| store.stored(epoch, sale.id, LedgerId::ZERO).await.unwrap().is_intact(epoch);
    store.join(EPOCH).await.unwrap();
    assert!(is_intact(EPOCH).await);
    sale.subject.forget_scripts().await;
    store.join(EPOCH).await.unwrap();
    assert!(!is_intact(EPOCH).await, "it may have lost more than its scripts");
}

async fn who_restores_in_an_older_epoch_changes_nothing(sale: Fixture<'_>) {
    let (store, id) = (sale.store(), sale.id);
    let (sleeper, newer) = (Epoch(2), Epoch(3));
    store.fence(sleeper, id).await.unwrap();
    store.fence(newer, id).await.unwrap();
    // It wakes up while another restores, and after that.
    for _time in ["meanwhile", "later"] {
        let late = store.restore(sleeper, &sale.stock, LedgerId::ZERO, LedgerId::ZERO).await;
        assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
        assert!(matches!(store.fence(sleeper, id).await, Err(StoreError::Fenced)));
        if !store.has_state(id).await.unwrap() {
            store.restore(newer, &sale.stock, LedgerId::ZERO, LedgerId::ZERO).await.unwrap();
            store.load_scripts(newer).await.unwrap();
        }
    }
    assert!(store.stored(newer, id, LedgerId::ZERO).await.unwrap().is_intact(newer));
}
