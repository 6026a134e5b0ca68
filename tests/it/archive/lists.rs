//! Sales and purchases as an archive lists them.

use flashsale::application::shared::StoreError;

use super::*;

pub async fn hourly_sales_never_overlap(fixture: Fixture) {
    let starts_at = fixture.sale.window.starts_at;
    for (start, hours) in
        [(starts_at, 1), (starts_at + TimeDelta::minutes(30), 1), (starts_at - TimeDelta::hours(1), 2)]
    {
        let sale = sale_from(start, hours, &fixture.catalog);
        assert!(!fixture.archive.create_sale(&sale, &fixture.catalog).await.expect("it answers"), "{start}");
    }
    let next = sale_from(starts_at + TimeDelta::hours(1), 1, &fixture.catalog);
    assert!(fixture.archive.create_sale(&next, &fixture.catalog).await.expect("it answers"));
    assert_eq!(fixture.archive.catalog(next.id).await.expect("it answers"), fixture.catalog);
    assert_eq!(fixture.archive.sale(next.id).await.expect("it answers"), Some(next));
    // A sale of an administrator may overlap.
    let special = Sale { id: SaleId::special(starts_at, 7), ..fixture.sale.clone() };
    assert!(fixture.archive.create_sale(&special, &fixture.catalog).await.expect("it answers"));
    assert!(!fixture.archive.create_sale(&special, &fixture.catalog).await.expect("it answers"));
}

pub async fn sales_are_listed_latest_first_by_status_and_page(fixture: Fixture) {
    let (archive, starts_at) = (&fixture.archive, fixture.sale.window.starts_at);
    let mut ids = vec![fixture.sale.id];
    for hours in 1..=3 {
        let sale = sale_from(starts_at + TimeDelta::hours(hours), 1, &fixture.catalog);
        archive.create_sale(&sale, &fixture.catalog).await.expect("it answers");
        ids.push(sale.id);
    }
    let special = Sale { id: SaleId::special(starts_at, 7), ..fixture.sale.clone() };
    archive.create_sale(&special, &fixture.catalog).await.expect("it answers");
    ids.insert(1, special.id);
    ids.reverse();
    let listed = async |filter| -> Vec<SaleId> {
        archive.sales(filter).await.expect("it answers").iter().map(|sale| sale.id).collect()
    };
    let page = |status, after, limit| SaleFilter::Page(SalePage { status, after, limit });
    assert_eq!(listed(SaleFilter::Live).await, ids);
    assert_eq!(listed(page(None, None, 2)).await, ids[..2]);
    assert_eq!(listed(page(None, Some(ids[1]), 9)).await, ids[2..]);
    assert_eq!(listed(page(None, Some(ids[3]), 9)).await, ids[4..]);
    let now = starts_at + TimeDelta::minutes(90);
    assert_eq!(listed(page(Some((SaleStatus::Scheduled, now)), None, 9)).await, ids[..2]);
    assert_eq!(listed(page(Some((SaleStatus::Open, now)), None, 9)).await, ids[2..3]);
    assert_eq!(listed(page(Some((SaleStatus::Ended, now)), None, 9)).await, ids[3..]);
    // A sale that was ended before it began has ended.
    archive.end_sale(ids[0], now).await.expect("it answers");
    assert_eq!(listed(page(Some((SaleStatus::Scheduled, now)), None, 9)).await, ids[1..2]);
    assert_eq!(listed(page(Some((SaleStatus::Ended, now)), None, 9)).await, [&ids[..1], &ids[3..]].concat());
}

pub async fn a_sale_ends_earlier_and_never_before_its_start(fixture: Fixture) {
    let (archive, Window { starts_at, ends_at }) = (&fixture.archive, fixture.sale.window);
    let end = async |now| archive.end_sale(fixture.sale.id, now).await.expect("it answers").map(|sale| sale.window);
    let window = |ends_at| Some(Window { starts_at, ends_at });
    assert_eq!(end(ends_at + TimeDelta::hours(1)).await, window(ends_at));
    let half = starts_at + TimeDelta::minutes(30);
    assert_eq!((end(half).await, end(ends_at).await), (window(half), window(half)));
    assert_eq!(end(starts_at - TimeDelta::hours(1)).await, window(starts_at));
    assert_eq!(archive.end_sale(SaleId::special(starts_at, 7), half).await.expect("it answers"), None);
}

