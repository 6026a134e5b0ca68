//! The OpenAPI document and the service agree, in both directions.

mod document;
mod survey;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use flashsale::domain::shared::limits::LIVE_SALES_MAX;
use flashsale::infrastructure::http::{API, AdminToken, Rate};
use flashsale::infrastructure::tokens::{Ticket, TokenKeys};
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::client::{Answer, Client};
use crate::harness::eventually;
use crate::harness::provider::{Provider, signature};
use crate::harness::service::{Instance, World};
use crate::harness::stores::{Postgres, empty_database, migrate};
use document::{Case, Document};
use survey::Survey;

/// Documented problems that this test does not provoke, each with the reason.
const NOT_PROVOKED: [(&str, &str, &str); 2] = [
    ("", "internal_error", "a handler would have to panic"),
    ("/purchase", "sale_not_started", "a cart exists before the start only if a clock goes back"),
];

/// A documented field that this test does not get: only a user with a token does.
const NOT_ANSWERED: &str = "Order.code";

const ADMIN: (&str, &str) = ("authorization", "Bearer s3cret");

#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_the_service_agree() {
    let mut postgres = Postgres::start();
    migrate(&postgres.server.url()).await;
    let provider = Provider::start(&empty_database().await, &[]).await;
    let mut world = World::over(postgres.server.url()).await.with(|world| {
        world.payment = provider.settings();
        world.http.admin_token = AdminToken::new("s3cret".into());
        world.http.room_keys = Some(room_keys());
        world.settings.ack_timeout = Duration::from_secs(1);
        // Nobody reaches these limits, but every answer is about them.
        (world.http.address_rate, world.http.user_rate) = (Some(rate(1_000_000)), Some(rate(1_000_000)));
    });
    let shop = world.start().await;
    let mut survey = Survey::new(Document(shop.client.get("/openapi.json").await.expect(200).json()));

    browse(&mut survey, &shop).await;
    fill_carts(&mut survey, &shop).await;
    buy(&mut survey, &shop).await;
    page_through_lists(&mut survey, &world, &shop.client).await;
    buy_outside_of_a_sale(&mut survey, &shop).await;
    order(&mut survey, &shop).await;
    pay(&mut survey, &world, &shop).await;
    wait_in_a_room(&mut survey, &world, &shop).await;
    send_invalid_requests(&mut survey, &shop.client).await;
    send_invalid_heads(&survey, &shop.client).await;
    exceed_the_rate_limit(&mut survey, &mut world).await;
    exceed_timeouts_and_connections(&mut survey, &mut world).await;
    lose_postgresql(&mut survey, &shop, &mut postgres).await;
    lose_redis(&mut survey).await;
    find_no_sale(&mut survey).await;
    create_too_many_sales(&mut survey).await;

    assert_complete(&survey);
}

/// Fails unless every documented case was answered. Each answer has been checked against the document before.
fn assert_complete(survey: &Survey) {
    let document = &survey.document;
    let is_excused = |(_, pattern, _, code): &Case| {
        NOT_PROVOKED.iter().any(|(place, word, _reason)| word == code && (place.is_empty() || place == pattern))
    };
    let unseen: Vec<Case> =
        document.cases().difference(&survey.cases).filter(|case| !is_excused(case)).cloned().collect();
    assert!(unseen.is_empty(), "documented, but never answered: {unseen:#?}");

    let (mut fields, mut requestable, mut headers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (method, pattern) in document.operations() {
        let operation = document.operation(&method, &pattern);
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        requestable.extend(document.fields(body, None));
        let parameters = document.parameters(&method, &pattern).into_iter().filter(|name| name != "x-request-id");
        requestable.extend(parameters.map(|name| format!("{method} {pattern} {name}")));
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let response = document.resolved(response);
            for content in response["content"].as_object().into_iter().flat_map(|content| content.values()) {
                fields.extend(document.fields(&content["schema"], None));
            }
            let names = response["headers"].as_object().into_iter().flat_map(|headers| headers.keys());
            let names = names.map(|name| format!("{method} {pattern} {status} {}", name.to_lowercase()));
            // Problems are described once for all endpoints, also for those without limits.
            headers.extend(names.filter(|name| status != "500" && !name.contains(" ratelimit")));
        }
    }
    fields.remove(NOT_ANSWERED);
    let unseen = |documented: &BTreeSet<String>, seen: &BTreeSet<String>| -> Vec<String> {
        documented.difference(seen).cloned().collect()
    };
    assert!(unseen(&fields, &survey.answered).is_empty(), "never answered: {:#?}", unseen(&fields, &survey.answered));
    assert!(
        unseen(&requestable, &survey.taken).is_empty(),
        "never sent in a request: {:#?}",
        unseen(&requestable, &survey.taken)
    );
    assert!(unseen(&headers, &survey.headers).is_empty(), "never sent: {:#?}", unseen(&headers, &survey.headers));
}

