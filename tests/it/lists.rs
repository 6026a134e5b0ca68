//! Lists with pages: the purchases of a user, and the sales.

use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::service::World;

#[tokio::test(flavor = "multi_thread")]
async fn purchases_of_a_user_are_listed_newest_first() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1", "2"]).await;
    let first = shop.client.purchase(&code).await.expect(200).json();
    let second = shop.client.buy_now("ann", "r", "3").await.expect(200).json();
    shop.client.buy_now("bob", "r", "4").await.expect(200);
    let listed = shop.client.get("/users/ann/purchases").await.expect(200).json();
    let orders = [&listed["purchases"][0]["order_id"], &listed["purchases"][1]["order_id"]];
    assert_eq!(orders, [&second["order_id"], &first["order_id"]]);
    assert_eq!(listed["purchases"].as_array().map(Vec::len), Some(2));
    assert_eq!(listed["purchases"][1]["purchased_items"], first["purchased_items"]);
    let nobody = shop.client.get("/users/nobody/purchases").await.expect(200).json();
    assert_eq!(nobody, json!({ "purchases": [] }));
}

/// Follows the cursors of a list from its first page to its last. Returns the pages.
async fn pages(client: &Client, path: &str, field: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = client.get(&format!("{path}{cursor}")).await.expect(200).json();
        let Value::Array(entries) = page[field].take() else { panic!("no {field} in {page}") };
        assert!(!entries.is_empty(), "an empty page");
        pages.push(entries);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

/// Returns a text field of every entry of all pages.
fn texts(pages: &[Vec<Value>], field: &str) -> Vec<String> {
    let text = |entry: &Value| entry[field].as_str().expect("the field is text").to_owned();
    pages.iter().flatten().map(text).collect()
}

/// 150 purchases of ann: 1 to 75 in a first sale, 2 to 76 in a second one. Purchases with the same number have the same
/// ledger id in both sales, and the first page ends between two of them.
const PURCHASES: &str = r#"
    INSERT INTO sales (id, hourly, starts_at, ends_at, user_limit, currency, items, units, closed_at)
    SELECT to_char(start, 'YYYYMMDD"T"HH24'), true, start, start + interval '1 hour', 100, 'EUR', 100, 100, now()
    FROM unnest(ARRAY['2026-01-01 09:00', '2026-01-01 10:00']::timestamp[]) AS start;

    INSERT INTO items (sale, ordinal, name, image_url, price, stock)
    SELECT key, ordinal, 'Lamp', '/lamp.jpg', 19.90, 1 FROM sales, generate_series(1, 100) AS ordinal
    WHERE closed_at IS NOT NULL;

    CREATE TEMPORARY TABLE made AS
    SELECT 'ann' AS user_id, (1767258000000 + number) * 1048576 AS ledger_id, key AS sale, number
    FROM (SELECT '20260101T09' AS id, generate_series(1, 75) AS number
          UNION ALL SELECT '20260101T10', generate_series(2, 76)) AS numbers
    JOIN sales USING (id);

    INSERT INTO purchases (sale, ledger_id, code, user_id, units)
    SELECT sale, ledger_id, decode(lpad(to_hex(number), 32, '0'), 'hex'), user_id, 1 FROM made;

    INSERT INTO purchase_units (sale, ordinal, unit, user_id, slot, ledger_id)
    SELECT sale, number, 1, user_id, number, ledger_id FROM made;"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_users_purchases_contain_each_purchase_once() {
    let world = World::new().await;
    let shop = world.start().await;
    sqlx::raw_sql(PURCHASES).execute(&world.database).await.expect("the rows are valid");
    let order = |hour: &str, number: u32| format!("20260101T{hour}-{}-0", 1_767_258_000_000_u64 + u64::from(number));
    let both = (2..=75).rev().flat_map(|number| [order("10", number), order("09", number)]);
    let expected: Vec<_> = [order("10", 76)].into_iter().chain(both).chain([order("09", 1)]).collect();

    let all = pages(&shop.client, "/users/ann/purchases?", "purchases").await;
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [100, 50]);
    assert_eq!(texts(&all, "order_id"), expected);
    assert!(all.iter().flatten().all(|purchase| purchase.get("code").is_none()), "a list contains a code");

    let of_one_sale = pages(&shop.client, "/users/ann/purchases?sale_id=20260101T09", "purchases").await;
    let expected: Vec<_> = expected.into_iter().filter(|order| order.starts_with("20260101T09-")).collect();
    assert_eq!(texts(&of_one_sale, "order_id"), expected);
}

/// 230 past sales, of which each two start at the same time.
const SALES: &str = r#"
    INSERT INTO sales (id, hourly, starts_at, ends_at, user_limit, currency, items, units, closed_at)
    SELECT to_char(start, 'YYYYMMDD"T"HH24') || '-' || lpad(to_hex(number), 4, '0'),
           false, start, start + interval '1 hour', 10, 'EUR', 1, 1, now()
    FROM generate_series(1, 230) AS number, LATERAL (
        SELECT timestamp '2026-01-01 00:00' + number / 2 * interval '1 hour' AS start
    ) AS starts;"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_sales_contain_each_sale_once() {
    let world = World::new().await;
    let shop = world.start().await;
    sqlx::raw_sql(SALES).execute(&world.database).await.expect("the rows are valid");

    let ended = pages(&shop.client, "/sales?status=ended", "sales").await;
    assert_eq!(ended.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 30]);
    let ids = texts(&ended, "id");
    // The ids sort by start and then by number.
    assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");

    let all = pages(&shop.client, "/sales?", "sales").await;
    assert_eq!(texts(&all, "id"), [vec![shop.sale()], ids].concat());
}