pub async fn a_closed_sale_is_no_longer_live(fixture: Fixture) {
    let (archive, id) = (&fixture.archive, fixture.sale.id);
    for _again in 0..2 {
        archive.close_sale(id).await.expect("it answers");
    }
    assert!(archive.sales(SaleFilter::Live).await.expect("it answers").is_empty());
    assert!(archive.sale(id).await.expect("it answers").expect("it exists").closed);
    let unknown = SaleId::special(id.starts_at(), 7);
    assert_eq!(archive.sale(unknown).await.expect("it answers"), None);
    assert!(matches!(archive.cursors(unknown).await, Err(StoreError::Unreachable(_))));
    assert!(matches!(archive.catalog(unknown).await, Err(StoreError::Unreachable(_))));
}

pub async fn a_purchase_is_found_by_code_and_by_request(fixture: Fixture) {
    let (archive, sale) = (&fixture.archive, fixture.sale.id);
    let missed = vec![CartLine { ordinal: 3.try_into().expect("an item"), quantity: Quantity::ONE }];
    let request: RequestId = "-".parse().expect("a request id");
    let purchase =
        Purchase { request: Some(request.clone()), missed, ..fixture.purchase(id(1), "a:b", &[(2, 1, 1), (1, 1, 2)]) };
    let entry = LedgerEntry { id: id(1), event: LedgerEvent::Sold(purchase.clone()) };
    fixture.persist(LedgerId::ZERO, &[entry]).await.expect("it is right");
    let recorded = RecordedPurchase { id: id(1), purchase: purchase.clone(), replayed: true };
    let by_code = async |code| archive.purchase_by_code(code).await.expect("it answers");
    assert_eq!(by_code(purchase.code).await, Some(recorded.clone()));
    assert_eq!(by_code(CheckoutCode::new(sale, 0)).await, None);
    let by_request = async |user: &str, request| {
        archive.purchase_by_request(sale, &user.parse().expect("a user"), request).await.expect("it answers")
    };
    assert_eq!(by_request("a:b", &request).await, Some(recorded));
    assert_eq!(by_request("ann", &request).await, None);
}

pub async fn the_purchases_and_releases_of_a_sale_are_read_in_pages(fixture: Fixture) {
    let sold: Vec<_> =
        (1..=3).map(|n| fixture.sold(id(n.into()), &format!("u{n}"), &[(n, 1, 1), (n + 3, 1, 2)])).collect();
    fixture.persist(LedgerId::ZERO, &sold).await.expect("it is right");
    let released = [
        fixture.released(id(4), &sold[2], ReleaseReason::Cancelled),
        fixture.released(id(5), &sold[0], ReleaseReason::Void),
    ];
    fixture.persist(id(3), &released).await.expect("it is right");
    let last = fixture.sold(id(6), "u6", &[(1, 1, 1)]);
    fixture.persist(id(5), std::slice::from_ref(&last)).await.expect("it is right");
    let all = [sold.as_slice(), &released, &[last]].concat();
    assert_eq!(fixture.entries().await, all);
    for max in 1..=7 {
        let (mut read, mut after) = (Vec::new(), LedgerId::ZERO);
        loop {
            let page = fixture.archive.entries_in(fixture.sale.id, after, max).await.expect("it answers");
            assert!(page.len() <= max);
            let Some(last) = page.last() else { break };
            after = last.id;
            read.extend(page);
        }
        assert_eq!(read, all);
    }
}

