//! The page of the waiting room, as a browser without scripts sees it. `browser.rs` has the tests that need a real one.

use std::time::Duration;

use flashsale::application::admission::RoomSettings;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::client::Answer;
use crate::harness::eventually;
use crate::harness::rooms::{ADMIN, open_room, sale_in, shows, steer, world};
use crate::harness::service::Instance;
use crate::harness::visitor::{Page, Visitor};

const JOIN: &str = "/shop/queue";
const EXTEND: &str = "/shop/queue/extend";

fn path_of(sale: &str) -> String {
    format!("/shop/queue?sale={sale}")
}

/// Loads a page again, as its element asks for, until its heading is this one.
async fn until_heading(visitor: &mut Visitor, path: &str, heading: &str) -> Page {
    let mut page = visitor.open(path).await;
    for _ in 0..200 {
        if page.text_of("h1") == heading {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        page = visitor.open(path).await;
    }
    panic!("{heading:?} does not come: {}", page.text());
}

/// Returns the seconds after which the page loads itself again.
fn refresh(page: &Page) -> Option<u64> {
    page.all("meta")
        .find(|meta| meta.get("http-equiv") == "refresh")
        .map(|meta| meta.get("content").parse().expect("seconds"))
}

fn text_by_id<'a>(page: &'a Page, id: &str) -> &'a str {
    page.elements.iter().find(|element| element.get("id") == id).map_or("", |element| element.text.trim())
}

fn leads_to(page: &Page, path: &str) -> bool {
    page.all("a").any(|link| link.get("href") == path)
}

fn has_buy_button(page: &Page) -> bool {
    page.all("button").any(|button| button.get("name") == "item")
}