async fn browse(survey: &mut Survey, shop: &Instance) {
    let (client, sale, item) = (&shop.client, shop.sale(), shop.item(1));
    for path in ["/health/live", "/health/ready", "/health", "/metrics", "/openapi.json", "/sales/active", "/sales"] {
        survey.ask(client, &format!("GET {path}"), Value::Null, "200").await;
    }
    for path in ["/sales?status=open", &format!("/sales/{sale}"), &format!("/items/{item}"), "/items/item_7"] {
        survey.ask(client, &format!("GET {path}"), Value::Null, "200").await;
    }
    let items = format!("GET /sales/{sale}/items?page=2&per_page=5&available=true");
    survey.ask(client, &items, Value::Null, "200").await;
    let request_id = [("x-request-id", "follow-me-1")];
    let answer = survey.ask_with(client, "GET /sales/active", &request_id, Value::Null, "200").await;
    assert_eq!(answer.header("x-request-id"), Some("follow-me-1"));

    survey.ask(client, "POST /session", Value::Null, "200").await;
    let foreign = [("origin", "http://evil.example")];
    survey.ask_with(client, "POST /session", &foreign, Value::Null, "403 foreign_origin").await;
    survey.ask(client, "GET /docs", Value::Null, "308").await;
    for path in ["/", "/docs/"] {
        let answer = survey.ask(client, &format!("GET {path}"), Value::Null, "307").await;
        assert_eq!(answer.header("location"), Some("/docs/index.html"));
    }
    for path in ["/docs/index.html", "/openapi.json", "/sales/active", &format!("/sales/{sale}/sold-filter")] {
        let answer = survey.ask(client, &format!("GET {path}"), Value::Null, "200").await;
        let known = [("if-none-match", answer.header("etag").expect("it has a tag"))];
        survey.ask_with(client, &format!("GET {path}"), &known, Value::Null, "304").await;
    }
    survey.ask(client, "GET /docs/..%2f..%2fetc%2fpasswd", Value::Null, "404 not_found").await;
    for path in ["", "/items", "/sold-filter", "/events"] {
        survey.ask(client, &format!("GET /sales/20260101T00{path}"), Value::Null, "404 sale_not_found").await;
    }
    survey.ask(client, "GET /items/101", Value::Null, "404 item_not_found").await;
}

async fn fill_carts(survey: &mut Survey, shop: &Instance) {
    let client = &shop.client;
    survey.ask(client, "POST /checkout?user_id=ann&id=1", Value::Null, "200").await;
    survey.ask(client, "POST /checkout?user_id=ann&item_id=2&quantity=1", Value::Null, "200").await;
    let body = json!({ "user_id": "ann", "items": [{ "id": "3" }, { "id": shop.item(4), "quantity": 1 }] });
    let cart = survey.ask(client, "POST /checkout", body, "200").await.json();
    let code = text(&cart, "code");
    survey.ask(client, &format!("GET /checkout/{code}"), Value::Null, "200").await;
    survey.ask(client, &format!("DELETE /checkout/{code}/items/4"), Value::Null, "200").await;
    survey.ask(client, &format!("DELETE /checkout/{code}/items/4"), Value::Null, "404 item_not_found").await;
    let empty = client.cart("zoe", &["4"]).await;
    survey.ask(client, &format!("DELETE /checkout/{empty}/items/4"), Value::Null, "200").await;
    survey.ask(client, &format!("POST /purchase?code={empty}"), Value::Null, "409 cart_empty").await;
    let made_up = made_up_code(&shop.sale());
    survey.ask(client, &format!("GET /checkout/{made_up}"), Value::Null, "404 checkout_not_found").await;
    survey.ask(client, &format!("DELETE /checkout/{made_up}/items/4"), Value::Null, "404 checkout_not_found").await;
    survey.ask(client, &format!("GET /purchase/{made_up}"), Value::Null, "404 checkout_not_found").await;
    survey.ask(client, &format!("POST /purchase?code={made_up}"), Value::Null, "404 checkout_not_found").await;
    survey.ask(client, "POST /checkout?user_id=ann&id=101", Value::Null, "404 item_not_found").await;
    survey.ask(client, "POST /checkout?user_id=ann&id=20260101T00-00001", Value::Null, "404 sale_not_found").await;
    let many: Vec<Value> = (11..=20).map(|item| json!({ "id": item.to_string() })).collect();
    survey.ask(client, "POST /checkout", json!({ "user_id": "ann", "items": many }), "409 cart_full").await;
}