pub async fn a_released_purchase_is_found_and_listed_complete(fixture: Fixture) {
    let request: RequestId = "r".parse().expect("a request id");
    let purchase = fixture.purchase(id(1), "ann", &[(2, 1, 1), (1, 1, 2)]);
    let purchase = Purchase { request: Some(request.clone()), ..purchase };
    let sold = LedgerEntry { id: id(1), event: LedgerEvent::Sold(purchase.clone()) };
    fixture.persist(LedgerId::ZERO, std::slice::from_ref(&sold)).await.expect("it is right");
    let archive = &fixture.archive;
    let list = PurchasePage { sale: None, only_orders: false, after: None, limit: 9 };
    let in_sale = PurchasePage { sale: Some(fixture.sale.id), ..list };
    let before = archive.receipts_of(&purchase.user, list).await.expect("it answers");
    let release = fixture.released(id(2), &sold, ReleaseReason::Void);
    fixture.persist(id(1), &[release]).await.expect("it is right");
    archive.note_release(fixture.sale.id, id(2), "broken").await.expect("it answers");
    let recorded = RecordedPurchase { id: id(1), purchase: purchase.clone(), replayed: true };
    let by_code = archive.purchase_by_code(purchase.code).await.expect("it answers");
    assert_eq!(by_code.as_ref(), Some(&recorded));
    let by_request = archive.purchase_by_request(fixture.sale.id, &purchase.user, &request).await;
    assert_eq!(by_request.expect("it answers"), Some(recorded));
    for page in [list, in_sale] {
        assert_eq!(archive.receipts_of(&purchase.user, page).await.expect("it answers"), before);
    }
    let past = PurchasePage { after: Some(before[0].order_id), ..list };
    assert_eq!(archive.receipts_of(&purchase.user, past).await.expect("it answers"), []);
}

pub async fn receipts_are_listed_newest_first_over_all_sales(fixture: Fixture) {
    let archive = &fixture.archive;
    let next = sale_from(fixture.sale.window.ends_at, 1, &fixture.catalog);
    archive.create_sale(&next, &fixture.catalog).await.expect("it answers");
    let entries = [
        fixture.sold(id(1), "ann", &[(1, 1, 1)]),
        fixture.sold(id(2), "bob", &[(2, 1, 1)]),
        fixture.sold(id(4), "ann", &[(3, 1, 2)]),
    ];
    fixture.persist(LedgerId::ZERO, &entries).await.expect("it is right");
    // The ids of two sales may be equal.
    let there = |at: LedgerId, item, slot| {
        let code = CheckoutCode::new(next.id, at.to_i64() as u128);
        LedgerEntry {
            id: at,
            event: LedgerEvent::Sold(Purchase { code, ..fixture.purchase(at, "ann", &[(item, 1, slot)]) }),
        }
    };
    let entries = [there(id(3), 1, 1), there(id(4), 2, 2)];
    archive.persist(fixture.epoch, next.id, LedgerId::ZERO, &entries).await.expect("it is right");
    let order = |sale: &Sale, entry| OrderId { sale: sale.id, entry };
    let all = [order(&next, id(4)), order(&fixture.sale, id(4)), order(&next, id(3)), order(&fixture.sale, id(1))];
    let ann = "ann".parse().expect("a user");
    let listed = async |sale, after, limit| {
        archive.receipts_of(&ann, PurchasePage { sale, only_orders: false, after, limit }).await.expect("it answers")
    };
    let orders = |receipts: Vec<Receipt>| -> Vec<OrderId> { receipts.iter().map(|receipt| receipt.order_id).collect() };
    assert_eq!(orders(listed(None, None, 9).await), all);
    for cut in 1..all.len() {
        assert_eq!(orders(listed(None, None, cut).await), all[..cut]);
        assert_eq!(orders(listed(None, Some(all[cut - 1]), 9).await), all[cut..]);
    }
    let receipts = listed(Some(fixture.sale.id), None, 9).await;
    let receipt = Receipt::new(
        fixture.sale.terms(),
        |ordinal| fixture.catalog.item(ordinal),
        id(4),
        &fixture.purchase(id(4), "ann", &[(3, 1, 2)]),
    );
    assert_eq!(Some(&receipts[0]), receipt.ok().as_ref());
    assert_eq!(receipts.len(), 2);
}