async fn room(shop: &Instance, sale: &str) -> Value {
    shop.client.get(&format!("/queue?sale_id={sale}")).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_waiting_and_buying_need_no_script() {
    let world = world(RoomSettings { rate: 0, ..RoomSettings::default() }).await;
    let shop = world.start().await;
    let sale = sale_in(&shop, 6).await;
    let path = path_of(&sale);
    shows(&shop.client, &sale, "joining is open", |room| room["phase"] == "joining").await;
    let commitment = room(&shop, &sale).await["commitment"].as_str().expect("a commitment").to_owned();
    let (mut ann, item) = (Visitor::new(&shop.client), format!("{sale}-00007"));
    let front = ann.open(&format!("/?sale={sale}")).await;
    assert!(leads_to(&front, &path) && !has_buy_button(&front), "{}", front.text());

    let invitation = ann.open(&path).await;
    assert_eq!((invitation.status, invitation.text_of("h1")), (200, "Join the waiting room"));
    assert!(ann.cookies.is_empty(), "reading needs no cookie");
    let joined = ann.submit(&invitation, JOIN, &[]).await;
    assert_eq!((joined.path.as_str(), joined.text_of("h1")), (path.as_str(), "You are in"));
    assert!(ann.cookies.contains_key("queue-ticket") && !joined.has_form(JOIN));
    assert_eq!(text_by_id(&joined, "commitment"), commitment);
    assert!(refresh(&joined).is_some_and(|seconds| (2..=36).contains(&seconds)), "{:?}", refresh(&joined));
    let secret = |page: &Page| page.all("code").filter(|code| code.text.trim().len() == 64).count() == 2;
    assert!(!secret(&joined), "the secret of a draw to come");

    let waiting = until_heading(&mut ann, &path, "You are waiting").await;
    assert_eq!((text_by_id(&waiting, "place"), text_by_id(&waiting, "ahead")), ("1", "0"));
    assert!(secret(&waiting) && refresh(&waiting).is_some());
    assert!(!has_buy_button(&ann.open(&format!("/shop/items/{item}")).await));
    steer(&shop.client, &sale, json!({ "paused": true, "message": "Back <b>soon</b>" })).await;
    let paused = until_heading(&mut ann, &path, "Paused").await;
    assert!(paused.text().contains("Your place is kept.") && paused.all("b").all(|b| b.text != "soon"));
    assert_eq!(text_by_id(&paused, "message"), "Back <b>soon</b>");

    steer(&shop.client, &sale, json!({ "paused": false, "message": "", "rate": 100 })).await;
    let called = until_heading(&mut ann, &path, "It is your turn").await;
    assert!(ann.cookies.contains_key("queue-pass") && leads_to(&called, &format!("/?sale={sale}")));
    assert!(refresh(&called).is_some_and(|seconds| (200..=240).contains(&seconds)), "the time of the warning");
    let prolonged = ann.submit(&called, EXTEND, &[]).await;
    assert_eq!((prolonged.path.as_str(), prolonged.text_of("h1")), (path.as_str(), "It is your turn"));

    let page = ann.open(&format!("/shop/items/{item}")).await;
    assert!(page.text().contains("You have a pass until"));
    let cart = ann.submit(&page, "/shop/cart", &[("item", &item)]).await;
    let receipt = ann.submit(&cart, "/shop/purchase", &[]).await;
    assert_eq!((receipt.status, receipt.text_of("h1")), (200, "Bought"));
    // The pass belongs to its shopper.
    let mut eve = Visitor::new(&shop.client);
    eve.cookies.extend([
        ("queue-pass".to_owned(), ann.cookies["queue-pass"].clone()),
        ("queue-ticket".to_owned(), ann.cookies["queue-ticket"].clone()),
    ]);
    assert!(!has_buy_button(&eve.open(&format!("/?sale={sale}")).await));
    assert_eq!(eve.open(&path).await.text_of("h1"), "Join the waiting room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_a_pass_is_led_to_the_room() {
    let (_world, shop) = open_room(RoomSettings { rate: 0, ..RoomSettings::default() }).await;
    let (mut ann, path) = (Visitor::new(&shop.client), path_of(&shop.sale()));
    let form = format!("item={}", shop.item(1));
    let refused = ann.send_once(Method::POST, "/shop/cart", &form).await;
    assert_eq!((refused.status.as_u16(), refused.header("location")), (303, Some(path.as_str())));
    let request = shop.client.request(Method::POST, "/shop/cart").header("accept", "application/json");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let script: Answer = shop.client.send(request.header("origin", shop.client.base()), &form).await;
    script.expect_problem(403, "admission_required");
    // Without a name, the room of the sale that is open is meant.
    let page = ann.open("/shop/queue").await;
    assert_eq!(
        page.all("input").find(|field| field.get("name") == "sale").map(|field| field.get("value")),
        Some(&*shop.sale())
    );
    let refused = ann.send_once(Method::POST, EXTEND, "").await;
    assert_eq!(refused.status, 403);
    assert_eq!(ann.open("/shop/queue?sale=20200101T00").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_neither_join_nor_prolong() {
    let (_world, shop) = open_room(RoomSettings::default()).await;
    let (mut ann, path) = (Visitor::new(&shop.client), path_of(&shop.sale()));
    let invitation = ann.open(&path).await;
    ann.submit(&invitation, JOIN, &[]).await;
    until_heading(&mut ann, &path, "It is your turn").await;
    for (target, body) in [(JOIN, format!("sale={}", shop.sale())), (EXTEND, String::new())] {
        let request = shop.client.request(Method::POST, target).header("cookie", ann.cookie_line());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        shop.client.send(request.header("origin", "https://evil.example"), &body).await.expect(403);
    }
}

const CONSOLE: &str = "/admin/console";

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_steers_the_room_in_the_console() {
    let (_world, shop) = open_room(RoomSettings::default()).await;
    let mut operator = Visitor::new(&shop.client);
    let login = operator.open(CONSOLE).await;
    let overview = operator.submit(&login, "/admin/console/login", &[("token", ADMIN)]).await;
    let action = format!("{CONSOLE}/sales/{}/queue", shop.sale());
    assert!(overview.has_form(&action) && overview.text().contains("Passes out"), "{}", overview.text());
    let shown = async |field: &str| room(&shop, &shop.sale()).await[field].clone();

    let paused = operator.submit(&overview, &action, &[("paused", "true")]).await;
    assert_eq!((paused.status, paused.path.starts_with(CONSOLE)), (200, true));
    eventually("the room is paused", || async { shown("phase").await == "paused" }).await;
    let resumed = operator.submit(&paused, &action, &[("paused", "false")]).await;
    eventually("the room is open", || async { shown("phase").await == "open" }).await;
    operator.submit(&resumed, &action, &[("rate", "7"), ("message", "Take your time")]).await;
    assert_eq!((shown("rate").await, shown("message").await), (json!(7), json!("Take your time")));
    for wrong in [("rate", "1000001"), ("rate", "many"), ("paused", "perhaps"), ("message", "two\nlines")] {
        assert_eq!(operator.submit(&resumed, &action, &[wrong]).await.status, 400, "{wrong:?}");
    }
    assert_eq!((shown("rate").await, shown("message").await), (json!(7), json!("Take your time")));
    // The form is sent with all fields: an empty message removes it.
    operator.submit(&resumed, &action, &[("rate", "8"), ("message", "")]).await;
    assert_eq!((shown("rate").await, shown("message").await), (json!(8), Value::Null));

    let request = shop.client.request(Method::POST, &action).header("cookie", operator.cookie_line());
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    shop.client.send(request.header("origin", "https://evil.example"), "rate=1").await.expect(403);
    let mut stranger = Visitor::new(&shop.client);
    assert_eq!(stranger.submit(&resumed, &action, &[("rate", "1")]).await.status, 401);
    assert_eq!(shown("rate").await, json!(8));
}
