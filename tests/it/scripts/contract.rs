//! The contract of the ports of a store that decides. Each test runs against Redis and against the store in memory.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use flashsale::application::sale::ports::*;
use flashsale::application::shared::StoreError;
use flashsale::domain::{sale::*, shared::*};

use super::subject::{MemorySubject, RedisSubject, Subject, holdings};
use super::{EPOCH, catalog, line, open_window, stock};

/// Runs each test against every store.
macro_rules! contract {
    ($($test:ident),* $(,)?) => {
        mod redis {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Fixture::new(&super::RedisSubject::start().await).await).await;
            })*
        }

        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Fixture::new(&super::MemorySubject::start()).await).await;
            })*
        }
    };
}

contract! {
    a_user_has_one_cart_that_grows,
    a_refused_checkout_changes_nothing,
    an_item_is_removed_from_a_cart,
    a_purchase_takes_the_whole_cart_once,
    a_purchase_with_a_sold_item_takes_nothing_and_leaves_the_rest_in_the_cart,
    a_partial_purchase_takes_the_units_that_are_left,
    a_refused_purchase_takes_nothing,
    a_request_buys_once,
    a_refused_buy_now_consumes_nothing,
    marks_of_the_ledger_are_request_ids_like_any_other,
    a_code_means_a_cart_or_a_purchase_or_nothing,
    a_release_frees_units_slots_code_and_request_once,
    a_committed_purchase_is_released_once_and_keeps_its_receipt_and_request,
    a_sealed_sale_releases_no_committed_purchase,
    attempts_are_logged_once_for_each_change_of_a_cart,
    a_ledger_begins_with_its_opening_and_is_read_in_order,
    a_reader_waits_for_the_next_entry,
    an_announcement_reaches_every_subscriber,
    what_a_store_holds_is_read_by_name_and_in_pages,
    opening_twice_changes_nothing,
    a_sale_can_only_end_earlier,
    nothing_is_decided_in_another_epoch_or_without_scripts,
    a_loss_is_found_and_an_intact_store_is_left_alone,
    a_restored_sale_has_the_archived_purchases_and_its_carts,
    a_restored_sale_knows_which_purchases_were_released,
    a_restored_ledger_reaches_as_far_as_the_archive,
    only_a_store_that_lost_nothing_gets_new_scripts,
    who_restores_in_an_older_epoch_changes_nothing,
    a_retired_sale_is_forgotten_in_time,
}

/// An open sale of items with these stocks: 1, 1, 2, 5, 12. A user may own four units.
struct Fixture<'a> {
    subject: &'a dyn Subject,
    stock: Stock,
    id: SaleId,
}

fn ordinals(items: &[u32]) -> Vec<Ordinal> {
    items.iter().map(|item| (*item).try_into().unwrap()).collect()
}

