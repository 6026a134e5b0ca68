//! The guards of an archive: each entry once, each unit once, each slot once.

use super::*;

pub async fn a_batch_of_an_older_epoch_is_refused_whole(fixture: Fixture) {
    let entry = fixture.sold(id(1), "ann", &[(1, 1, 1)]);
    fixture.archive.begin_epoch(Epoch(0), &[fixture.sale.id]).await.expect("it answers");
    let late = fixture.persist(LedgerId::ZERO, std::slice::from_ref(&entry)).await;
    assert!(matches!(late, Err(PersistError::EpochPassed)), "{late:?}");
    let rejection = Rejection { reason: RejectionReason::Invalid, message: "late".into() };
    let late = fixture.archive.reject(fixture.epoch, fixture.sale.id, LedgerId::ZERO, &entry, &rejection).await;
    assert!(matches!(late, Err(PersistError::EpochPassed)), "{late:?}");
    assert!(fixture.entries().await.is_empty());
    assert_eq!(fixture.cursor().await, LedgerId::ZERO);
}

pub async fn the_epoch_of_one_sale_is_none_of_the_others(fixture: Fixture) {
    let archive = &fixture.archive;
    let other = sale_from(fixture.sale.window.ends_at, 1, &fixture.catalog);
    archive.create_sale(&other, &fixture.catalog).await.expect("it answers");
    let cursors = async |sale| archive.cursors(sale).await.expect("it answers");
    let created = cursors(other.id).await;
    assert_eq!((created.epoch, created.is_restoring), (fixture.epoch, false));
    let newer = archive.begin_epoch(Epoch(7), &[fixture.sale.id]).await.expect("it answers");
    assert_eq!(newer, Epoch(8), "newer than the epoch that PostgreSQL has forgotten");
    assert_eq!(cursors(other.id).await, created);
    assert_eq!((cursors(fixture.sale.id).await.epoch, cursors(fixture.sale.id).await.is_restoring), (newer, true));
    archive.end_restoration(newer).await.expect("it answers");
    assert!(!cursors(fixture.sale.id).await.is_restoring);
    let next = archive.begin_epoch(Epoch(0), &[]).await.expect("it answers");
    assert_eq!((next, cursors(fixture.sale.id).await.epoch), (Epoch(9), newer));
}

pub async fn each_entry_is_written_exactly_once_by_concurrent_writers(fixture: Fixture) {
    let entries = [fixture.sold(id(1), "ann", &[(1, 1, 1)]), fixture.sold(id(2), "bob", &[(2, 1, 1)])];
    let (one, two) = tokio::join!(fixture.persist(LedgerId::ZERO, &entries), fixture.persist(LedgerId::ZERO, &entries));
    let moved = |result: &Result<(), PersistError>| matches!(result, Err(PersistError::CursorMoved));
    assert!(one.is_ok() && moved(&two) || two.is_ok() && moved(&one), "{one:?} {two:?}");
    assert_eq!(fixture.entries().await, entries);
    let cursors = fixture.archive.cursors(fixture.sale.id).await.expect("it answers");
    assert_eq!(cursors, Cursors { epoch: fixture.epoch, is_restoring: true, ledger: id(2), attempts: LedgerId::ZERO });
    // Entries that sell nothing move the cursor too.
    let opened = LedgerEntry { id: id(3), event: LedgerEvent::Opened };
    fixture.persist(id(2), &[opened]).await.expect("it is right");
    assert_eq!((fixture.cursor().await, fixture.entries().await.len()), (id(3), 2));
}

pub async fn every_guard_names_its_reason_and_leaves_the_batch_unwritten(fixture: Fixture) {
    fixture.persist(LedgerId::ZERO, &[fixture.sold(id(1), "ann", &[(1, 1, 1)])]).await.expect("it is right");
    for (units, user, expected) in [
        (&[(2, 1, 1), (1, 1, 2)][..], "bob", RejectionReason::UnitSold),
        (&[(2, 2, 1)], "bob", RejectionReason::UnitSold),
        (&[(3, 1, 1)], "bob", RejectionReason::UnitSold),
        (&[(2, 1, 1)], "ann", RejectionReason::SlotFilled),
        (&[(2, 1, 1), (4, 1, 1)], "bob", RejectionReason::SlotFilled),
        (&[(2, 1, 3)], "bob", RejectionReason::SlotFilled),
        (&[(2, 0, 1)], "bob", RejectionReason::UnitSold),
        (&[(2, 1, 0)], "bob", RejectionReason::SlotFilled),
        (&[(2, 1, 65_537)], "bob", RejectionReason::SlotFilled),
        (&[(11, 1, 1)], "bob", RejectionReason::Invalid),
        (&[(11, 2, 1)], "bob", RejectionReason::Invalid),
    ] {
        let good = fixture.sold(id(2), "cat", &[(3, 1, 1)]);
        let result = fixture.persist(id(1), &[good, fixture.sold(id(3), user, units)]).await;
        match result {
            Err(PersistError::Rejected(rejection)) => assert_eq!(rejection.reason, expected, "{units:?}"),
            other => panic!("{other:?} for {units:?}"),
        }
    }
    let found = fixture.archive.check(fixture.sale.id).await.expect("it answers");
    assert_eq!(found, ArchiveFindings { sold: 1, oversold: 0, over_limit: 0, wrong_totals: 0 });
    assert_eq!(fixture.cursor().await, id(1));
}