async fn buy(survey: &mut Survey, shop: &Instance) {
    let client = &shop.client;
    let code = client.cart("ann", &["1"]).await;
    for _ in 0..2 {
        survey.ask(client, &format!("POST /purchase?code={code}&partial=false"), Value::Null, "200").await;
    }
    survey.ask(client, &format!("GET /purchase/{code}"), Value::Null, "200").await;
    let sale = shop.sale();
    survey.ask(client, &format!("GET /users/ann/purchases?sale_id={sale}"), Value::Null, "200").await;
    let code = client.cart("bob", &["5", "6"]).await;
    let body = json!({ "request_id": "r1", "user_id": "eve", "item_id": "5", "quantity": 1 });
    survey.ask(client, "POST /api/purchase", body.clone(), "200").await;
    survey.ask(client, "POST /api/purchase", body, "409 duplicate_request").await;
    let another = json!({ "request_id": "r1", "user_id": "eve", "item_id": "6", "quantity": 1 });
    survey.ask(client, "POST /api/purchase", another, "422 request_mismatch").await;
    let body = json!({ "user_id": "eve", "item_id": "7", "quantity": 1 });
    for _ in 0..2 {
        let key = [("idempotency-key", "k1")];
        survey.ask_with(client, "POST /api/purchase", &key, body.clone(), "200").await;
    }
    for (item, expected) in [("5", "410 sold_out"), ("101", "404 item_not_found")] {
        let body = json!({ "request_id": "r2", "user_id": "eve", "item_id": item, "quantity": 1 });
        survey.ask(client, "POST /api/purchase", body, expected).await;
    }
    let body = json!({ "request_id": "r2", "user_id": "eve", "item_id": "20260101T00-00001", "quantity": 1 });
    survey.ask(client, "POST /api/purchase", body, "404 sale_not_found").await;
    survey.ask(client, "POST /checkout?user_id=ann&id=5", Value::Null, "409 item_sold").await;
    survey.ask(client, "POST /purchase", json!({ "code": code }), "409 items_sold").await;
    survey.ask(client, "POST /purchase", json!({ "code": code, "partial": true }), "200").await;
}

/// Lists more sales and purchases than fit on a page.
async fn page_through_lists(survey: &mut Survey, world: &World, client: &Client) {
    for insert in [
        "INSERT INTO sales (id, hourly, starts_at, ends_at, user_limit, payment_window, currency, items, units,
                            closed_at)
         SELECT '20260101T00-' || lpad(to_hex(n), 4, '0'), false, '2026-01-01T00:00Z', '2026-01-01T01:00Z', 10, 600,
                'EUR', 101, 101, now()
         FROM generate_series(1, 101) n",
        "INSERT INTO items (sale, ordinal, name, image_url, price, stock)
         SELECT key, n, 'Lamp', '/lamp.jpg', 19.90, 1 FROM sales, generate_series(1, 101) n WHERE id = '20260101T00-0001'",
        "INSERT INTO purchases (sale, ledger_id, code, user_id, units)
         SELECT key, n, decode(lpad(to_hex(n), 32, '0'), 'hex'), 'pat', 1
         FROM sales, generate_series(1, 101) n WHERE id = '20260101T00-0001'",
        "INSERT INTO purchase_units (sale, ordinal, unit, user_id, slot, ledger_id)
         SELECT key, n, 1, 'pat', n, n FROM sales, generate_series(1, 101) n WHERE id = '20260101T00-0001'",
        "INSERT INTO orders (sale, ledger_id, status, pay_by, finished_at)
         SELECT key, n, 'PAID', now(), now() FROM sales, generate_series(1, 101) n WHERE id = '20260101T00-0001'",
    ] {
        sqlx::query(insert).execute(&world.database).await.expect("the rows are valid");
    }
    let has_pages = || async { client.get("/sales").await.json()["next_cursor"].is_string() };
    eventually("the list of sales shows them", has_pages).await;
    for (path, list, id) in [
        ("/sales", "sales", "id"),
        ("/users/pat/purchases", "purchases", "order_id"),
        ("/users/pat/orders", "orders", "order_id"),
    ] {
        let mut seen = BTreeSet::new();
        let mut next = format!("GET {path}");
        loop {
            let page = survey.ask(client, &next, Value::Null, "200").await.json();
            let entries = page[list].as_array().expect("a page is a list");
            assert!(entries.iter().all(|entry| seen.insert(text(entry, id))), "{path} repeats an entry");
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            next = format!("GET {path}?cursor={cursor}");
        }
        assert!(seen.len() >= 101, "{path}: {}", seen.len());
    }
}