fn lines(lines: &[(u32, u32)]) -> Vec<CartLine> {
    lines.iter().map(|(item, quantity)| line(*item, *quantity)).collect()
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn request(name: &str) -> RequestId {
    name.parse().unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug, R>(result: Result<T, DecideError<R>>) -> R {
    match result {
        Err(DecideError::Refused(refusal)) => refusal,
        Err(DecideError::Failed(error)) => panic!("{error:?}"),
        Ok(done) => panic!("{done:?}"),
    }
}

fn is_fenced<T, R>(result: Result<T, DecideError<R>>) -> bool {
    matches!(result, Err(DecideError::Failed(StoreError::Fenced)))
}

impl<'a> Fixture<'a> {
    async fn new(subject: &'a dyn Subject) -> Self {
        let store = subject.store();
        store.ping().await.unwrap();
        store.load_scripts(EPOCH).await.unwrap();
        let now = store.now().await.unwrap();
        let id = SaleId::special(now, 7);
        let stock = stock(id, open_window(now), 4);
        store.open(EPOCH, &stock).await.unwrap();
        Fixture { subject, stock, id }
    }

    fn store(&self) -> &'a dyn Store {
        self.subject.store()
    }

    fn code(&self, secret: u128) -> CheckoutCode {
        CheckoutCode::new(self.id, secret)
    }

    async fn checkout(
        &self,
        name: &str,
        secret: u128,
        wanted: &[(u32, u32)],
    ) -> Result<Cart, DecideError<CheckoutRefusal>> {
        self.store().checkout(EPOCH, &catalog(), &user(name), self.code(secret), &lines(wanted)).await
    }

    /// Puts items into a cart and buys it.
    async fn buy(&self, name: &str, secret: u128, wanted: &[(u32, u32)]) -> RecordedPurchase {
        let cart = self.checkout(name, secret, wanted).await.unwrap();
        self.store().purchase(EPOCH, cart.code, false).await.unwrap()
    }

    async fn buy_now(
        &self,
        name: &str,
        id: &str,
        secret: u128,
        wanted: (u32, u32),
    ) -> Result<RecordedPurchase, DecideError<BuyNowRefusal>> {
        let wanted = line(wanted.0, wanted.1);
        self.store().buy_now(EPOCH, &catalog(), (&user(name), &request(id)), self.code(secret), wanted).await
    }

    async fn release(&self, release: &Release) -> Result<LedgerId, DecideError<ReleaseRefusal>> {
        self.store().release(EPOCH, self.id, release).await
    }

    async fn ledger(&self) -> Vec<LedgerEntry> {
        self.store().read(self.id, LedgerId::ZERO, 1_000).await.unwrap()
    }

    async fn holdings(&self) -> Holdings {
        holdings(self.store(), self.id).await
    }

    async fn sold(&self, item: u32) -> BTreeSet<u32> {
        self.holdings().await.units.get(&item.try_into().unwrap()).cloned().unwrap_or_default()
    }

    /// Moves the window so that it is in this state.
    async fn set_status(&self, status: SaleStatus) {
        let Window { starts_at, ends_at } = self.stock.sale.window;
        let moved = match status {
            SaleStatus::Scheduled => TimeDelta::hours(1),
            SaleStatus::Open => TimeDelta::zero(),
            SaleStatus::Ended => TimeDelta::hours(-1),
        };
        self.subject.set_window(self.id, Window::new(starts_at + moved, ends_at + moved).unwrap()).await;
    }
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
        let again = sale.store().purchase(EPOCH, sale.code(1), partial).await.unwrap();
        assert_eq!(again, RecordedPurchase { replayed: true, ..bought.clone() });
    }
    assert_eq!(sale.ledger().await.len(), 2);
    // A bought code is not used for another cart.
    assert_eq!(sale.checkout("ann", 2, &[(2, 1)]).await.unwrap().code, sale.code(2));
    sale.set_status(SaleStatus::Ended).await;
    assert!(sale.store().purchase(EPOCH, sale.code(1), false).await.unwrap().replayed, "a receipt outlives its sale");
}

async fn a_purchase_with_a_sold_item_takes_nothing_and_leaves_the_rest_in_the_cart(sale: Fixture<'_>) {
    let code = sale.checkout("ann", 1, &[(1, 1), (3, 2), (2, 1)]).await.unwrap().code;
    sale.buy("bob", 2, &[(1, 1), (3, 1)]).await;
    let refusal = refused(sale.store().purchase(EPOCH, code, false).await);
    let (unavailable, available) = (ordinals(&[1, 3]), ordinals(&[3, 2]));
    assert_eq!(refusal, PurchaseRefusal::ItemsSold { unavailable, available });
    assert_eq!(sale.ledger().await.len(), 2);
    let rest = sale.store().purchase(EPOCH, code, false).await.unwrap();
    assert_eq!(rest.purchase.lines(), lines(&[(3, 1), (2, 1)]));
    assert_eq!(rest.purchase.missed, []);
}

