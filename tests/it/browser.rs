//! The storefront in a real browser. Skipped where Chromium is not installed.

use std::env;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flashsale::application::admission::RoomSettings;
use flashsale::application::sale::create_sale::{NewSale, Offer};
use flashsale::domain::sale::{Item, PaymentWindow, Sale};
use flashsale::domain::shared::{Currency, Money};
use flashsale::infrastructure::http::AdminToken;
use serde_json::{Value, json};

use crate::harness::browser::{Browser, is_installed};
use crate::harness::provider::Provider;
use crate::harness::rooms::{open_room, sale_in, shows, steer, world};
use crate::harness::service::{Instance, World};
use crate::harness::{eventually, stores, until_ok};

/// Most bytes of the first view on the wire, and its most requests.
const FIRST_VIEW_BYTES_MAX: u64 = 14_000;
const REQUESTS_MAX: usize = 4;

fn add_button(item: &str) -> String {
    format!("button[value='{item}']")
}

/// Puts an item into the cart from its page, and opens the cart.
async fn add(browser: &Browser, item: &str) {
    browser.open(&format!("/shop/items/{item}")).await;
    browser.click(&add_button(item)).await;
    browser.is_at("/shop/cart").await;
}

const BUY: &str = "form[action='/shop/purchase'] button";