async fn buy_outside_of_a_sale(survey: &mut Survey, shop: &Instance) {
    let client = &shop.client;
    let items = json!([{ "name": "Lamp", "image_url": "/lamp.jpg", "price": "19.90", "currency": "EUR", "stock": 3 },
        { "name": "Vase", "image_url": "/vase.jpg", "price": "5" }]);
    let later = json!({ "started_at": "2099-01-01T00:00:00Z", "ended_at": "2099-01-01T01:00:00Z", "total_items": 3 });
    let answer = survey.ask_with(client, "POST /admin/sales", &[ADMIN], later, "201").await;
    let scheduled = text(&answer.json(), "id");
    let now = json!({ "items": items, "per_user_limit": 1 });
    let open = text(&survey.ask_with(client, "POST /admin/sales", &[ADMIN], now, "201").await.json(), "id");
    eventually("the sales are known", || async {
        client.get(&format!("/sales/{scheduled}")).await.status == 200
            && client.get(&format!("/sales/{open}")).await.json()["active"] == true
    })
    .await;
    let buy =
        |item: &str, request: &str| json!({ "request_id": request, "user_id": "ann", "item_id": item, "quantity": 1 });

    let item = format!("{scheduled}-00001");
    let checkout = format!("POST /checkout?user_id=ann&id={item}");
    survey.ask(client, &checkout, Value::Null, "409 sale_not_started").await;
    survey.ask(client, "POST /api/purchase", buy(&item, "r3"), "409 sale_not_started").await;

    let (first, second) = (format!("{open}-00001"), format!("{open}-00002"));
    let code = client.cart("ann", &[&second]).await;
    survey.ask(client, "POST /api/purchase", buy(&first, "r3"), "200").await;
    survey.ask(client, "POST /api/purchase", buy(&second, "r4"), "409 user_limit_reached").await;
    survey.ask(client, &format!("POST /purchase?code={code}"), Value::Null, "409 user_limit_reached").await;
    let checkout = format!("POST /checkout?user_id=ann&id={first}");
    survey.ask(client, &checkout, Value::Null, "409 user_limit_reached").await;

    let end = format!("POST /admin/sales/{open}/end");
    survey.ask_with(client, &end, &[ADMIN], Value::Null, "200").await;
    let events = format!("GET /sales/{open}/events?detail=counts");
    survey.ask_with(client, &events, &[("last-event-id", "1-1")], Value::Null, "200").await;
    let end = "POST /admin/sales/20260101T00/end";
    survey.ask_with(client, end, &[ADMIN], Value::Null, "404 sale_not_found").await;
    survey.ask(client, &checkout, Value::Null, "410 sale_ended").await;
    survey.ask(client, &format!("DELETE /checkout/{code}/items/{second}"), Value::Null, "410 sale_ended").await;
    survey.ask(client, &format!("POST /purchase?code={code}"), Value::Null, "410 sale_ended").await;
    survey.ask(client, "POST /api/purchase", buy(&second, "r4"), "410 sale_ended").await;
}

/// Buys in a sale with a payment window, and cancels the orders.
async fn order(survey: &mut Survey, shop: &Instance) {
    let client = &shop.client;
    let items = json!([{ "name": "Lamp", "image_url": "/lamp.jpg", "price": "19.90", "stock": 3 },
        { "name": "Sticker", "image_url": "/sticker.jpg", "price": "0.00" }]);
    let wanted = json!({ "items": items, "payment_window_seconds": 600 });
    let sale = text(&survey.ask_with(client, "POST /admin/sales", &[ADMIN], wanted, "201").await.json(), "id");
    eventually("the sale is known", || async { client.get(&format!("/sales/{sale}")).await.json()["active"] == true })
        .await;
    let mut bought = Vec::new();
    for (user, item) in [("ann", "00001"), ("bob", "00001"), ("cat", "00002")] {
        let code = client.cart(user, &[&format!("{sale}-{item}")]).await;
        let receipt = survey.ask(client, &format!("POST /purchase?code={code}"), Value::Null, "200").await.json();
        survey.ask(client, &format!("GET /purchase/{code}"), Value::Null, "200").await;
        survey.ask(client, &format!("GET /orders/{code}"), Value::Null, "200").await;
        bought.push((code, text(&receipt, "order_id")));
    }
    let buy_now = json!({ "request_id": "r", "user_id": "dan", "item_id": format!("{sale}-00001"), "quantity": 1 });
    survey.ask(client, "POST /api/purchase", buy_now.clone(), "200").await;
    survey.ask(client, "POST /api/purchase", buy_now, "409 duplicate_request").await;
    let [(of_ann, _), (of_bob, id_of_bob), (paid, id_of_paid)] = bought.try_into().expect("three orders");
    survey.ask(client, &format!("GET /users/ann/orders?sale_id={sale}"), Value::Null, "200").await;
    let made_up = made_up_code(&sale);
    survey.ask(client, &format!("GET /orders/{made_up}"), Value::Null, "404 order_not_found").await;

    let cancellation = |user: &str| json!({ "user_id": user, "reason": "too small" });
    let cancel = |code: &str| format!("POST /orders/{code}/cancel");
    survey.ask(client, &cancel(&of_ann), cancellation("bob"), "404 order_not_found").await;
    survey.ask(client, &cancel(&of_ann), cancellation("ann"), "200").await;
    survey.ask(client, &cancel(&paid), cancellation("cat"), "409 order_invalid_state").await;
    let reason = || json!({ "reason": "by telephone" });
    let cancel = |id: &str| format!("POST /admin/orders/{id}/cancel");
    survey.ask_with(client, &cancel(&id_of_bob), &[ADMIN], reason(), "200").await;
    survey.ask_with(client, &cancel(&id_of_paid), &[ADMIN], reason(), "409 order_invalid_state").await;
    let unknown = format!("{sale}-1-0");
    survey.ask_with(client, &cancel(&unknown), &[ADMIN], reason(), "404 order_not_found").await;
    survey.ask(client, &format!("GET /orders/{of_bob}"), Value::Null, "200").await;
}