pub async fn an_item_has_as_many_units_as_its_stock(fixture: Fixture) {
    let item = |stock| Item::new("Lamp".into(), "/lamp.jpg".into(), Money::from_cents(1), stock).expect("an item");
    let catalog = Catalog::new(Currency::EUR, [5, 3, 4].map(item).into()).expect("a catalog");
    let sale = sale_from(fixture.sale.window.ends_at, 1, &catalog);
    assert!(fixture.archive.create_sale(&sale, &catalog).await.expect("it answers"));
    let fixture = Fixture { sale, catalog, ..fixture };
    for (item, stock) in [(1, 5), (2, 3), (3, 4)] {
        let (after, at) = (fixture.cursor().await, id(item.into()));
        let user = format!("u{item}");
        let beyond = fixture.persist(after, &[fixture.sold(at, &user, &[(item, stock + 1, 1)])]).await;
        let reason = beyond.map_err(|error| error.rejection().reason);
        assert_eq!(reason, Err(RejectionReason::UnitSold), "unit {} of {stock}", stock + 1);
        fixture.persist(after, &[fixture.sold(at, &user, &[(item, stock, 1)])]).await.expect("the unit exists");
    }
}

pub async fn a_purchase_archived_again_is_no_second_purchase(fixture: Fixture) {
    let entry = fixture.sold(id(1), "ann", &[(1, 1, 1)]);
    fixture.persist(LedgerId::ZERO, std::slice::from_ref(&entry)).await.expect("it is right");
    // PostgreSQL decides which guard a repeated purchase meets first.
    let again = fixture.persist(id(1), &[entry]).await;
    assert!(matches!(again, Err(PersistError::Duplicate | PersistError::Rejected(_))), "{again:?}");
    assert_eq!((fixture.entries().await.len(), fixture.cursor().await), (1, id(1)));
}

pub async fn a_code_and_a_request_buy_once(fixture: Fixture) {
    let with_request = |at, user: &str, item| {
        let purchase = fixture.purchase(at, user, &[(item, 1, 1)]);
        Purchase { request: Some("r".parse().expect("a request id")), ..purchase }
    };
    let first = with_request(id(1), "ann", 1);
    let entry = |at, purchase| LedgerEntry { id: at, event: LedgerEvent::Sold(purchase) };
    fixture.persist(LedgerId::ZERO, &[entry(id(1), first.clone())]).await.expect("it is right");
    let same_code = Purchase { code: first.code, ..fixture.purchase(id(2), "bob", &[(2, 1, 1)]) };
    let same_request =
        Purchase { units: fixture.purchase(id(2), "ann", &[(2, 1, 2)]).units, ..with_request(id(2), "ann", 2) };
    for purchase in [same_code, same_request] {
        let result = fixture.persist(id(1), &[entry(id(2), purchase.clone())]).await;
        match result {
            Err(PersistError::Rejected(rejection)) => assert_eq!(rejection.reason, RejectionReason::Invalid),
            other => panic!("{other:?} for {purchase:?}"),
        }
    }
    // A request id belongs to its user.
    fixture.persist(id(1), &[entry(id(2), with_request(id(2), "bob", 2))]).await.expect("it is right");
}

