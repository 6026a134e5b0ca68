//! Orders: purchases that must be paid, or give their stock back.

use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flashsale::application::ordering::ports::{End, Holder, OrderArchive, OrderFilter, Work};
use flashsale::application::sale::create_sale::{NewSale, Offer};
use flashsale::domain::ordering::{Order, OrderReason, OrderStatus};
use flashsale::domain::sale::{Item, PaymentWindow};
use flashsale::domain::shared::{Currency, OrderId};
use flashsale::infrastructure::http::AdminToken;
use flashsale::infrastructure::postgres::PgArchive;
use futures::future::join_all;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::client::{Answer, retrying};
use crate::harness::eventually;
use crate::harness::service::{Instance, World, ending_period};

const LONG: u32 = 600;
const SHORT: u32 = 1;
const TOKEN: &str = "the-token-of-the-administrator";

/// Runs a command. Returns whether it succeeded, what it printed, and its errors.
fn run(world: &World, args: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
    command.args(args).env("DATABASE_URL", &world.database_url).env("REDIS_URL", world.redis.service_url());
    let output = tokio::task::block_in_place(|| command.env("LOG", "error").output()).expect("the program runs");
    let [printed, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
    (output.status.success(), printed, errors)
}

/// A world whose sales must be paid within this many seconds.
async fn world(seconds: u32) -> World {
    World::new().await.with(|world| world.settings.payment_window = PaymentWindow::try_from(seconds).ok())
}

async fn order(shop: &Instance, code: &str) -> Value {
    let path = format!("/orders/{code}");
    retrying(|| shop.client.get(&path)).await.expect(200).json()
}

async fn cancel(shop: &Instance, code: &str, user: &str) -> Answer {
    shop.client.post_json(&format!("/orders/{code}/cancel"), json!({ "user_id": user })).await
}

/// Buys items with a cart, and returns its code and the receipt.
async fn buy(shop: &Instance, user: &str, items: &[&str]) -> (String, Value) {
    let code = shop.client.cart(user, items).await;
    let receipt = retrying(|| shop.client.purchase(&code)).await.expect(200).json();
    (code, receipt)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_must_be_paid_is_an_order() {
    let world = world(LONG).await;
    let (shop, other) = (world.start().await, world.start().await);
    let (code, receipt) = buy(&shop, "ann", &["1", "2"]).await;
    let shown = order(&other, &code).await;
    assert_eq!(
        (&shown["status"], &shown["version"], &shown["attempts_left"]),
        (&json!("RESERVED"), &json!(1), &json!(3))
    );
    for field in ["order_id", "sale_id", "user_id", "total", "currency", "pay_by"] {
        assert_eq!(shown[field], receipt[field], "{field}");
        assert!(shown[field].is_string(), "{field}");
    }
    assert_eq!(shown["created_at"], receipt["purchased_at"]);
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(2));
    let time =
        |field: &str| receipt[field].as_str().and_then(|time| time.parse::<chrono::DateTime<chrono::Utc>>().ok());
    assert_eq!(time("pay_by").zip(time("purchased_at")).map(|(by, at)| by - at), Some(TimeDelta::seconds(LONG.into())));

    shop.client.buy_now("ann", "r", "3").await.expect(200);
    buy(&shop, "bob", &["4"]).await;
    let list = other.client.get("/users/ann/orders").await.expect(200).json();
    let orders = list["orders"].as_array().expect("a list");
    assert_eq!((orders.len(), &orders[1]["order_id"]), (2, &receipt["order_id"]));
    assert!(!list.to_string().contains(&code), "a list does not show the secret of the owner");
    shop.client.get(&format!("/orders/{}-{:032x}", shop.sale(), 7)).await.expect_problem(404, "order_not_found");
    shop.assert_sound(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_purchase_has_the_same_bytes_and_tells_the_present_of_its_order() {
    let world = world(LONG).await;
    let (shop, other) = (world.start().await, world.start().await);
    let code = shop.client.cart("ann", &["1"]).await;
    let key = || shop.client.request(Method::POST, "/api/purchase").header("idempotency-key", "k");
    let body = json!({ "user_id": "ann", "item_id": "2", "quantity": 1 }).to_string();
    let buy_now = || shop.client.send(key().header("content-type", "application/json"), &body);
    let first = [shop.client.purchase(&code).await.expect(200), buy_now().await.expect(200)];
    for status in ["RESERVED", "CANCELLED"] {
        let shown = other.client.get(&format!("/purchase/{code}")).await.expect(200);
        assert_eq!((shown.header("order-status"), &shown.body), (Some(status), &first[0].body));
        let list = other.client.get("/users/ann/purchases").await.expect(200).json();
        let listed = list["purchases"].as_array().expect("a list").iter().map(|purchase| &purchase["order_status"]);
        assert_eq!(listed.collect::<Vec<_>>(), [status; 2]);
        let again = [other.client.purchase(&code).await.expect(200), buy_now().await.expect(200)];
        for (first, again) in first.iter().zip(again) {
            assert_eq!(first.header("order-status"), Some("RESERVED"));
            assert_eq!((again.header("order-status"), &again.body), (Some(status), &first.body));
            assert_eq!(again.header("idempotent-replayed"), Some("true"));
            cancel(&shop, first.json()["code"].as_str().expect("a code"), "ann").await.expect(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_request_tells_the_present_of_its_order() {
    let world = world(LONG).await;
    let shop = world.start().await;
    let receipt = shop.client.buy_now("ann", "r", "1").await.expect(200).json();
    for status in ["RESERVED", "CANCELLED"] {
        let duplicate = shop.client.buy_now("ann", "r", "1").await;
        assert_eq!(duplicate.header("order-status"), Some(status));
        duplicate.expect_problem(409, "duplicate_request");
        cancel(&shop, receipt["code"].as_str().expect("a code"), "ann").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_without_a_payment_window_has_no_orders() {
    let world = World::new().await;
    let shop = world.start().await;
    let (code, receipt) = buy(&shop, "ann", &["1"]).await;
    assert!(receipt.get("pay_by").is_none(), "{receipt}");
    assert_eq!(shop.client.purchase(&code).await.expect(200).header("order-status"), None);
    assert_eq!(shop.client.get(&format!("/purchase/{code}")).await.expect(200).header("order-status"), None);
    let list = shop.client.get("/users/ann/purchases").await.expect(200);
    let listed = String::from_utf8_lossy(&list.body).into_owned();
    assert!(listed.ends_with("Z\"}]}"), "the list has the same bytes as ever: {listed}");
    shop.client.get(&format!("/orders/{code}")).await.expect_problem(404, "order_not_found");
    cancel(&shop, &code, "ann").await.expect_problem(404, "order_not_found");
    assert_eq!(shop.client.get("/users/ann/orders").await.expect(200).json()["orders"], json!([]));
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_gives_its_units_back_once_and_keeps_its_receipt() {
    let world = world(LONG).await.with(|world| world.settings.user_limit = 2);
    let (shop, other) = (world.start().await, world.start().await);
    let (code, receipt) = buy(&shop, "ann", &["1", "2"]).await;
    cancel(&shop, &code, "bob").await.expect_problem(404, "order_not_found");
    assert_eq!(order(&shop, &code).await["status"], "RESERVED");
    let answers = join_all([&shop, &other, &shop, &other].map(|instance| cancel(instance, &code, "ann"))).await;
    for answer in answers {
        let cancelled = answer.expect(200).json();
        assert_eq!((&cancelled["status"], &cancelled["version"]), (&json!("CANCELLED"), &json!(2)));
        assert_eq!(cancelled["reason"], "USER_CANCEL");
    }
    eventually("her units are for sale again", || shop.client.has_bought("bob", "r", "1")).await;
    eventually("they do not count for her limit", || other.client.has_bought("ann", "r", "2")).await;
    assert_eq!(shop.client.purchase(&code).await.expect(200).json(), receipt);
    shop.assert_sound(2).await;
    assert_eq!(world.count("SELECT count(*) FROM released_units WHERE reason = 'cancelled'").await, 2);
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE returned_at IS NOT NULL").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_pays_expires_and_its_units_are_for_sale_again() {
    let world = world(SHORT).await;
    let (shop, other) = (world.start().await, world.start().await);
    let code = shop.client.cart("ann", &["1", "2"]).await;
    let receipt = shop.client.purchase(&code).await.expect(200).body;
    eventually("the order expires", || async { order(&other, &code).await["status"] == "EXPIRED" }).await;
    assert_eq!(order(&shop, &code).await["reason"], "RESERVATION_TTL");
    let refused = cancel(&shop, &code, "ann").await.expect_problem(409, "order_invalid_state");
    assert_eq!(refused["order_status"], "EXPIRED");
    eventually("its units are for sale again", || other.client.has_bought("bob", "r", "1")).await;
    for instance in [&shop, &other] {
        let again = instance.client.purchase(&code).await.expect(200);
        assert_eq!((again.header("order-status"), &again.body), (Some("EXPIRED"), &receipt));
    }
    eventually("everything is returned", || async {
        world.count("SELECT count(*) FROM orders WHERE returned_at IS NULL").await == 0
    })
    .await;
    assert!(shop.verify().await.is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_costs_nothing_is_paid() {
    let world = World::new().await;
    let shop = world.start().await;
    let item = |price: &str| {
        Item::new("Sticker".into(), "/1.jpg".into(), price.parse().expect("a price"), 9).expect("an item")
    };
    let offer = Offer::Listed(Currency::EUR, vec![item("0.00"), item("0.01")]);
    let payment_window = PaymentWindow::try_from(LONG).ok();
    let wanted =
        NewSale { starts_at: None, ends_at: None, offer, user_limit: None, payment_window, waiting_room: false };
    let sale = shop.shop.create_sale(wanted).await.expect("it is created").id;
    for (ordinals, status) in [(&[1][..], "PAID"), (&[2], "RESERVED"), (&[1, 2], "RESERVED")] {
        let items: Vec<String> = ordinals.iter().map(|ordinal| format!("{sale}-{ordinal:05}")).collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let code = shop.client.cart(status, &items).await;
        let bought = shop.client.purchase(&code).await.expect(200);
        assert_eq!(bought.header("order-status"), Some(status), "{ordinals:?}");
        assert_eq!(order(&shop, &code).await["status"], status, "{ordinals:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_cancels_an_order_by_its_id() {
    let world = world(LONG).await.with(|world| world.http.admin_token = AdminToken::new(TOKEN.into()));
    let shop = world.start().await;
    let (code, receipt) = buy(&shop, "ann", &["1"]).await;
    let path = format!("/admin/orders/{}/cancel", receipt["order_id"].as_str().expect("an id"));
    shop.client.post_json(&path, json!({ "reason": "x" })).await.expect(401);
    let request = || {
        let request = shop.client.request(Method::POST, &path).header("content-type", "application/json");
        request.header("authorization", format!("Bearer {TOKEN}"))
    };
    shop.client.send(request(), r#"{"reason":""}"#).await.expect_problem(400, "invalid_request");
    for reason in [r#"\u0000"#, r#"a\u001b[31m"#, r#"a\n"#] {
        let body = format!(r#"{{"reason":"{reason}"}}"#);
        shop.client.send(request(), &body).await.expect_problem(400, "invalid_request");
    }
    for _ in 0..2 {
        let cancelled = shop.client.send(request(), r#"{"reason":"asked by telephone"}"#).await.expect(200).json();
        assert_eq!((&cancelled["status"], &cancelled["reason"]), (&json!("CANCELLED"), &json!("ADMIN")));
    }
    assert_eq!(order(&shop, &code).await["reason"], "ADMIN");
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE note = 'asked by telephone'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_returned_once_though_redis_is_emptied_meanwhile() {
    let world = world(SHORT).await;
    let (shop, other) = (world.start().await, world.start().await);
    let numbers: Vec<String> = (1..=60).map(|number| number.to_string()).collect();
    join_all(numbers.iter().map(|number| shop.client.buy_now(number, "r", number))).await;
    eventually("returns are under way", || async {
        world.count("SELECT count(*) FROM orders WHERE status = 'EXPIRED'").await > 0
    })
    .await;
    world.run_in_redis(&["FLUSHALL"]).await;
    eventually("everything is returned", || async {
        world.count("SELECT count(*) FROM orders WHERE returned_at IS NULL").await == 0
    })
    .await;
    assert_eq!(world.count("SELECT count(*) FROM released_units").await, 60);
    eventually("all is sound", || async { other.verify().await.is_sound() }).await;
    assert_eq!(world.count("SELECT count(*) FROM purchase_units").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_is_closed_once_its_orders_have_ended() {
    let world = world(LONG).await.with(|world| world.settings.sale_every = ending_period());
    let shop = world.start().await;
    let sale = shop.sale();
    let (code, _) = buy(&shop, "ann", &["1"]).await;
    shop.next_sale(&sale).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.count("SELECT count(*) FROM sales WHERE closed_at IS NOT NULL").await, 0);
    cancel(&shop, &code, "ann").await.expect(200);
    shop.closed(&sale).await;
    assert_eq!(order(&shop, &code).await["status"], "CANCELLED");
    assert_eq!(world.count("SELECT count(*) FROM released_units").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_late_write_of_a_holder_that_slept_is_refused() {
    let world = world(SHORT).await;
    let archive = PgArchive::connect(&world.database_url, 4).await.expect("PostgreSQL answers");
    let (sleeper, other) = (Holder(1), Holder(2));
    let moment = Duration::from_millis(50);
    let work = Work::Expiry;
    let slept = archive.claim(work, sleeper, moment).await.expect("it answers").expect("it is free");
    let taken = async || archive.claim(work, other, Duration::from_secs(60)).await.expect("it answers").is_some();
    eventually("another holder takes over", taken).await;
    assert_eq!(archive.claim(work, sleeper, moment).await.expect("it answers"), None);

    let shop = world.start().await;
    let (_, receipt) = buy(&shop, "ann", &["1"]).await;
    let id: OrderId = receipt["order_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let end = End { status: OrderStatus::Expired, reason: OrderReason::ReservationTtl, note: None };
    let now = Utc::now();
    let ended = archive.end_overdue(slept, OrderStatus::Reserved, &end, now, 10).await.expect("it answers");
    assert_eq!((ended, archive.orders(&[id]).await.expect("it answers")[&id].status), (0, OrderStatus::Reserved));
    let lease = archive.claim(work, other, Duration::from_secs(60)).await.expect("it answers").expect("it is held");
    assert!(lease.token > slept.token);
    assert_eq!(archive.end_overdue(lease, OrderStatus::Reserved, &end, now, 10).await.expect("it answers"), 1);
    let order = archive.orders(&[id]).await.expect("it answers").remove(&id).expect("it exists");
    assert_eq!(archive.end(&order, &end, None).await.expect("it answers"), None, "it is final");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_overdue_when_the_clocks_of_both_stores_say_so() {
    let world = world(LONG).await;
    let archive = PgArchive::connect(&world.database_url, 4).await.expect("PostgreSQL answers");
    let lease = archive.claim(Work::Expiry, Holder(1), Duration::from_secs(60)).await.expect("it answers");
    let lease = lease.expect("it is free");
    let shop = world.start().await;
    let (_, receipt) = buy(&shop, "ann", &["1"]).await;
    let id: OrderId = receipt["order_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let (hour, end) =
        (TimeDelta::hours(1), End { status: OrderStatus::Expired, reason: OrderReason::ReservationTtl, note: None });
    let ended_at = async |now: DateTime<Utc>| {
        let is_overdue = archive.is_overdue(id, now).await.expect("it answers");
        let ended = archive.end_overdue(lease, OrderStatus::Reserved, &end, now, 10).await.expect("it answers");
        assert_eq!(u64::from(is_overdue), ended);
        is_overdue
    };
    assert!(!ended_at(Utc::now() + hour).await, "by the clock of PostgreSQL there is time");
    let pass = "UPDATE orders SET deadline = now() - interval '1 minute'";
    sqlx::query(pass).execute(&world.database).await.expect("the statement is valid");
    assert!(!ended_at(Utc::now() - hour).await, "by the clock of Redis there is time");
    assert!(ended_at(Utc::now()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_show_cancel_and_list_orders() {
    let world = world(LONG).await;
    let shop = world.start().await;
    let (code, receipt) = buy(&shop, "ann", &["1", "2"]).await;
    let (_, later) = buy(&shop, "bob", &["3"]).await;
    let [id, later] = [&receipt, &later].map(|receipt| receipt["order_id"].as_str().expect("an id").to_owned());
    let ok = |args: &[&str]| {
        let (is_ok, printed, errors) = run(&world, args);
        assert!(is_ok, "{args:?}: {errors}");
        printed
    };
    let refused = |args: &[&str], reason: &str| {
        let (is_ok, printed, errors) = run(&world, args);
        assert!(!is_ok && printed.is_empty() && errors.contains(reason), "{args:?}: {printed} {errors}");
    };
    let first_of_each = |list: &str| -> Vec<String> {
        list.lines().map(|line| line.split(' ').next().expect("an id").to_owned()).collect()
    };

    let shown = ok(&["order", "show", &code]);
    assert!(shown.starts_with(&format!("{id} RESERVED version=1 deadline=")), "{shown}");
    let total = receipt["total"].as_str().expect("a total");
    let lines = format!("user=ann total={total} EUR\n{} quantity=1\n{} quantity=1\n", shop.item(1), shop.item(2));
    assert!(shown.ends_with(&lines), "{shown}");
    let reserved = ["order", "list", "--status", "RESERVED"];
    assert_eq!(first_of_each(&ok(&reserved)), [later.clone(), id.clone()], "newest first");
    assert_eq!(first_of_each(&ok(&[&reserved[..], &["--limit", "1"]].concat())), [later]);
    assert_eq!(ok(&[&reserved[..], &["--sale", "20260101T00"]].concat()), "");

    // Its stock follows its fate, so nobody frees it in another way.
    refused(&["purchase", "void", &code, "--reason", "broken"], "cancel it with `flashsale order cancel`");
    assert_eq!(world.count("SELECT count(*) FROM released_units").await, 0);
    for _ in 0..2 {
        let cancelled = ok(&["order", "cancel", &code, "--reason", "asked by telephone"]);
        assert!(cancelled.starts_with(&format!("{id} CANCELLED version=2 ")), "{cancelled}");
        assert!(cancelled.contains(" reason=ADMIN note=\"asked by telephone\" "), "{cancelled}");
    }
    assert!(ok(&["order", "show", &code]).contains(" note=\"asked by telephone\" "));
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE note = 'asked by telephone'").await, 1);
    eventually("a running service returns the stock", || shop.client.has_bought("eve", "r", "1")).await;
    assert_eq!(first_of_each(&ok(&["order", "list", "--status", "CANCELLED", "--sale", &shop.sale()])), [id]);

    let unknown = format!("{}-{:032x}", shop.sale(), 7);
    refused(&["order", "show", &unknown], "nothing was bought with this code");
    refused(&["order", "cancel", &unknown, "--reason", "x"], "nothing was bought with this code");
    refused(&["order", "cancel", &code, "--reason", ""], "must have 1 to 500 characters");
    let known = "[possible values: RESERVED, PAYMENT_PENDING, PAID, CANCELLED, EXPIRED]";
    refused(&["order", "list", "--status", "LOST"], known);
    sqlx::query("UPDATE orders SET status = 'PAID', deadline = NULL, finished_at = now() WHERE status = 'RESERVED'")
        .execute(&world.database)
        .await
        .expect("it is paid");
    let paid = shop.client.buy_now("bob", "x", "3").await;
    assert_eq!(paid.status, 410, "a paid unit is sold");
    let secret = "SELECT encode(code, 'hex') FROM purchases WHERE user_id = 'bob'";
    let secret: String = sqlx::query_scalar(secret).fetch_one(&world.database).await.expect("it is archived");
    let paid = format!("{}-{secret}", shop.sale());
    refused(&["order", "cancel", &paid, "--reason", "x"], "the order has ended: PAID");
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_orders_that_are_stuck_and_paid_orders_without_their_units() {
    let world = world(LONG).await;
    let shop = world.start().await;
    let (code, _) = buy(&shop, "ann", &["1"]).await;
    cancel(&shop, &code, "ann").await.expect(200);
    eventually("its stock is returned", || async {
        world.count("SELECT count(*) FROM orders WHERE returned_at IS NOT NULL").await == 1
    })
    .await;
    buy(&shop, "bob", &["2"]).await;
    let sound = "sold=1 lost=0 oversold=0 over_limit=0 drift=0";
    let (is_ok, printed, errors) = run(&world, &["verify"]);
    assert!(
        is_ok && printed.trim() == format!("{sound} unreturned=0 overdue=0 paid_and_released=0 unsettled=0"),
        "{errors}"
    );
    // Nobody does the work.
    shop.stop().await;
    for (change, found) in [
        (
            "UPDATE orders SET deadline = now() - interval '11 s' WHERE status = 'RESERVED'",
            "unreturned=0 overdue=1 paid_and_released=0 unsettled=0",
        ),
        (
            "UPDATE orders SET status = 'EXPIRED', reason = 'RESERVATION_TTL', deadline = NULL,
                 finished_at = now() - interval '11 s' WHERE status = 'RESERVED'",
            "unreturned=1 overdue=0 paid_and_released=0 unsettled=0",
        ),
        (
            "UPDATE orders SET status = 'PAID', reason = NULL, returned_at = NULL, finished_at = now()",
            // The first of the two has no payment. The other one, of version 1, needs none.
            "unreturned=0 overdue=0 paid_and_released=1 unsettled=1",
        ),
    ] {
        sqlx::query(change).execute(&world.database).await.expect("the rows are valid");
        let (is_ok, printed, errors) = run(&world, &["verify"]);
        assert!(!is_ok && printed.ends_with(&format!("{sound} {found}\n")), "{change}: {printed} {errors}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_and_counts_of_orders_are_measured_by_one_instance() {
    let world = world(LONG).await;
    let (shop, other) = (world.start().await, world.start().await);
    let values = async |series: &str| -> Vec<f64> {
        let mut values = Vec::new();
        for instance in [&shop, &other] {
            let text = String::from_utf8(instance.client.get("/metrics").await.expect(200).body.to_vec());
            let text = text.expect("metrics are text");
            values.extend(text.lines().filter_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok()));
        }
        values
    };
    let cancelled = r#"flashsale_order_transitions_total{from="RESERVED",to="CANCELLED",reason="USER_CANCEL"}"#;
    let refused = "flashsale_order_transitions_refused_total";
    // All instances of a process share these.
    let (before, refused_before) = (values(cancelled).await[0], values(refused).await[0]);
    let (code, _) = buy(&shop, "ann", &["1"]).await;
    buy(&shop, "bob", &["2"]).await;
    let reserved = r#"flashsale_orders{status="RESERVED"}"#;
    eventually("one instance counts", || async { values(reserved).await == [2.0] }).await;
    cancel(&shop, &code, "ann").await.expect(200);
    assert!(values(cancelled).await[0] > before);
    let archive = PgArchive::connect(&world.database_url, 2).await.expect("PostgreSQL answers");
    let orders = archive.list(OrderFilter { status: OrderStatus::Cancelled, sale: None, limit: 9 }).await;
    let end = End { status: OrderStatus::Expired, reason: OrderReason::ReservationTtl, note: None };
    let stale = Order { status: OrderStatus::Reserved, ..orders.expect("it answers").remove(0) };
    assert_eq!(archive.end(&stale, &end, None).await.expect("it answers"), None);
    assert!(values(refused).await[0] > refused_before);
    eventually("the cancelled order is counted", || async {
        values(r#"flashsale_orders{status="CANCELLED"}"#).await == [1.0] && values(reserved).await == [1.0]
    })
    .await;
    for late in ["flashsale_orders_overdue", "flashsale_stock_return_lag_seconds"] {
        eventually(late, || async { values(late).await == [0.0] }).await;
    }
}
