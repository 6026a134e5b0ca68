//! Carts, purchases and their releases.

use super::*;

contract! {
    a_user_has_one_cart_that_grows,
    a_refused_checkout_changes_nothing,
    an_item_is_removed_from_a_cart,
    a_purchase_takes_the_whole_cart_once,
    a_purchase_with_a_sold_item_takes_nothing_and_leaves_the_rest_in_the_cart,
    a_partial_purchase_takes_the_units_that_are_left,
    a_refused_purchase_takes_nothing,
    nobody_buys_the_cart_of_another,
    a_request_buys_once,
    a_refused_buy_now_consumes_nothing,
    marks_of_the_ledger_are_request_ids_like_any_other,
    a_code_means_a_cart_or_a_purchase_or_nothing,
    a_release_frees_units_slots_code_and_request_once,
    a_committed_purchase_is_released_once_and_keeps_its_receipt_and_request,
    a_sealed_sale_releases_no_committed_purchase,
    releases_of_one_call_are_decided_one_after_the_other,
}

async fn a_user_has_one_cart_that_grows(sale: Fixture<'_>) {
    let cart = sale.checkout("ann", 1, &[(1, 1)]).await.unwrap();
    assert_eq!(cart, Cart { code: sale.code(1), user: user("ann"), lines: lines(&[(1, 1)]) });
    // The code stays that of the first checkout, and a quantity is only raised.
    assert_eq!(sale.checkout("ann", 2, &[(1, 1)]).await.unwrap(), cart);
    let grown = sale.checkout("ann", 3, &[(3, 1), (1, 1)]).await.unwrap();
    assert_eq!((grown.code, grown.lines), (sale.code(1), lines(&[(1, 1), (3, 1)])));
    let grown = sale.checkout("ann", 4, &[(3, 2)]).await.unwrap();
    assert_eq!(sale.checkout("ann", 5, &[(3, 1)]).await.unwrap(), grown);
    assert_eq!(grown.lines, lines(&[(1, 1), (3, 2)]));
    // A cart reserves nothing.
    assert_eq!(sale.checkout("bob", 6, &[(1, 1)]).await.unwrap().code, sale.code(6));
    assert_eq!(sale.sold(1).await, [].into());
}

async fn a_refused_checkout_changes_nothing(sale: Fixture<'_>) {
    sale.buy("bob", 1, &[(1, 1), (3, 1)]).await;
    let cart = sale.checkout("ann", 2, &[(5, 3)]).await.unwrap();
    for (wanted, refusal) in [
        (&[(2, 1), (6, 1)][..], CheckoutRefusal::ItemNotFound(6.try_into().unwrap())),
        (&[(1, 1), (2, 1), (3, 2)], CheckoutRefusal::ItemSold(ordinals(&[1, 3]))),
        (&[(5, 10), (4, 1)], CheckoutRefusal::CartFull),
        (&[(4, 2)], CheckoutRefusal::UserLimitReached),
    ] {
        assert_eq!(refused(sale.checkout("ann", 3, wanted).await), refusal);
    }
    // Owned units count too.
    assert_eq!(refused(sale.checkout("bob", 4, &[(5, 3)]).await), CheckoutRefusal::UserLimitReached);
    sale.set_status(SaleStatus::Scheduled).await;
    assert_eq!(refused(sale.checkout("ann", 5, &[(2, 1)]).await), CheckoutRefusal::SaleNotStarted);
    sale.set_status(SaleStatus::Ended).await;
    assert_eq!(refused(sale.checkout("ann", 6, &[(2, 1)]).await), CheckoutRefusal::SaleEnded);
    assert_eq!(sale.store().find(EPOCH, cart.code).await.unwrap(), Some(Found::Cart(cart)));
    assert_eq!(sale.store().count_attempts(sale.id).await.unwrap(), 2);
}