pub async fn a_rejected_entry_is_filed_and_the_cursor_moves_past_it(fixture: Fixture) {
    let (archive, sale) = (&fixture.archive, fixture.sale.id);
    let reject = async |after, entry: &LedgerEntry, reason| {
        let rejection = Rejection { reason, message: "no".into() };
        archive.reject(fixture.epoch, sale, after, entry, &rejection).await
    };
    let unreadable = LedgerEntry { id: id(1), event: LedgerEvent::Unreadable("nonsense".into()) };
    reject(LedgerId::ZERO, &unreadable, RejectionReason::Invalid).await.expect("it is right");
    let late = reject(LedgerId::ZERO, &unreadable, RejectionReason::Invalid).await;
    assert!(matches!(late, Err(PersistError::CursorMoved)), "{late:?}");
    let sold = fixture.sold(id(2), "ann", &[(1, 1, 1)]);
    reject(id(1), &sold, RejectionReason::SlotFilled).await.expect("it is right");
    archive.mark_released(sale, id(2)).await.expect("it answers");
    let entry = |id, reason, released| RejectedEntry { id, reason, released };
    assert_eq!(
        archive.rejections(sale).await.expect("it answers"),
        [entry(id(1), RejectionReason::Invalid, false), entry(id(2), RejectionReason::SlotFilled, true)]
    );
    assert_eq!((fixture.cursor().await, fixture.entries().await.len()), (id(2), 0));
}

pub async fn a_rejected_purchase_gives_back_only_units_and_slots_without_an_owner(fixture: Fixture) {
    fixture.persist(LedgerId::ZERO, &[fixture.sold(id(1), "ann", &[(1, 1, 1)])]).await.expect("it is right");
    let rejected = fixture.purchase(id(2), "ann", &[(1, 1, 1), (2, 1, 2), (3, 7, 2), (12, 1, 2)]);
    let release = fixture.archive.unowned(fixture.sale.id, id(2), &rejected).await.expect("it answers");
    // Neither a sold unit, nor one that does not exist.
    let (units, reason) = (vec![rejected.units[1]], ReleaseReason::Rejected);
    let expected = Release { purchase: id(2), units, slots: vec![2, 2, 2], reason };
    assert_eq!(release, expected);
}

pub async fn a_release_frees_units_and_slots_once(fixture: Fixture) {
    let sold = [
        fixture.sold(id(1), "ann", &[(1, 1, 1), (2, 1, 2)]),
        fixture.sold(id(2), "bob", &[(3, 1, 1)]),
        fixture.sold(id(3), "cat", &[(4, 1, 1)]),
        fixture.sold(id(4), "ann", &[(1, 1, 1), (2, 1, 2)]),
    ];
    fixture.persist(LedgerId::ZERO, &sold[..3]).await.expect("it is right");
    let releases = [
        fixture.released(id(5), &sold[0], ReleaseReason::Void),
        // A rejected purchase has no rows, so its release moves none.
        fixture.released(id(6), &sold[3], ReleaseReason::Rejected),
        fixture.released(id(7), &sold[1], ReleaseReason::Expired),
    ];
    let held = async |of: &Holdings| fixture.archive.held(fixture.sale.id, of).await.expect("it answers");
    let mut all = Holdings::default();
    for entry in &sold[..3] {
        let LedgerEvent::Sold(purchase) = &entry.event else { unreachable!() };
        all.record(entry.id, purchase);
    }
    all.released.extend([(id(1), id(5)), (id(2), id(9)), (id(3), id(9))]);
    assert_eq!(held(&all).await.released, [].into());
    fixture.persist(id(3), &releases[..1]).await.expect("it is right");
    fixture.persist(id(5), &releases[1..2]).await.expect("it is right");
    fixture.persist(id(6), &releases[2..]).await.expect("it is right");
    assert_eq!(fixture.cursor().await, id(7));
    let left = held(&all).await;
    assert_eq!(left.units, [(4.try_into().expect("an item"), [1].into())].into());
    assert_eq!(left.slots, [("cat".parse().expect("a user"), [1].into())].into());
    assert_eq!((left.receipts.len(), left.released), (3, [(id(1), id(5)), (id(2), id(7))].into()));
    let check = async || fixture.archive.check(fixture.sale.id).await.expect("it answers");
    assert_eq!(check().await, ArchiveFindings { sold: 1, ..ArchiveFindings::default() });
    // The units and slots are free for others, and stay theirs when the releases are archived again.
    let again = fixture.sold(id(8), "ann", &[(1, 1, 1), (2, 1, 2)]);
    fixture.persist(id(7), std::slice::from_ref(&again)).await.expect("the units are free");
    for release in [&releases[0], &releases[2]] {
        let again = LedgerEntry { id: id(9), ..release.clone() };
        let refused = fixture.persist(id(8), &[again]).await;
        assert!(matches!(refused, Err(PersistError::Rejected(_))), "{refused:?}");
    }
    assert_eq!((check().await.sold, fixture.cursor().await), (3, id(8)));
}