async fn a_partial_purchase_takes_the_units_that_are_left(sale: Fixture<'_>) {
    let code = sale.checkout("ann", 1, &[(1, 1), (3, 2)]).await.unwrap().code;
    sale.buy("bob", 2, &[(1, 1), (3, 1)]).await;
    let bought = sale.store().purchase(EPOCH, code, true).await.unwrap().purchase;
    assert_eq!((bought.lines(), &bought.missed), (lines(&[(3, 1)]), &lines(&[(1, 1), (3, 1)])));
    assert_eq!(sale.sold(3).await, [1, 2].into());
    let LedgerEvent::Sold(recorded) = &sale.ledger().await[2].event else { panic!("it is a purchase") };
    assert_eq!(*recorded, bought);
    // Nothing is left of this cart.
    sale.checkout("cat", 3, &[(2, 1)]).await.unwrap();
    sale.buy("bob", 4, &[(2, 1)]).await;
    let refusal = refused(sale.store().purchase(EPOCH, sale.code(3), true).await);
    assert_eq!(refusal, PurchaseRefusal::ItemsSold { unavailable: ordinals(&[2]), available: Vec::new() });
}

async fn a_refused_purchase_takes_nothing(sale: Fixture<'_>) {
    let purchase = async |code| refused(sale.store().purchase(EPOCH, code, false).await);
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
        assert_eq!(store.purchase(EPOCH, replayed.purchase.code, false).await.unwrap(), replayed);
        assert_eq!(sale.buy_now("ann", &id, secret + 20, (5, 2)).await.unwrap(), replayed);
        sale.release(&Release::of(other.id, &other.purchase, reason)).await.unwrap();
    }
    assert_eq!(sale.sold(5).await, [].into());
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

async fn attempts_are_logged_once_for_each_change_of_a_cart(sale: Fixture<'_>) {
    let (store, id) = (sale.store(), sale.id);
    assert_eq!(store.read_attempts(id, LedgerId::ZERO, 10).await.unwrap().last, None);
    sale.checkout("ann", 1, &[(1, 1)]).await.unwrap();
    sale.checkout("ann", 2, &[(1, 1)]).await.unwrap();
    sale.checkout("ann", 3, &[(1, 1), (3, 2)]).await.unwrap();
    sale.subject.append_unreadable_attempt(id).await;
    sale.checkout("bob", 4, &[(2, 1)]).await.unwrap();
    let all = store.read_attempts(id, LedgerId::ZERO, 10).await.unwrap();
    assert_eq!((all.count, all.last), (4, all.readable.last().map(|attempt| attempt.id)));
    let logged: Vec<_> =
        all.readable.iter().map(|attempt| (attempt.code, attempt.user.as_str(), attempt.lines.clone())).collect();
    let (first, second) = ((sale.code(1), "ann", lines(&[(1, 1)])), (sale.code(1), "ann", lines(&[(1, 1), (3, 2)])));
    assert_eq!(logged, [first, second, (sale.code(4), "bob", lines(&[(2, 1)]))]);

    // An attempt that cannot be read counts and moves the position on.
    let some = store.read_attempts(id, all.readable[0].id, 2).await.unwrap();
    assert_eq!((some.count, some.readable.len()), (2, 1));
    assert!(some.last > Some(all.readable[1].id) && some.last < all.last);
    store.trim_attempts(id, some.last.unwrap()).await.unwrap();
    assert_eq!(store.count_attempts(id).await.unwrap(), 1);
    assert_eq!(store.read_attempts(id, LedgerId::ZERO, 10).await.unwrap().readable, [all.readable[2].clone()]);
}

async fn a_ledger_begins_with_its_opening_and_is_read_in_order(sale: Fixture<'_>) {
    let (store, id) = (sale.store(), sale.id);
    let first = sale.buy("ann", 1, &[(1, 1)]).await;
    let second = sale.buy("bob", 2, &[(2, 1)]).await;
    let ledger = sale.ledger().await;
    assert_eq!(ledger.iter().map(|entry| entry.id).skip(1).collect::<Vec<_>>(), [first.id, second.id]);
    assert!(ledger.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(ledger[0].event, LedgerEvent::Opened);
    assert_eq!(ledger[1].event, LedgerEvent::Sold(first.purchase));
    assert_eq!(store.read(id, ledger[0].id, 1).await.unwrap(), ledger[1..2]);
    assert_eq!(store.read(id, second.id, 9).await.unwrap(), []);
    assert_eq!(store.read_one(id, second.id).await.unwrap().as_ref(), Some(&ledger[2]));
    assert_eq!(store.read_one(id, second.id.next()).await.unwrap(), None);
    assert_eq!(store.read(SaleId::special(id.starts_at(), 8), LedgerId::ZERO, 9).await.unwrap(), []);
    // An id carries the time of its decision.
    let age = store.now().await.unwrap() - first.id.time();
    assert!(age.abs() < TimeDelta::seconds(10), "{age}");
}

async fn a_reader_waits_for_the_next_entry(sale: Fixture<'_>) {
    let mut reader = sale.store().follow(sale.id).await.unwrap();
    let opened = reader.next(LedgerId::ZERO, 10, Duration::from_secs(1)).await.unwrap();
    assert_eq!(opened, sale.ledger().await);
    assert_eq!(reader.next(opened[0].id, 10, Duration::from_millis(1)).await.unwrap(), []);
    let buying = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        sale.buy("ann", 1, &[(1, 1)]).await
    };
    let (read, bought) = tokio::join!(reader.next(opened[0].id, 10, Duration::from_secs(4)), buying);
    assert_eq!(read.unwrap()[0].id, bought.id);
}