/// Pays orders, and tells an event of the provider.
async fn pay(survey: &mut Survey, world: &World, shop: &Instance) {
    let client = &shop.client;
    let order = async |user: &str, seconds: u32| {
        let wanted = json!({ "total_items": 5, "payment_window_seconds": seconds }).to_string();
        let request = client.request(Method::POST, "/admin/sales").header("content-type", "application/json");
        let sale = text(&client.send(request.header(ADMIN.0, ADMIN.1), &wanted).await.expect(201).json(), "id");
        let is_open = || async { client.get(&format!("/sales/{sale}")).await.json()["active"] == true };
        eventually("the sale is known", is_open).await;
        let code = client.cart(user, &[&format!("{sale}-00001")]).await;
        client.purchase(&code).await.expect(200);
        code
    };
    let line = |code: &str| format!("POST /orders/{code}/pay");
    let method = |name: &str| json!({ "payment_method": name });
    let (fast, slow, late) = (order("ann", 600).await, order("ann", 600).await, order("ann", 1).await);
    survey.ask(client, &line(&fast), method("pm_declined"), "402 payment_declined").await;
    survey.ask(client, &line(&fast), method("pm_ok"), "200").await;
    survey.ask(client, &line(&slow), method("pm_slow"), "202").await;
    // The provider does not know the intent, so it never tells what became of the payment.
    let lost = "UPDATE payments SET intent = 'pi_lost' WHERE state = 'PENDING'";
    sqlx::query(lost).execute(&world.database).await.expect("the rows are valid");
    let id = text(&survey.ask(client, &format!("GET /orders/{slow}"), Value::Null, "200").await.json(), "order_id");
    survey.ask(client, &format!("POST /orders/{slow}/cancel"), json!({ "user_id": "ann" }), "202").await;
    let reason = json!({ "reason": "by telephone" });
    survey.ask_with(client, &format!("POST /admin/orders/{id}/cancel"), &[ADMIN], reason, "202").await;
    survey.ask(client, &format!("GET /orders/{fast}"), Value::Null, "200").await;
    let made_up = made_up_code(&shop.sale());
    survey.ask(client, &line(&made_up), method("pm_ok"), "404 order_not_found").await;
    let cancelled = order("ann", 600).await;
    survey.ask(client, &format!("POST /orders/{cancelled}/cancel"), json!({ "user_id": "ann" }), "200").await;
    survey.ask(client, &line(&cancelled), method("pm_ok"), "409 order_invalid_state").await;
    let is_late = || async { client.get(&format!("/orders/{late}")).await.json()["status"] == "EXPIRED" };
    eventually("the order expires", is_late).await;
    survey.ask(client, &line(&late), method("pm_ok"), "410 order_expired").await;

    let event = json!({ "id": "evt_1", "payment_intent": { "id": "pi_of_nobody", "status": "succeeded" } });
    let signed = signature(&event.to_string(), chrono::Utc::now().timestamp());
    survey.ask_with(client, "POST /payments/webhook", &[("payment-signature", &signed)], event, "200").await;
}