pub async fn a_batch_frees_units_and_sells_them_again_or_does_neither(fixture: Fixture) {
    let ann = fixture.sold(id(1), "ann", &[(1, 1, 1)]);
    fixture.persist(LedgerId::ZERO, std::slice::from_ref(&ann)).await.expect("it is right");
    let bob = fixture.sold(id(2), "bob", &[(2, 1, 1)]);
    let batch =
        [bob.clone(), fixture.released(id(3), &ann, ReleaseReason::Expired), fixture.sold(id(4), "cat", &[(1, 1, 1)])];
    fixture.persist(id(1), &batch).await.expect("the unit is free when it is sold again");
    let state = async || {
        let found = fixture.archive.check(fixture.sale.id).await.expect("it answers");
        (found, fixture.cursor().await)
    };
    let before = (ArchiveFindings { sold: 2, ..ArchiveFindings::default() }, id(4));
    assert_eq!(state().await, before);
    let taken = [fixture.released(id(5), &bob, ReleaseReason::Void), fixture.sold(id(6), "dan", &[(1, 1, 1)])];
    match fixture.persist(id(4), &taken).await {
        Err(PersistError::Rejected(rejection)) => assert_eq!(rejection.reason, RejectionReason::UnitSold),
        other => panic!("{other:?}"),
    }
    assert_eq!(state().await, before);
    let late = fixture.persist(id(1), &taken).await;
    assert!(matches!(late, Err(PersistError::CursorMoved)), "{late:?}");
}

pub async fn a_release_of_a_purchase_that_owns_nothing_is_rejected(fixture: Fixture) {
    let sold = fixture.sold(id(1), "ann", &[(1, 1, 1)]);
    fixture.persist(LedgerId::ZERO, std::slice::from_ref(&sold)).await.expect("it is right");
    let never = fixture.sold(id(2), "bob", &[(2, 1, 1)]);
    let batch =
        [fixture.released(id(3), &sold, ReleaseReason::Void), fixture.released(id(4), &never, ReleaseReason::Void)];
    match fixture.persist(id(1), &batch).await {
        Err(PersistError::Rejected(rejection)) => assert_eq!(rejection.reason, RejectionReason::Invalid),
        other => panic!("{other:?}"),
    }
    // Nothing of the batch was written.
    assert_eq!((fixture.entries().await, fixture.cursor().await), (vec![sold], id(1)));
    fixture.archive.begin_epoch(Epoch(0), &[fixture.sale.id]).await.expect("it answers");
    let late = fixture.persist(id(1), &batch[..1]).await;
    assert!(matches!(late, Err(PersistError::EpochPassed)), "{late:?}");
}

pub async fn a_lock_has_one_holder_until_it_is_dropped(fixture: Fixture) {
    let name = LockName::Writer(fixture.sale.id);
    let held = fixture.archive.try_lock(name).await.expect("it answers");
    let mut held = held.expect("it is free");
    assert!(held.is_held().await);
    for _again in 0..2 {
        assert!(fixture.archive.try_lock(name).await.expect("it answers").is_none());
    }
    assert!(fixture.archive.try_lock(LockName::Recovery).await.expect("it answers").is_some());
    drop(held);
    crate::harness::eventually("it is free again", || async {
        fixture.archive.try_lock(name).await.expect("it answers").is_some()
    })
    .await;
}

pub async fn attempts_are_archived_exactly_once(fixture: Fixture) {
    let (archive, sale) = (&fixture.archive, fixture.sale.id);
    let attempt = |at: LedgerId| Attempt {
        id: at,
        code: CheckoutCode::new(sale, 1),
        user: "ann".parse().expect("a user"),
        lines: vec![CartLine { ordinal: 1.try_into().expect("an item"), quantity: Quantity::ONE }],
    };
    let attempts = [attempt(id(1)), attempt(id(2))];
    // The last one read may be one that cannot be archived.
    archive.persist_attempts(sale, LedgerId::ZERO, id(3), &attempts).await.expect("it is right");
    let again = archive.persist_attempts(sale, LedgerId::ZERO, id(3), &attempts).await;
    assert!(matches!(again, Err(PersistError::CursorMoved)), "{again:?}");
    archive.persist_attempts(sale, id(3), id(4), &[]).await.expect("it is right");
    let cursors = archive.cursors(sale).await.expect("it answers");
    assert_eq!((cursors.ledger, cursors.attempts), (LedgerId::ZERO, id(4)), "purchases never wait for attempts");
}

pub async fn refusals_are_added_up(fixture: Fixture) {
    let key = |second, reason| RefusalKey { sale: fixture.sale.id, second, reason };
    for _again in 0..2 {
        let counts = [(key(0, "item_sold"), 3), (key(1_795_165_200, "item_sold"), 1), (key(0, "cart_full"), 1)];
        fixture.archive.add_refusals(&counts).await.expect("it answers");
    }
}