async fn an_announcement_reaches_every_subscriber(sale: Fixture<'_>) {
    let store = sale.store();
    let (mut one, mut two) = (store.subscribe().await.unwrap(), store.subscribe().await.unwrap());
    let persisted: LedgerId = "1763632800000-3".parse().unwrap();
    let archived = vec![LedgerId::ZERO.next(), persisted];
    let watermark = Watermark { sale: sale.id, epoch: EPOCH, persisted, archived, rejections: 2 };
    store.announce(watermark.clone()).await.unwrap();
    let (one, two) = tokio::join!(one.next(), two.next());
    assert_eq!((one.unwrap(), two.unwrap()), (watermark.clone(), watermark));
}

async fn what_a_store_holds_is_read_by_name_and_in_pages(sale: Fixture<'_>) {
    let bought = sale.buy("ann", 1, &[(3, 2), (5, 1)]).await;
    let other = sale.buy_now("bob", "r", 2, (5, 2)).await.unwrap();
    let mut expected = Holdings::default();
    for recorded in [&bought, &other] {
        expected.record(recorded.id, &recorded.purchase);
    }
    let returned = sale.buy_now("eve", "r", 4, (2, 1)).await.unwrap();
    let release = sale.release(&Release::of(returned.id, &returned.purchase, ReleaseReason::Void)).await.unwrap();
    expected.record(returned.id, &Purchase { units: Vec::new(), ..returned.purchase });
    expected.released.insert(returned.id, release);
    assert_eq!(sale.holdings().await.drift(&expected), 0);
    // Of a question with wrong ids and things that nobody holds, what is held comes back, with the right ids.
    let mut question = Holdings::default();
    question.record(other.id, &bought.purchase);
    let nobody =
        Purchase { code: sale.code(3), user: user("cat"), request: Some(request("r")), ..other.purchase.clone() };
    question.record(other.id, &nobody);
    question.units.entry(5.try_into().unwrap()).or_default().extend([4, 12, 13]);
    question.units.insert(4.try_into().unwrap(), [1].into());
    question.released.extend([(returned.id, other.id), (other.id, release)]);
    let mut answer = Holdings::default();
    answer.record(bought.id, &bought.purchase);
    answer.units.insert(5.try_into().unwrap(), [1, 2, 3].into());
    answer.released.insert(returned.id, release);
    assert_eq!(sale.store().held(sale.id, &question).await.unwrap(), answer);
    let elsewhere = SaleId::special(sale.store().now().await.unwrap(), 8);
    assert_eq!(sale.store().held(elsewhere, &question).await.unwrap(), Holdings::default());
    assert_eq!(holdings(sale.store(), elsewhere).await, Holdings::default());
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
        assert!(is_fenced(store.purchase(epoch, code, false).await));
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
    assert!(is_fenced(store.purchase(EPOCH, cart.code, false).await));
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
    assert!(store.purchase(new, cart.code, false).await.unwrap().id > lost.id);
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
        assert_eq!(store.purchase(EPOCH, replayed.purchase.code, false).await.unwrap(), replayed);
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
    assert!(store.purchase(Epoch(2), cart.code, false).await.unwrap().id > persisted);
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