/// Joins the waiting room of a sale, and buys with a pass.
async fn wait_in_a_room(survey: &mut Survey, world: &World, shop: &Instance) {
    let client = &shop.client;
    let plain = shop.sale();
    survey.ask(client, "GET /queue", Value::Null, "404 queue_not_found").await;
    survey.ask(client, "POST /queue", json!({ "user_id": "ann" }), "404 queue_not_found").await;
    let unknown = json!({ "user_id": "ann", "sale_id": "20260101T00" });
    survey.ask(client, "POST /queue", unknown, "404 sale_not_found").await;
    let steering = json!({ "rate": 1, "active": 1, "paused": false, "message": "A moment." });
    let steer = |sale: &str| format!("POST /admin/queue/{sale}");
    survey.ask_with(client, &steer(&plain), &[ADMIN], steering.clone(), "404 queue_not_found").await;
    let ticket = Ticket { user: "ann".parse().expect("a user"), sale: plain.parse().expect("a sale"), join_number: 1 };
    let ticket = room_keys().sign_ticket(&ticket).expect("the key signs");
    survey.ask_with(client, "GET /queue/me", &[("queue-ticket", &ticket)], Value::Null, "404 queue_not_found").await;

    let later = json!({ "started_at": "2099-01-01T00:00:00Z", "total_items": 1, "waiting_room": true });
    let later = text(&survey.ask_with(client, "POST /admin/sales", &[ADMIN], later, "201").await.json(), "id");
    survey.ask(client, "POST /queue", json!({ "user_id": "ann", "sale_id": later }), "409 sale_not_started").await;
    let wanted = json!({ "total_items": 3, "waiting_room": true });
    let sale = text(&survey.ask_with(client, "POST /admin/sales", &[ADMIN], wanted, "201").await.json(), "id");
    let room = format!("GET /queue?sale_id={sale}");
    eventually("the room is open", || async { client.get(&room[4..]).await.json()["phase"] == "open" }).await;
    survey.ask_with(client, &steer(&sale), &[ADMIN], steering, "200").await;
    let shown = survey.ask(client, &room, Value::Null, "200").await;
    let known = [("if-none-match", shown.header("etag").expect("it has a tag"))];
    survey.ask_with(client, &room, &known, Value::Null, "304").await;
    let mut tickets = Vec::new();
    for user in ["ann", "bob"] {
        let joined = survey.ask(client, "POST /queue", json!({ "user_id": user, "sale_id": sale }), "200").await;
        tickets.push(text(&joined.json(), "ticket"));
    }
    let mut pass = String::new();
    while pass.is_empty() {
        let mine = [("queue-ticket", &*tickets[0])];
        let place = survey.ask_with(client, "GET /queue/me", &mine, Value::Null, "200").await.json();
        pass = place["pass"].as_str().unwrap_or_default().to_owned();
    }
    let theirs = [("queue-ticket", &*tickets[1])];
    survey.ask_with(client, "GET /queue/me", &theirs, Value::Null, "200").await;

    let item = format!("{sale}-00001");
    let checkout = format!("POST /checkout?user_id=ann&id={item}");
    let buy_now = json!({ "request_id": "r", "user_id": "ann", "item_id": item, "quantity": 1 });
    survey.ask(client, &checkout, Value::Null, "403 admission_required").await;
    survey.ask(client, "POST /api/purchase", buy_now.clone(), "403 admission_required").await;
    let admitted = [("queue-pass", &*pass)];
    let cart = survey.ask_with(client, &checkout, &admitted, Value::Null, "200").await.json();
    let purchase = format!("POST /purchase?code={}", text(&cart, "code"));
    survey.ask(client, &purchase, Value::Null, "403 admission_required").await;
    survey.ask_with(client, &purchase, &admitted, Value::Null, "200").await;
    let other = json!({ "request_id": "r", "user_id": "ann", "item_id": format!("{sale}-00002"), "quantity": 1 });
    survey.ask_with(client, "POST /api/purchase", &admitted, other, "200").await;
    survey.ask_with(client, "POST /queue/extend", &admitted, Value::Null, "200").await;
    survey.ask(client, "POST /queue/extend", Value::Null, "403 admission_required").await;
    sqlx::query("UPDATE passes SET extensions = 10").execute(&world.database).await.expect("the rows are valid");
    survey.ask_with(client, "POST /queue/extend", &admitted, Value::Null, "409 pass_not_extendable").await;
    survey.ask_with(client, &format!("POST /admin/sales/{sale}/end"), &[ADMIN], Value::Null, "200").await;
    survey.ask(client, "POST /queue", json!({ "user_id": "cat", "sale_id": sale }), "410 sale_ended").await;
    eventually("the room is closed", || async { client.get(&room[4..]).await.json()["phase"] == "closed" }).await;
    survey.ask(client, &format!("GET /queue/events?sale_id={sale}"), Value::Null, "200").await;
    survey.ask(client, &format!("GET /queue/events?sale_id={plain}"), Value::Null, "404 queue_not_found").await;
}

fn room_keys() -> TokenKeys {
    "a:HS256:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc".parse().expect("the keys are valid")
}

/// Sends every operation the invalid requests that its documentation mentions.
async fn send_invalid_requests(survey: &mut Survey, client: &Client) {
    let large = json!({ "text": "x".repeat(70_000) });
    let signed = signature("{}", chrono::Utc::now().timestamp());
    for (method, pattern, path) in any_path_of_each(survey) {
        let has = |status| survey.document.response(&method, &pattern, status).is_some();
        let (invalid, bodies, admin) = (has(400), has(413), has(401));
        let (line, mut headers) = (format!("{method} {path}"), vec![]);
        if admin {
            survey.ask(client, &line, json!({}), "401 unauthorized").await;
            let wrong = [("authorization", "Bearer wrong")];
            survey.ask_with(client, &line, &wrong, json!({}), "403 forbidden").await;
            headers.push(ADMIN);
        }
        if invalid {
            let line = format!("{line}?bogus=1");
            survey.ask_with(client, &line, &headers, Value::Null, "400 invalid_request").await;
        }
        if bodies {
            survey.ask_with(client, &line, &headers, large.clone(), "413 body_too_large").await;
            headers.push(("content-type", "text/plain"));
            if survey.document.parameters(&method, &pattern).contains("payment-signature") {
                headers.push(("payment-signature", &signed));
            }
            survey.ask_with(client, &line, &headers, json!({}), "415 unsupported_media_type").await;
        }
        let methods = survey.document.operations();
        for method in ["GET", "POST", "DELETE", "PUT", "PATCH"] {
            if !methods.contains(&(method.to_owned(), pattern.clone())) {
                let request = client.request(method.parse().expect("a method"), &path);
                let answer = client.send(request, "").await.expect(405);
                check_response(survey, "method_not_allowed", &answer);
            }
        }
    }
    let answer = client.get("/nowhere").await.expect(404);
    check_response(survey, "not_found", &answer);
}