#[tokio::test(flavor = "multi_thread")]
async fn two_shoppers_and_one_item() {
    if !is_installed() {
        return;
    }
    let world = World::new().await;
    let shop = world.start().await;
    let (ann, bob) = (Browser::start(shop.client.base()).await, Browser::start(shop.client.base()).await);
    let item = shop.item(1);
    tokio::join!(add(&ann, &item), add(&bob, &item));
    tokio::join!(ann.click(BUY), bob.click(BUY));
    let has_won = async |browser: &Browser| {
        let is_decided = || async {
            let path = browser.page.current_url().await.map(|url| url.path().to_owned()).unwrap_or_default();
            let note = browser.run("return document.querySelector('.note')?.textContent ?? ''").await;
            path.starts_with("/shop/receipts/") || note.as_str().is_some_and(|note| note.contains("No. 1"))
        };
        eventually("the purchase is decided", is_decided).await;
        browser.page.current_url().await.is_ok_and(|url| url.path().starts_with("/shop/receipts/"))
    };
    let won = [has_won(&ann).await, has_won(&bob).await];
    assert!(won[0] != won[1], "{won:?}");
    let loser = if won[0] { &bob } else { &ann };
    loser.reads(".note", "Sold: ").await;
    loser.reads("main", "There is nothing in it.").await;
    shop.assert_sound(1).await;
    ann.close().await;
    bob.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_with_scripts_switched_off() {
    if !is_installed() {
        return;
    }
    let provider = Provider::start(&stores::empty_database().await, &[]).await;
    let world = World::new().await.with(|world| {
        world.settings.payment_window = PaymentWindow::try_from(600).ok();
        world.payment = provider.settings();
    });
    let shop = world.start().await;
    let ann = Browser::start(shop.client.base()).await;
    ann.command("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    ann.open("/").await;
    ann.click(&add_button(&shop.item(7))).await;
    ann.is_at("/shop/cart").await;
    ann.click(BUY).await;
    ann.reads("h1", "Kept for you").await;
    ann.find("#method").await.send_keys("pm_declined").await.expect("a field");
    ann.click("form[action$='/pay'] button").await;
    ann.reads(".note", "declined").await;
    ann.find("#method").await.send_keys("pm_ok").await.expect("a field");
    ann.click("form[action$='/pay'] button").await;
    ann.reads("h1", "Bought and paid").await;
    ann.open("/shop/purchases").await;
    ann.reads(".purchases", "No. 7").await;
    ann.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_whose_clock_is_an_hour_off_buys_at_the_start() {
    if !is_installed() {
        return;
    }
    const SHIFT: &str = "globalThis.real = Date.now.bind(Date); const Real = Date;
        globalThis.Date = class extends Real {
            constructor(...given) { given.length ? super(...given) : super(real() + 3600000); }
            static now() { return real() + 3600000; }
        };
        new MutationObserver(() => {
            const button = document.querySelector('[data-add]');
            if (button && !button.disabled) globalThis.openedAt ??= real();
        }).observe(document, { subtree: true, childList: true, attributes: true });";
    let world = World::new().await;
    let shop = world.start().await;
    let ann = Browser::start(shop.client.base()).await;
    ann.run_first(SHIFT).await;
    let starts_at = shop.shop.clock.now() + chrono::TimeDelta::seconds(8);
    let sale = create(&shop, Some(starts_at)).await;
    ann.open(&format!("/?sale={}", sale.id)).await;
    let early = ann.run("return document.querySelector('[data-add]').disabled && real() < +sale.dataset.starts").await;
    ann.reads("#until", "Ends in").await;
    let late_by = ann.run("return globalThis.openedAt - sale.dataset.starts").await.as_f64();
    if early == Value::Bool(true) {
        assert!(late_by.is_some_and(|late_by| late_by > -50.0), "{late_by:?} ms after the start");
    }
    ann.reads("#clock", "00:").await;
    ann.click("[data-add]").await;
    ann.reads("[data-n='1'] button", "Added").await;
    ann.close().await;
}

async fn create(shop: &Instance, starts_at: Option<DateTime<Utc>>) -> Sale {
    create_with(shop, starts_at, Offer::Generated(60)).await
}

async fn create_with(shop: &Instance, starts_at: Option<DateTime<Utc>>, offer: Offer) -> Sale {
    let ends_at = Some(shop.shop.clock.now() + chrono::TimeDelta::minutes(50));
    let new = NewSale {
        starts_at,
        ends_at,
        offer,
        user_limit: None,
        payment_window: shop.shop.settings.payment_window,
        waiting_room: false,
    };
    until_ok(async || shop.shop.create_sale(new.clone()).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_survives_ten_seconds_without_network() {
    if !is_installed() {
        return;
    }
    let world = World::new().await;
    let shop = world.start().await;
    let ann = Browser::start(shop.client.base()).await;
    add(&ann, &shop.item(3)).await;
    ann.set_offline(true).await;
    ann.click(BUY).await;
    ann.reads(BUY, "Buying").await;
    let told = || async { ann.run("return told.textContent").await == "No connection. Trying again …" };
    eventually("the shopper is told", told).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    ann.set_offline(false).await;
    ann.is_at("/shop/receipts/").await;
    ann.reads("h1", "Bought").await;
    shop.assert_sound(1).await;
    ann.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_is_sold_while_somebody_looks_says_so() {
    if !is_installed() {
        return;
    }
    let world = World::new().await;
    let shop = world.start().await;
    let ann = Browser::start(shop.client.base()).await;
    ann.open("/").await;
    ann.reads("[data-n='5'] i", "1 left").await;
    shop.client.buy_now("bob", "r", "5").await.expect(200);
    ann.reads("[data-n='5'] i", "sold out").await;
    ann.reads("#left", "99").await;
    assert_eq!(ann.run("return document.querySelector(\"[data-n='5'] button\").disabled").await, true);
    ann.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_streamed_and_a_hidden_page_holds_no_stream() {
    if !is_installed() {
        return;
    }
    let world = World::new().await;
    let shop = world.start().await;
    let ann = Browser::start(shop.client.base()).await;
    let has_streams = async |number: usize| {
        let sale = shop.shop.current_sale().expect("a sale");
        eventually(&format!("{number} streams"), || async { sale.stock_feed.readers() == number }).await;
    };
    let set_hidden = async |is_hidden: bool| {
        let script = format!(
            "Object.defineProperty(document, 'hidden', {{ value: {is_hidden}, configurable: true }});
            document.dispatchEvent(new Event('visibilitychange'))"
        );
        ann.run(&script).await;
    };
    ann.open("/").await;
    has_streams(1).await;
    set_hidden(true).await;
    has_streams(0).await;
    shop.client.buy_now("bob", "r", "5").await.expect(200);
    assert_eq!(ann.run(&text_of("[data-n='5'] i")).await, "1 left");
    set_hidden(false).await;
    has_streams(1).await;
    ann.reads("[data-n='5'] i", "sold out").await;
    ann.close().await;
}

fn text_of(selector: &str) -> String {
    format!("return document.querySelector({selector:?}).textContent")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_for_a_stream_the_page_asks_and_gets_only_news() {
    if !is_installed() {
        return;
    }
    const RECORD: &str = "globalThis.answers = []; const send = globalThis.fetch;
        globalThis.fetch = async (path, options) => {
            const answer = await send(path, options);
            answers.push(`${path} ${answer.status}`);
            return answer;
        };";
    let world = World::new().await.with(|world| world.http.streams = 0);
    let shop = world.start().await;
    let ann = Browser::start(shop.client.base()).await;
    ann.run_first(RECORD).await;
    let has_answers = async |wanted: &str| {
        let script = format!("return answers.includes({wanted:?})");
        eventually(wanted, || async { ann.run(&script).await == true }).await;
    };
    ann.open("/").await;
    has_answers("/sales/active 304").await;
    shop.client.buy_now("bob", "r", "5").await.expect(200);
    ann.reads("[data-n='5'] i", "sold out").await;
    ann.reads("#left", "99").await;
    let other = create(&shop, None).await;
    ann.open(&format!("/?sale={}", other.id)).await;
    has_answers(&format!("/sales/{}/items?per_page=50&page=1 200", other.id)).await;
    shop.client.buy_now("bob", "q", &format!("{}-00006", other.id)).await.expect(200);
    ann.reads("[data-n='6'] i", "sold out").await;
    ann.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_sells_out_or_ends_while_somebody_looks_says_so() {
    if !is_installed() {
        return;
    }
    let world = World::new().await.with(|world| world.settings.sale_items = 2);
    let shop = world.start().await;
    let (ann, bob) = (Browser::start(shop.client.base()).await, Browser::start(shop.client.base()).await);
    let other = create(&shop, None).await;
    ann.open("/").await;
    bob.open(&format!("/?sale={}", other.id)).await;
    bob.reads("h1", "On sale now").await;
    for item in ["1", "2"] {
        shop.client.buy_now("eve", item, item).await.expect(200);
    }
    ann.reads("h1", "Sold out").await;
    ann.reads("#left", "0").await;
    ann.reads("[data-n='2'] i", "sold out").await;
    until_ok(async || shop.shop.end_sale(other.id).await).await;
    bob.reads("h1", "This sale is over").await;
    assert_eq!(bob.run("return document.querySelector('[data-add]').disabled").await, true);
    ann.close().await;
    bob.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() {
    if !is_installed() {
        return;
    }
    const TAB: &str = "\u{e004}";
    const ENTER: &str = "\u{e007}";
    let world = World::new().await;
    let shop = world.start().await;
    let ann = Browser::start(shop.client.base()).await;
    let tab_to = async |wanted: &str| {
        for _ in 0..150 {
            ann.page.active_element().await.expect("a focus").send_keys(TAB).await.expect("a key");
            if ann.run(&format!("return document.activeElement.matches({wanted:?})")).await == true {
                let outline = ann.run("return getComputedStyle(document.activeElement).outlineStyle").await;
                assert_eq!(outline, "solid", "the focus on {wanted} can be seen");
                return;
            }
        }
        panic!("{wanted} cannot be reached");
    };
    let enter = async || ann.page.active_element().await.expect("a focus").send_keys(ENTER).await.expect("a key");
    ann.open("/").await;
    tab_to(&format!("a[href='/shop/items/{}']", shop.item(2))).await;
    enter().await;
    ann.is_at("/shop/items/").await;
    tab_to(&add_button(&shop.item(2))).await;
    enter().await;
    ann.is_at("/shop/cart").await;
    tab_to(BUY).await;
    enter().await;
    ann.reads("h1", "Bought").await;
    ann.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_view_is_small_and_fits_any_width() {
    if !is_installed() {
        return;
    }
    let world = World::new().await.with(|world| world.settings.sale_items = 10_000);
    let shop = world.start().await;
    let ann = Browser::start(shop.client.base()).await;
    ann.open("/?page=150").await;
    let loaded = ann
        .run(
            "const page = performance.getEntriesByType('navigation')[0];
            const before = performance.getEntriesByType('resource').filter((file) => file.initiatorType !== 'fetch');
            return [page, ...before].map((file) => [file.name, file.transferSize])",
        )
        .await;
    let loaded = loaded.as_array().expect("a list").clone();
    let bytes: u64 = loaded.iter().filter_map(|file| file[1].as_u64()).sum();
    assert!(
        bytes > 5_000 && bytes <= FIRST_VIEW_BYTES_MAX && loaded.len() <= REQUESTS_MAX,
        "{bytes} bytes: {loaded:?}"
    );
    // 320 CSS pixels are a window of 1280 at 400 %, or one of 640 at 200 %.
    ann.set_width(320, 640).await;
    for path in ["/", "/shop/cart", &format!("/shop/items/{}", shop.item(1))] {
        ann.open(path).await;
        assert_eq!(ann.run("return document.documentElement.scrollWidth <= 320").await, true, "{path}");
    }
    ann.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_in_any_state_of_the_shop() {
    let (true, Some(axe)) = (is_installed(), axe()) else { return };
    let world = World::new().await.with(|world| world.settings.payment_window = PaymentWindow::try_from(600).ok());
    let shop = world.start().await;
    let ann = Browser::start(shop.client.base()).await;
    let ended = create(&shop, None).await.id;
    let scheduled = create(&shop, Some(shop.shop.clock.now() + chrono::TimeDelta::minutes(20))).await.id;
    until_ok(async || shop.shop.end_sale(ended).await).await;
    shop.client.buy_now("bob", "r", "5").await.expect(200);
    for path in [
        "/",
        "/?q=nothing",
        &format!("/?sale={ended}"),
        &format!("/?sale={scheduled}"),
        "/shop/cart",
        "/shop/purchases",
        &format!("/shop/items/{}", shop.item(5)),
        "/shop/items/0",
    ] {
        ann.open(path).await;
        check(&ann, &axe).await;
    }
    add(&ann, &shop.item(6)).await;
    add(&ann, &shop.item(7)).await;
    check(&ann, &axe).await;
    shop.client.buy_now("bob", "q", "7").await.expect(200);
    ann.click(BUY).await;
    ann.reads(".note", "Sold: ").await;
    check(&ann, &axe).await;
    ann.click(BUY).await;
    ann.is_at("/shop/receipts/").await;
    check(&ann, &axe).await;
    ann.click("form[action$='/cancel'] button").await;
    ann.reads("h1", "Cancelled").await;
    check(&ann, &axe).await;
    ann.open("/shop/purchases").await;
    check(&ann, &axe).await;
    ann.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_in_any_state_of_the_console_and_a_phone_shows_all_of_it() {
    let (true, Some(axe)) = (is_installed(), axe()) else { return };
    let world = World::new().await.with(|world| world.http.admin_token = AdminToken::new(TOKEN.into()));
    let shop = world.start().await;
    let ann = Browser::start(shop.client.base()).await;
    ann.set_width(320, 640).await;
    shop.client.buy_now("bob", "r", "5").await.expect(200);
    let check = async || {
        check(&ann, &axe).await;
        assert_eq!(ann.run("return document.documentElement.scrollWidth <= 320").await, true);
    };
    ann.open(CONSOLE).await;
    check().await;
    enter(&ann, "wrong").await;
    ann.reads(".note", "not the admin token").await;
    check().await;
    enter(&ann, TOKEN).await;
    ann.reads("h1", "Overview").await;
    ann.find("polyline").await;
    check().await;
    ann.open(&format!("{CONSOLE}/new")).await;
    check().await;
    ann.find("#csv").await.send_keys("name,image_url,price\nLamp,/1.jpg,cheap\n").await.expect("a field");
    ann.click("[value=preview]").await;
    ann.reads(".note", "line 2: price").await;
    check().await;
    ann.find("#csv").await.clear().await.expect("a field");
    ann.find("#csv").await.send_keys("name,image_url,price\nLamp,/1.jpg,9.90\n").await.expect("a field");
    ann.click("[value=preview]").await;
    ann.reads("h1", "Check the new sale").await;
    check().await;
    ann.click("[value=create]").await;
    ann.reads("h1", "Overview").await;
    ann.click(&format!("a[href='{CONSOLE}/sales/{}/end']", shop.sale())).await;
    ann.reads("h1", "End this sale?").await;
    check().await;
    ann.close().await;
}

const CONSOLE: &str = "/admin/console";
const TOKEN: &str = "a token of the tests";

async fn enter(operator: &Browser, token: &str) {
    operator.find("#token").await.send_keys(token).await.expect("a field");
    operator.click("main form button").await;
}

const JOIN: &str = "form[action='/shop/queue'] button";

/// Joins for this many users, before anybody is called.
async fn crowd(shop: &Instance, sale: &str, users: usize) {
    for user in 0..users {
        let body = json!({ "user_id": format!("crowd{user}"), "sale_id": sale });
        shop.client.post_json("/queue", body).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_the_waiting_room_moves_up_by_itself_until_it_is_called() {
    if !is_installed() {
        return;
    }
    const RECORD: &str = "globalThis.seen = [];
        new MutationObserver(() => {
            const ahead = document.getElementById('ahead');
            if (ahead) seen.push(Number(ahead.textContent));
        }).observe(document, { subtree: true, childList: true, characterData: true });";
    let (_world, shop) = open_room(RoomSettings { rate: 0, ..RoomSettings::default() }).await;
    let (sale, axe) = (shop.sale(), axe());
    let check = async |browser: &Browser| {
        if let Some(axe) = &axe {
            check(browser, axe).await;
        }
    };
    crowd(&shop, &sale, 30).await;
    let ann = Browser::start(shop.client.base()).await;
    ann.run_first(RECORD).await;
    ann.open("/").await;
    check(&ann).await;
    ann.click("a[href^='/shop/queue']").await;
    ann.reads("h1", "Join the waiting room").await;
    check(&ann).await;
    ann.click(JOIN).await;
    ann.reads("h1", "You are waiting").await;
    ann.reads("#ahead", "30").await;
    check(&ann).await;
    steer(&shop.client, &sale, json!({ "paused": true, "message": "Back soon" })).await;
    ann.reads("h1", "Paused").await;
    ann.reads("#message", "Back soon").await;
    check(&ann).await;
    steer(&shop.client, &sale, json!({ "paused": false, "message": "", "rate": 2 })).await;
    ann.reads("h1", "You are waiting").await;
    let moved = "return seen.at(-1) < 30 || !document.getElementById('ahead')";
    let moves_up = || async { ann.run(moved).await == true };
    eventually("the place moves up", moves_up).await;
    let falls = "return seen.every((ahead, at) => !at || ahead <= seen[at - 1])";
    assert_eq!(ann.run(falls).await, true, "a position rises");
    ann.reads("h1", "It is your turn").await;
    ann.reads("#clock", "min").await;
    check(&ann).await;
    ann.set_width(320, 640).await;
    assert_eq!(ann.run("return document.documentElement.scrollWidth <= 320").await, true);
    ann.click("form[action='/shop/queue/extend'] button").await;
    ann.reads("h1", "It is your turn").await;
    ann.click("a.button").await;
    ann.reads(".note", "You have a pass until").await;
    ann.click("[data-n='7'] button").await;
    ann.reads("[data-n='7'] button", "Added").await;
    ann.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_page_shows_the_draw_and_that_all_is_sold() {
    if !is_installed() {
        return;
    }
    let world = world(RoomSettings { rate: 0, ..RoomSettings::default() }).await;
    let shop = world.start().await;
    let sale = sale_in(&shop, 12).await;
    shows(&shop.client, &sale, "joining is open", |room| room["phase"] == "joining").await;
    let ann = Browser::start(shop.client.base()).await;
    ann.open(&format!("/shop/queue?sale={sale}")).await;
    ann.click(JOIN).await;
    ann.reads("#place", "1").await;
    ann.reads("h1", "You are waiting").await;
    until_ok(async || shop.shop.end_sale(sale.parse().expect("a sale id")).await).await;
    ann.reads("h1", "The sale is over").await;
    assert_eq!(ann.run("return document.getElementById('line').hidden").await, true);
    if let Some(axe) = axe() {
        check(&ann, &axe).await;
    }
    ann.close().await;
}

/// Returns the script of axe-core, if it is there.
fn axe() -> Option<String> {
    let folder =
        env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target").to_owned());
    let axe = std::fs::read_to_string(Path::new(&folder).join("tools/axe.min.js")).ok();
    if axe.is_none() {
        eprintln!("skipped: axe-core is missing (make browser installs it)");
    }
    axe
}

/// Fails if axe finds a violation in the page, light or dark.
async fn check(browser: &Browser, axe: &str) {
    for scheme in ["light", "dark"] {
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.command("Emulation.setEmulatedMedia", scheme).await;
        let found = browser.run(&format!("{axe}; return axe.run().then((found) => found.violations)")).await;
        let path = browser.page.current_url().await.expect("an address");
        assert_eq!(found.as_array().map(Vec::len), Some(0), "{path}: {found:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_markup_are_text_in_a_browser() {
    if !is_installed() {
        return;
    }
    const NAMES: [&str; 2] =
        ["<script>document.title = 'taken'</script>", "\"'><img src=x onerror=\"document.title = 'taken'\">"];
    let world = World::new().await;
    let shop = world.start().await;
    let item = |name: &str| Item::new(name.into(), "/images/none.jpg".into(), Money::from_cents(100), 1);
    let items: Vec<Item> = NAMES.into_iter().map(item).collect::<Result<_, _>>().expect("valid items");
    let sale = create_with(&shop, None, Offer::Listed(Currency::EUR, items)).await.id;
    let ann = Browser::start(shop.client.base()).await;
    ann.open(&format!("/?sale={sale}")).await;
    for (number, name) in (1..).zip(NAMES) {
        ann.reads(&format!("[data-n='{number}'] a span"), name).await;
    }
    // A name reaches the script of the page, too.
    shop.client.buy_now("bob", "r", &format!("{sale}-00002")).await.expect(200);
    ann.reads("[data-n='2'] i", "sold out").await;
    ann.run("document.querySelector(\"[data-n='1'] a\").click()").await;
    ann.reads("h1", NAMES[0]).await;
    assert_ne!(ann.run("return document.title").await, "taken");
    ann.close().await;
}

/// Takes the pictures of the wiki: `make screenshots`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes files"]
async fn screenshots() {
    let world = World::new().await.with(|world| {
        world.http.admin_token = AdminToken::new(TOKEN.into());
        world.settings.payment_window = PaymentWindow::try_from(600).ok();
    });
    let shop = world.start().await;
    let start = shop.shop.clock.now() - chrono::TimeDelta::minutes(30);
    let sale = create(&shop, Some(start)).await.id;
    for number in 1..=42 {
        shop.client.buy_now(&format!("user{number}"), "r", &format!("{sale}-{number:05}")).await.expect(200);
    }
    let spread = "UPDATE purchases SET ledger_id = ledger_id - ((abs(hashtext(user_id)) % 29 * 60000)::bigint << 20)";
    sqlx::query(spread).execute(&world.database).await.expect("the purchases move");
    let ann = Browser::start(shop.client.base()).await;
    ann.set_width(900, 900).await;
    ann.open(CONSOLE).await;
    enter(&ann, TOKEN).await;
    ann.find("polyline").await;
    ann.save("console").await;
    ann.set_width(900, 640).await;
    ann.open(&format!("/?sale={sale}&left=1")).await;
    ann.reads("#until", "Ends in").await;
    ann.save("shop").await;
    add(&ann, &format!("{sale}-00044")).await;
    add(&ann, &format!("{sale}-00047")).await;
    ann.click(BUY).await;
    ann.reads("h1", "Kept for you").await;
    ann.save("receipt").await;
    ann.close().await;
    screenshot_of_the_waiting_room().await;
}

async fn screenshot_of_the_waiting_room() {
    let (_world, shop) = open_room(RoomSettings { rate: 0, ..RoomSettings::default() }).await;
    crowd(&shop, &shop.sale(), 400).await;
    let ann = Browser::start(shop.client.base()).await;
    ann.set_width(900, 900).await;
    ann.open("/shop/queue").await;
    ann.click(JOIN).await;
    let message = "Everything is in stock. Thank you for waiting.";
    steer(&shop.client, &shop.sale(), json!({ "rate": 2, "message": message })).await;
    ann.reads("#message", message).await;
    ann.reads("#wait", "min").await;
    ann.save("waiting-room").await;
    ann.close().await;
}