async fn an_item_is_removed_from_a_cart(sale: Fixture<'_>) {
    let code = sale.checkout("ann", 1, &[(1, 1), (3, 2)]).await.unwrap().code;
    let remove = async |code, item: u32| sale.store().remove(EPOCH, code, item.try_into().unwrap()).await;
    assert_eq!(remove(code, 3).await.unwrap().lines, lines(&[(1, 1)]));
    assert_eq!(refused(remove(code, 3).await), RemoveRefusal::ItemNotInCart);
    assert_eq!(refused(remove(sale.code(9), 1).await), RemoveRefusal::CheckoutNotFound);
    assert_eq!(remove(code, 1).await.unwrap().lines, []);
    // The emptied cart keeps its code.
    assert_eq!(sale.checkout("ann", 2, &[(2, 1)]).await.unwrap().code, code);
    sale.set_status(SaleStatus::Scheduled).await;
    assert_eq!(remove(code, 2).await.unwrap().lines, []);
    sale.set_status(SaleStatus::Ended).await;
    assert_eq!(refused(remove(code, 2).await), RemoveRefusal::Ended);
}

async fn a_purchase_takes_the_whole_cart_once(sale: Fixture<'_>) {
    let bought = sale.buy("ann", 1, &[(3, 2), (1, 1)]).await;
    let unit = |item: u32, unit, slot| SoldUnit { ordinal: item.try_into().unwrap(), unit, slot };
    assert_eq!(bought.purchase.units, [unit(3, 1, 1), unit(3, 2, 2), unit(1, 1, 3)]);
    assert_eq!((bought.purchase.code, bought.replayed, &bought.purchase.request), (sale.code(1), false, &None));
    for partial in [false, true] {
        let again = sale.store().purchase(EPOCH, &sale.code(1).into(), partial).await.unwrap();
        assert_eq!(again, RecordedPurchase { replayed: true, ..bought.clone() });
    }
    assert_eq!(sale.ledger().await.len(), 2);
    // A bought code is not used for another cart.
    assert_eq!(sale.checkout("ann", 2, &[(2, 1)]).await.unwrap().code, sale.code(2));
    sale.set_status(SaleStatus::Ended).await;
    assert!(
        sale.store().purchase(EPOCH, &sale.code(1).into(), false).await.unwrap().replayed,
        "a receipt outlives its sale"
    );
}

async fn a_purchase_with_a_sold_item_takes_nothing_and_leaves_the_rest_in_the_cart(sale: Fixture<'_>) {
    let code = sale.checkout("ann", 1, &[(1, 1), (3, 2), (2, 1)]).await.unwrap().code;
    sale.buy("bob", 2, &[(1, 1), (3, 1)]).await;
    let refusal = refused(sale.store().purchase(EPOCH, &code.into(), false).await);
    let (unavailable, available) = (ordinals(&[1, 3]), ordinals(&[3, 2]));
    assert_eq!(refusal, PurchaseRefusal::ItemsSold { unavailable, available });
    assert_eq!(sale.ledger().await.len(), 2);
    let rest = sale.store().purchase(EPOCH, &code.into(), false).await.unwrap();
    assert_eq!(rest.purchase.lines(), lines(&[(3, 1), (2, 1)]));
    assert_eq!(rest.purchase.missed, []);
}

async fn a_partial_purchase_takes_the_units_that_are_left(sale: Fixture<'_>) {
    let code = sale.checkout("ann", 1, &[(1, 1), (3, 2)]).await.unwrap().code;
    sale.buy("bob", 2, &[(1, 1), (3, 1)]).await;
    let bought = sale.store().purchase(EPOCH, &code.into(), true).await.unwrap().purchase;
    assert_eq!((bought.lines(), &bought.missed), (lines(&[(3, 1)]), &lines(&[(1, 1), (3, 1)])));
    assert_eq!(sale.sold(3).await, [1, 2].into());
    let LedgerEvent::Sold(recorded) = &sale.ledger().await[2].event else { panic!("it is a purchase") };
    assert_eq!(*recorded, bought);
    // Nothing is left of this cart.
    sale.checkout("cat", 3, &[(2, 1)]).await.unwrap();
    sale.buy("bob", 4, &[(2, 1)]).await;
    let refusal = refused(sale.store().purchase(EPOCH, &sale.code(3).into(), true).await);
    assert_eq!(refusal, PurchaseRefusal::ItemsSold { unavailable: ordinals(&[2]), available: Vec::new() });
}