/// Sends heads that never reach an operation.
async fn send_invalid_heads(survey: &Survey, client: &Client) {
    let large = format!("GET /sales HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n", "x".repeat(16 * 1024));
    check_response(survey, "head_too_large", &send_raw(client, &large).await);
    for head in ["nonsense\r\n\r\n", "GET /sales HTTP/1.1\r\nconnection: close\r\n\r\n"] {
        check_response(survey, "invalid_request", &send_raw(client, head).await);
    }
}

async fn exceed_the_rate_limit(survey: &mut Survey, world: &mut World) {
    let high = world.http.address_rate.replace(rate(1));
    let shop = world.start().await;
    world.http.address_rate = high;
    for (method, pattern, path) in any_path_of_each(survey) {
        if survey.document.response(&method, &pattern, 429).is_some() {
            eventually("the limit is exceeded", || async {
                shop.client.send(shop.client.request(method.parse().expect("a method"), &path), "").await.status == 429
            })
            .await;
            survey.ask(&shop.client, &format!("{method} {path}"), Value::Null, "429 rate_limited").await;
        }
    }
    shop.stop().await;
}

async fn exceed_timeouts_and_connections(survey: &mut Survey, world: &mut World) {
    (world.http.connections, world.http.head_timeout) = (1, Duration::from_millis(300));
    let shop = world.start().await;
    for (method, pattern, path) in any_path_of_each(survey) {
        if survey.document.response(&method, &pattern, 408).is_some() {
            let answer = send_half(&shop.client, &method, &path).await;
            survey.note(&method, &path, &answer);
            assert_eq!(answer.status, 408);
        }
    }
    eventually("a connection is free", || async { shop.client.get("/health/live").await.status == 200 }).await;
    for (method, _, path) in any_path_of_each(survey) {
        // The first client keeps its connection, so each further connection is over the limit.
        let another = Client::new(shop.client.base().to_owned());
        survey.ask(&another, &format!("{method} {path}"), Value::Null, "503 unavailable").await;
    }
    shop.stop().await;
}

async fn lose_postgresql(survey: &mut Survey, shop: &Instance, postgres: &mut Postgres) {
    let client = &shop.client;
    let code = client.cart("dan", &["30"]).await;
    postgres.server.kill();
    survey.ask(client, &format!("POST /purchase?code={code}"), Value::Null, "202").await;
    survey.ask(client, &format!("GET /purchase/{code}"), Value::Null, "202").await;
    let body = json!({ "request_id": "r9", "user_id": "dan", "item_id": "31", "quantity": 1 });
    survey.ask(client, "POST /api/purchase", body, "202").await;
    eventually("readiness notices", || async { client.get("/health/ready").await.status == 503 }).await;
    for path in ["/health/ready", "/health"] {
        survey.ask(client, &format!("GET {path}"), Value::Null, "503").await;
    }
}

async fn lose_redis(survey: &mut Survey) {
    let mut world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1"]).await;
    world.redis.server.kill();
    let purchase = format!("POST /purchase?code={code}");
    let answer = survey.ask(&shop.client, &purchase, Value::Null, "503 unavailable").await;
    // Whoever notices first that the connection is gone gets "unknown"; later calls never reach Redis.
    let outcome = &answer.json()["outcome"];
    assert!(outcome.is_null() || outcome == "unknown", "{answer:?}");
}

/// Without Redis no sale follows the current one.
async fn find_no_sale(survey: &mut Survey) {
    let mut world = World::new().await.with(|world| {
        (world.settings.sale_every, world.settings.sale_lead) = (Duration::from_secs(1), Duration::ZERO);
    });
    let shop = world.start().await;
    world.redis.server.kill();
    eventually("no sale is open", || async { shop.client.get("/sales/active").await.status == 503 }).await;
    for request in ["GET /sales/active", "GET /items/7", "POST /checkout?user_id=ann&id=7"] {
        survey.ask(&shop.client, request, Value::Null, "503 unavailable").await;
    }
}

