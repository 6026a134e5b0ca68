//! The records that others read: attempts, the ledger, announcements, and what is held.

use super::*;

contract! {
    attempts_are_logged_once_for_each_change_of_a_cart,
    a_ledger_begins_with_its_opening_and_is_read_in_order,
    a_reader_waits_for_the_next_entry,
    an_announcement_reaches_every_subscriber,
    what_a_store_holds_is_read_by_name_and_in_pages,
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