async fn a_refused_purchase_takes_nothing(sale: Fixture<'_>) {
    let purchase = async |code: CheckoutCode| refused(sale.store().purchase(EPOCH, &code.into(), false).await);
    assert_eq!(purchase(sale.code(9)).await, PurchaseRefusal::CheckoutNotFound);
    let code = sale.checkout("ann", 1, &[(5, 3)]).await.unwrap().code;
    sale.buy_now("ann", "r", 2, (4, 2)).await.unwrap();
    assert_eq!(purchase(code).await, PurchaseRefusal::UserLimitReached);
    sale.store().remove(EPOCH, code, 5.try_into().unwrap()).await.unwrap();
    assert_eq!(purchase(code).await, PurchaseRefusal::CartEmpty);
    sale.set_status(SaleStatus::Scheduled).await;
    assert_eq!(purchase(code).await, PurchaseRefusal::NotStarted);
    assert_eq!(purchase(sale.code(9)).await, PurchaseRefusal::CheckoutNotFound);
    sale.set_status(SaleStatus::Ended).await;
    assert_eq!(purchase(code).await, PurchaseRefusal::Ended);
    assert_eq!(purchase(sale.code(9)).await, PurchaseRefusal::Ended);
    assert_eq!(sale.ledger().await.len(), 2);
}

async fn nobody_buys_the_cart_of_another(sale: Fixture<'_>) {
    let code = sale.checkout("ann", 1, &[(1, 1)]).await.unwrap().code;
    let purchase = async |name| sale.store().purchase(EPOCH, &Claim { code, user: Some(user(name)) }, true).await;
    // One call of the script decides for both.
    let (of_bob, of_ann) = tokio::join!(purchase("bob"), purchase("ann"));
    let bought = of_ann.unwrap();
    assert_eq!((refused(of_bob), bought.replayed), (PurchaseRefusal::CheckoutNotFound, false));
    assert_eq!(refused(purchase("bob").await), PurchaseRefusal::CheckoutNotFound);
    assert_eq!(purchase("ann").await.unwrap(), RecordedPurchase { replayed: true, ..bought });
    let code = sale.checkout("cat", 2, &[(2, 1)]).await.unwrap().code;
    let claim = Claim { code, user: Some(user("ann")) };
    assert_eq!(refused(sale.store().purchase(EPOCH, &claim, false).await), PurchaseRefusal::CheckoutNotFound);
    assert_eq!(sale.ledger().await.len(), 2);
}

async fn a_request_buys_once(sale: Fixture<'_>) {
    let bought = sale.buy_now("ann", "r1", 1, (3, 1)).await.unwrap();
    assert_eq!((bought.purchase.code, &bought.purchase.request), (sale.code(1), &Some(request("r1"))));
    let again = sale.buy_now("ann", "r1", 2, (3, 1)).await.unwrap();
    assert_eq!(again, RecordedPurchase { replayed: true, ..bought.clone() });
    for other in [(3, 2), (1, 1)] {
        assert_eq!(refused(sale.buy_now("ann", "r1", 3, other).await), BuyNowRefusal::RequestMismatch);
    }
    // The id belongs to its user.
    assert!(!sale.buy_now("bob", "r1", 4, (3, 1)).await.unwrap().replayed);
    sale.set_status(SaleStatus::Ended).await;
    assert!(sale.buy_now("ann", "r1", 5, (3, 1)).await.unwrap().replayed);
    let found = sale.store().find_request(EPOCH, sale.id, &user("ann"), &request("r1")).await.unwrap();
    assert_eq!(found, Some(again));
}

async fn a_refused_buy_now_consumes_nothing(sale: Fixture<'_>) {
    let refusal = async |wanted| refused(sale.buy_now("ann", "r", 1, wanted).await);
    sale.buy("bob", 2, &[(3, 1)]).await;
    assert_eq!(refusal((6, 1)).await, BuyNowRefusal::ItemNotFound);
    assert_eq!(refusal((3, 2)).await, BuyNowRefusal::SoldOut);
    assert_eq!(refusal((5, 5)).await, BuyNowRefusal::UserLimitReached);
    sale.set_status(SaleStatus::Scheduled).await;
    assert_eq!(refusal((3, 1)).await, BuyNowRefusal::NotStarted);
    sale.set_status(SaleStatus::Ended).await;
    assert_eq!(refusal((3, 1)).await, BuyNowRefusal::Ended);
    sale.set_status(SaleStatus::Open).await;
    assert!(!sale.buy_now("ann", "r", 3, (3, 1)).await.unwrap().replayed, "the request id is still unused");
}