async fn create_too_many_sales(survey: &mut Survey) {
    let world = World::new().await.with(|world| world.http.admin_token = AdminToken::new("s3cret".into()));
    let shop = world.start().await;
    for insert in [
        "INSERT INTO sales (id, hourly, starts_at, ends_at, user_limit, currency, items, units)
         SELECT '20990101T00-' || lpad(to_hex(n), 4, '0'), false, '2099-01-01T00:00Z', '2099-01-01T01:00Z', 10, 'EUR', 1, 1
         FROM generate_series(1, $1) n",
        "INSERT INTO items (sale, ordinal, name, image_url, price, stock)
         SELECT key, 1, 'Lamp', '/lamp.jpg', 19.90, 1 FROM sales ORDER BY id DESC LIMIT $1",
    ] {
        let insert = sqlx::query(insert).bind(LIVE_SALES_MAX as i32);
        insert.execute(&world.database).await.expect("the rows are valid");
    }
    survey
        .ask_with(&shop.client, "POST /admin/sales", &[ADMIN], json!({ "total_items": 1 }), "409 too_many_sales")
        .await;
    shop.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_is_in_the_document_and_every_example_is_valid() {
    let world = World::new().await.with(|world| world.http.admin_token = AdminToken::new("s3cret".into()));
    let shop = world.start().await;
    let document = Document(shop.client.get("/openapi.json").await.expect(200).json());
    let offered: BTreeSet<(String, String)> =
        API.endpoints.iter().map(|endpoint| (endpoint.method.to_string(), endpoint.path.to_owned())).collect();
    assert_eq!(offered.len(), API.endpoints.len());
    assert_eq!(offered, document.operations().into_iter().collect());
    assert_eq!(document.0["info"]["version"], env!("CARGO_PKG_VERSION"));

    let examples = document.examples();
    assert!(examples.len() > 60, "{}", examples.len());
    for (what, schema, example) in examples {
        document.check(schema, example, &what);
    }
}

/// Sends the first request that the page offers, exactly as the page fills it in.
#[tokio::test(flavor = "multi_thread")]
async fn the_prefilled_checkout_works_on_a_fresh_service() {
    let world = World::new().await;
    let shop = world.start().await;
    let document = Document(shop.client.get("/openapi.json").await.expect(200).json());
    for (method, pattern) in document.operations() {
        assert_eq!(document.prefilled_query(&method, &pattern), "", "{method} {pattern}");
    }
    let body = &document.operation("POST", "/checkout")["requestBody"]["content"]["application/json"]["example"];
    for item in body["items"].as_array().expect("the example has items") {
        assert!(item["id"].as_str().expect("an id").parse::<u32>().is_ok(), "{item} is not a bare number");
    }
    shop.client.post_json("/checkout", body.clone()).await.expect(200);
}

/// Sends the examples of requests as they stand.
#[tokio::test(flavor = "multi_thread")]
async fn examples_of_requests_work() {
    let world = World::new().await.with(|world| world.http.admin_token = AdminToken::new("s3cret".into()));
    let shop = world.start().await;
    let mut survey = Survey::new(Document(shop.client.get("/openapi.json").await.expect(200).json()));
    for (path, expected) in [("/checkout", "200"), ("/api/purchase", "200"), ("/admin/sales", "201")] {
        let body = &survey.document.operation("POST", path)["requestBody"]["content"]["application/json"]["example"];
        assert!(body.is_object(), "{path} has an example");
        let body = body.clone();
        survey.ask_with(&shop.client, &format!("POST {path}"), &[ADMIN], body, expected).await;
    }
}

fn rate(requests: u32) -> Rate {
    let requests = NonZeroU32::new(requests).expect("a limit");
    Rate { per_second: requests, burst: requests }
}

/// Returns a path for every operation.
fn any_path_of_each(survey: &Survey) -> Vec<(String, String, String)> {
    let valid = [
        ("{code}", made_up_code("20260101T00")),
        ("{order_id}", "20260101T00-1-0".to_owned()),
        ("{sale_id}", "20260101T00".to_owned()),
    ];
    let filled = |path: String, (name, value): &(&str, String)| path.replace(name, value);
    let path = |pattern: &str| valid.iter().fold(pattern.to_owned(), filled).replace(['{', '}'], "");
    survey
        .document
        .operations()
        .into_iter()
        .map(|(method, pattern)| (method, pattern.clone(), path(&pattern)))
        .collect()
}

/// Fails unless the answer is as documented under this name, independent of an operation.
#[track_caller]
fn check_response(survey: &Survey, name: &str, answer: &Answer) {
    let response = &survey.document.0["components"]["responses"][name];
    let schema = &response["content"]["application/problem+json"]["schema"];
    survey.document.check(schema, &answer.json(), name);
    assert_eq!(answer.header("allow").is_some(), response["headers"].get("Allow").is_some());
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()));
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().expect("it is there").to_owned()
}

fn made_up_code(sale: &str) -> String {
    format!("{sale}-{:032x}", 7)
}

/// Sends a head without the body that it announces.
async fn send_half(client: &Client, method: &str, path: &str) -> Answer {
    let (name, token) = ADMIN;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\n{name}: {token}\r\ncontent-length: 9\r\nconnection: close\r\n\r\n"
    );
    send_raw(client, &head).await
}

/// Sends these bytes and reads the answer until the connection is closed.
async fn send_raw(client: &Client, head: &str) -> Answer {
    let mut stream = TcpStream::connect(client.base().trim_start_matches("http://")).await.expect("it listens");
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it is answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
    Answer { status: status.expect("a status"), headers: headers.collect(), body: body.to_owned().into() }
}