async fn marks_of_the_ledger_are_request_ids_like_any_other(sale: Fixture<'_>) {
    let ids = ["-", "=", "=-", "--"];
    let mut recorded = Vec::new();
    for (secret, id) in (1..).zip(ids) {
        let bought = sale.buy_now("ann", id, secret, (5, 1)).await.unwrap();
        assert!(!bought.replayed, "{id}");
        recorded.push(bought);
    }
    for (bought, id) in recorded.iter().zip(ids) {
        let found = sale.store().find_request(EPOCH, sale.id, &user("ann"), &request(id)).await.unwrap().unwrap();
        assert_eq!((found.id, &found.purchase.request), (bought.id, &Some(request(id))));
        let entry = sale.store().read_one(sale.id, bought.id).await.unwrap().unwrap();
        assert_eq!(entry.event, LedgerEvent::Sold(bought.purchase.clone()));
    }
    let requests = sale.holdings().await.requests;
    assert_eq!(requests.len(), ids.len());
    assert_eq!(sale.store().find_request(EPOCH, sale.id, &user("bob"), &request("-")).await.unwrap(), None);
}

async fn a_code_means_a_cart_or_a_purchase_or_nothing(sale: Fixture<'_>) {
    let cart = sale.checkout("ann", 1, &[(1, 1)]).await.unwrap();
    let bought = sale.buy("bob", 2, &[(2, 1)]).await;
    assert_eq!(sale.store().find(EPOCH, sale.code(1)).await.unwrap(), Some(Found::Cart(cart)));
    let replayed = RecordedPurchase { replayed: true, ..bought };
    assert_eq!(sale.store().find(EPOCH, sale.code(2)).await.unwrap(), Some(Found::Purchase(replayed)));
    assert_eq!(sale.store().find(EPOCH, sale.code(3)).await.unwrap(), None);
}

async fn a_release_frees_units_slots_code_and_request_once(sale: Fixture<'_>) {
    let kept = sale.buy_now("ann", "r0", 1, (3, 1)).await.unwrap();
    let rejected = sale.buy_now("ann", "r1", 2, (5, 3)).await.unwrap();
    let units = &rejected.purchase.units;
    let release = Release {
        purchase: rejected.id,
        units: units[..2].to_vec(),
        slots: vec![units[0].slot, units[2].slot],
        reason: ReleaseReason::Rejected,
    };
    let released = sale.release(&release).await.unwrap();
    assert_eq!(refused(sale.release(&release).await), ReleaseRefusal::NotBought);
    let ledger = sale.ledger().await;
    assert_eq!((ledger.len(), ledger[3].id), (4, released));
    assert_eq!(ledger[3].event, LedgerEvent::Released(release.clone()));
    let holdings = sale.holdings().await;
    assert_eq!(holdings.units[&5.try_into().unwrap()], [3].into());
    assert_eq!(holdings.slots[&user("ann")], [1, 3].into());
    assert_eq!(sale.store().find(EPOCH, sale.code(2)).await.unwrap(), None);
    // The request may buy again: the lowest free units, in the lowest empty slots.
    let again = sale.buy_now("ann", "r1", 3, (5, 2)).await.unwrap();
    assert!(!again.replayed);
    let taken = |unit: &SoldUnit| (unit.unit, unit.slot);
    assert_eq!(again.purchase.units.iter().map(taken).collect::<Vec<_>>(), [(1, 2), (2, 4)]);
    // The release of a purchase that never was changes nothing.
    let never = Release { purchase: again.id.next(), ..release };
    assert_eq!(refused(sale.release(&never).await), ReleaseRefusal::NotBought);
    assert!(matches!(sale.store().find(EPOCH, kept.purchase.code).await.unwrap(), Some(Found::Purchase(_))));
    assert_eq!(sale.ledger().await.len(), 5);
}

async fn a_committed_purchase_is_released_once_and_keeps_its_receipt_and_request(sale: Fixture<'_>) {
    let store = sale.store();
    for (secret, reason) in (1..).zip([ReleaseReason::Void, ReleaseReason::Cancelled, ReleaseReason::Expired]) {
        let id = reason.to_string();
        let bought = sale.buy_now("ann", &id, secret, (5, 2)).await.unwrap();
        let release = Release::of(bought.id, &bought.purchase, reason);
        let released = sale.release(&release).await.unwrap();
        let entry = LedgerEntry { id: released, event: LedgerEvent::Released(release) };
        assert_eq!(store.read_one(sale.id, released).await.unwrap(), Some(entry));
        // Neither the same release nor one for another reason frees the units of the next buyer.
        let other = sale.buy_now("bob", &id, secret + 10, (5, 2)).await.unwrap();
        assert_eq!(other.purchase.units, bought.purchase.units);
        for again in [reason, ReleaseReason::Rejected, ReleaseReason::Void] {
            let again = Release::of(bought.id, &bought.purchase, again);
            assert_eq!(refused(sale.release(&again).await), ReleaseRefusal::ReleasedBefore(released));
        }
        assert_eq!(sale.holdings().await.released[&bought.id], released);
        assert_eq!(sale.sold(5).await, [1, 2].into());
        let replayed = RecordedPurchase { replayed: true, ..bought };
        assert_eq!(store.purchase(EPOCH, &replayed.purchase.code.into(), false).await.unwrap(), replayed);
        assert_eq!(sale.buy_now("ann", &id, secret + 20, (5, 2)).await.unwrap(), replayed);
        sale.release(&Release::of(other.id, &other.purchase, reason)).await.unwrap();
    }
    assert_eq!(sale.sold(5).await, [].into());
}

async fn releases_of_one_call_are_decided_one_after_the_other(sale: Fixture<'_>) {
    let one = sale.buy_now("ann", "r1", 1, (5, 2)).await.unwrap();
    let other = sale.buy_now("ann", "r2", 2, (5, 1)).await.unwrap();
    let release = |bought: &RecordedPurchase| Release::of(bought.id, &bought.purchase, ReleaseReason::Expired);
    let never = Release { purchase: other.id.next(), ..release(&one) };
    let releases = [release(&one), release(&one), never, release(&other)];
    let decided = sale.store().release_all(EPOCH, sale.id, &releases).await.unwrap();
    let ledger = sale.ledger().await;
    let [first, second] = [ledger[3].id, ledger[4].id];
    let again = ReleaseRefusal::ReleasedBefore(first);
    assert_eq!(decided, [Ok(first), Err(again), Err(ReleaseRefusal::NotBought), Ok(second)]);
    assert_eq!((ledger.len(), &ledger[4].event), (5, &LedgerEvent::Released(releases[3].clone())));
    assert_eq!(sale.sold(5).await, [].into());
    assert_eq!(sale.holdings().await.slots.get(&user("ann")).map_or(0, BTreeSet::len), 0);
}

async fn a_sealed_sale_releases_no_committed_purchase(sale: Fixture<'_>) {
    let bought = sale.buy("ann", 1, &[(1, 1)]).await;
    let before = sale.buy("bob", 2, &[(2, 1)]).await;
    let release = |bought: &RecordedPurchase, reason| Release::of(bought.id, &bought.purchase, reason);
    // The end of a sale alone keeps nobody from giving back.
    sale.set_status(SaleStatus::Ended).await;
    let released = sale.release(&release(&before, ReleaseReason::Void)).await.unwrap();
    for _again in 0..2 {
        sale.store().seal(EPOCH, sale.id).await.unwrap();
    }
    for reason in [ReleaseReason::Void, ReleaseReason::Cancelled, ReleaseReason::Expired] {
        assert_eq!(refused(sale.release(&release(&bought, reason)).await), ReleaseRefusal::SaleClosed);
        assert_eq!(refused(sale.release(&release(&before, reason)).await), ReleaseRefusal::ReleasedBefore(released));
    }
    sale.release(&release(&bought, ReleaseReason::Rejected)).await.unwrap();
}
