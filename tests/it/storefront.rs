//! The storefront as a browser without scripts sees it. `browser.rs` has the tests that need a real one.

use flashsale::application::admission::RoomSettings;
use flashsale::application::sale::create_sale::{NewSale, Offer};
use flashsale::domain::sale::{Item, PaymentWindow};
use flashsale::domain::shared::{Currency, Money};
use hyper::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::client::Answer;
use crate::harness::provider::Provider;
use crate::harness::rooms::open_room;
use crate::harness::service::{Instance, World};
use crate::harness::stores;
use crate::harness::visitor::{Page, Visitor};

/// Most bytes of the first view, and of scripts, with their heads.
const FIRST_VIEW_BYTES_MAX: usize = 14_000;
const SCRIPT_BYTES_MAX: usize = 6_000;

const REQUESTS_MAX: usize = 4;

async fn add(visitor: &mut Visitor, shop: &Instance, number: u32) -> Page {
    let item = shop.item(number);
    let page = visitor.open(&format!("/shop/items/{item}")).await;
    visitor.submit(&page, "/shop/cart", &[("item", &item)]).await
}

async fn buy(visitor: &mut Visitor, shop: &Instance, number: u32) -> Page {
    let cart = add(visitor, shop, number).await;
    visitor.submit(&cart, "/shop/purchase", &[]).await
}

fn code_of(receipt: &Page) -> &str {
    receipt.path.strip_prefix("/shop/receipts/").expect("a receipt")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_needs_no_script() {
    let world = World::new().await;
    let shop = world.start().await;
    let mut ann = Visitor::new(&shop.client);

    let home = ann.open("/").await;
    assert_eq!((home.status, home.text_of("h1")), (200, "On sale now"));
    assert_eq!(home.all("button").filter(|button| button.get("name") == "item").count(), 50);
    assert!(ann.cookies.is_empty(), "reading needs no cookie");

    let cart = ann.submit(&home, "/shop/cart", &[("item", &shop.item(42))]).await;
    assert_eq!((cart.path.as_str(), cart.status), ("/shop/cart", 200));
    assert!(cart.text().contains("No. 42"), "{}", cart.text());
    let cart = add(&mut ann, &shop, 43).await;
    let cart = ann.submit(&cart, "/shop/cart/remove", &[("item", &shop.item(42))]).await;
    assert!(!cart.text().contains("No. 42") && cart.text().contains("No. 43"));

    let receipt = ann.submit(&cart, "/shop/purchase", &[]).await;
    assert_eq!((receipt.status, receipt.text_of("h1")), (200, "Bought"));
    assert!(receipt.text().contains("No. 43"));
    assert!(!receipt.has_form(&format!("{}/pay", receipt.path)));
    shop.client.get(&format!("/purchase/{}", code_of(&receipt))).await.expect(200);

    let purchases = ann.open("/shop/purchases").await;
    assert!(purchases.all("a").any(|link| link.get("href") == receipt.path), "{purchases:?}");
    assert!(ann.open("/shop/cart").await.text().contains("There is nothing in it."));
    let stranger = Visitor::new(&shop.client).open("/shop/purchases").await;
    assert!(!stranger.text().contains("No. 43"));
    assert!(ann.open("/?q=43").await.text().contains("sold out"));
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_paid_or_cancelled_with_forms() {
    let provider = Provider::start(&stores::empty_database().await, &[]).await;
    let world = World::new().await.with(|world| {
        world.settings.payment_window = PaymentWindow::try_from(600).ok();
        world.payment = provider.settings();
    });
    let shop = world.start().await;
    let mut ann = Visitor::new(&shop.client);

    let receipt = buy(&mut ann, &shop, 1).await;
    let (pay, cancel) = (format!("{}/pay", receipt.path), format!("{}/cancel", receipt.path));
    assert_eq!(receipt.text_of("h1"), "Kept for you");
    let declined = ann.submit(&receipt, &pay, &[("method", "pm_declined")]).await;
    assert_eq!((declined.status, declined.text_of("h2")), (402, "The payment was declined"));
    assert!(declined.text().contains("2 attempts left"));
    let unknown = ann.submit(&declined, &pay, &[("method", "pm_of_nobody")]).await;
    assert_eq!(unknown.status, 400);
    let paid = ann.submit(&unknown, &pay, &[("method", "pm_ok")]).await;
    assert_eq!((paid.path.as_str(), paid.text_of("h1")), (receipt.path.as_str(), "Bought and paid"));
    assert!(!paid.has_form(&pay) && !paid.has_form(&cancel));
    // The form of a page that is out of date.
    assert_eq!(ann.submit(&receipt, &cancel, &[]).await.status, 409);

    let receipt = buy(&mut ann, &shop, 2).await;
    let cancelled = ann.submit(&receipt, &format!("{}/cancel", receipt.path), &[]).await;
    assert_eq!(cancelled.text_of("h1"), "Cancelled");
    let late = ann.submit(&receipt, &format!("{}/pay", receipt.path), &[("method", "pm_ok")]).await;
    assert_eq!((late.status, late.text_of("h1")), (409, "Cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_users_are_signed_a_code_works_for_its_guest_only() {
    let provider = Provider::start(&stores::empty_database().await, &[]).await;
    let world = World::new().await.with(|world| {
        world.settings.payment_window = PaymentWindow::try_from(600).ok();
        world.payment = provider.settings();
        world.http.token_keys = "a:HS256:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc".parse().ok();
    });
    let shop = world.start().await;
    let (mut ann, mut bob, mut nobody) =
        (Visitor::new(&shop.client), Visitor::new(&shop.client), Visitor::new(&shop.client));
    let cart = add(&mut ann, &shop, 1).await;
    assert!(cart.text().contains("No. 1"));
    add(&mut bob, &shop, 2).await;
    let own_cart = bob.cookies.insert("cart".into(), ann.cookies["cart"].clone());
    nobody.cookies.insert("cart".into(), ann.cookies["cart"].clone());
    for (visitor, status) in [(&mut bob, 404), (&mut nobody, 401)] {
        assert!(visitor.open("/shop/cart").await.text().contains("There is nothing in it."));
        assert_eq!(visitor.submit(&cart, "/shop/cart/remove", &[("item", &shop.item(1))]).await.status, status);
        assert_eq!(visitor.submit(&cart, "/shop/purchase", &[]).await.status, status);
    }
    shop.assert_sound(0).await;

    let receipt = ann.submit(&cart, "/shop/purchase", &[]).await;
    assert_eq!(receipt.text_of("h1"), "Kept for you");
    let (pay, cancel) = (format!("{}/pay", receipt.path), format!("{}/cancel", receipt.path));
    for (visitor, status) in [(&mut bob, 404), (&mut nobody, 401)] {
        assert_eq!(visitor.open(&receipt.path).await.status, status);
        assert_eq!(visitor.submit(&receipt, &pay, &[("method", "pm_ok")]).await.status, status);
        assert_eq!(visitor.submit(&receipt, &cancel, &[]).await.status, status);
    }
    let paid = ann.submit(&receipt, &pay, &[("method", "pm_ok")]).await;
    assert_eq!((paid.path.as_str(), paid.text_of("h1")), (receipt.path.as_str(), "Bought and paid"));
    let links_to_receipt = |page: &Page| page.all("a").any(|link| link.get("href") == receipt.path);
    assert!(links_to_receipt(&ann.open("/shop/purchases").await));
    bob.cookies.extend(own_cart.map(|code| ("cart".into(), code)));
    let cart = bob.open("/shop/cart").await;
    let receipt_of_bob = bob.submit(&cart, "/shop/purchase", &[]).await;
    let cancelled = bob.submit(&receipt_of_bob, &format!("{}/cancel", receipt_of_bob.path), &[]).await;
    assert_eq!(cancelled.text_of("h1"), "Cancelled");
    assert!(!links_to_receipt(&bob.open("/shop/purchases").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_was_sold_meanwhile_is_named_and_leaves_the_cart() {
    let world = World::new().await;
    let shop = world.start().await;
    let (mut ann, mut bob) = (Visitor::new(&shop.client), Visitor::new(&shop.client));
    add(&mut ann, &shop, 1).await;
    let cart = add(&mut ann, &shop, 2).await;
    buy(&mut bob, &shop, 1).await;

    let refused = ann.submit(&cart, "/shop/purchase", &[]).await;
    assert_eq!((refused.status, refused.text_of("h2")), (409, "Some of it is sold"));
    let notice = refused.all("p").find(|text| text.text.starts_with("Sold: ")).expect("a notice");
    assert!(notice.text.contains("No. 1."), "{notice:?}");
    let lines: Vec<&str> = refused.all("li").map(|line| line.get("data-n")).collect();
    assert_eq!(lines, ["2"]);
    let receipt = ann.submit(&refused, "/shop/purchase", &[]).await;
    assert_eq!(receipt.text_of("h1"), "Bought");

    let (mut eve, item) = (Visitor::new(&shop.client), shop.item(1));
    let page = eve.open(&format!("/shop/items/{item}")).await;
    let button = page.all("button").find(|button| button.get("value") == item).expect("a button");
    assert!(button.attributes.contains_key("disabled"));
    let refused = eve.submit(&page, "/shop/cart", &[("item", &item)]).await;
    assert_eq!((refused.status, refused.text_of("h1")), (409, "Sold out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_markup_are_shown_as_text() {
    const NAMES: [&str; 3] =
        ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "</title><b>{{ 7*7 }}</b> & 💥"];
    let world = World::new().await;
    let shop = world.start().await;
    let item =
        |name: &str| Item::new(name.into(), "https://img.example/a.jpg?a=1&b=\"2".into(), Money::from_cents(100), 3);
    let items = NAMES.into_iter().map(item).collect::<Result<_, _>>().expect("valid items");
    let offer = Offer::Listed(Currency::EUR, items);
    let sale = create(&shop, offer).await;
    let mut ann = Visitor::new(&shop.client);
    let mut pages = vec![ann.open(&format!("/?sale={sale}")).await];
    for number in 1..=3 {
        let item = format!("{sale}-{number:05}");
        let page = ann.open(&format!("/shop/items/{item}")).await;
        pages.push(ann.submit(&page, "/shop/cart", &[("item", &item)]).await);
        pages.push(page);
    }
    let cart = ann.open("/shop/cart").await;
    pages.push(ann.submit(&cart, "/shop/purchase", &[]).await);
    pages.push(ann.open("/shop/purchases").await);
    pages.push(ann.open("/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await);
    for page in &pages {
        assert_eq!(page.status, 200, "{}", page.path);
        let scripts: Vec<_> = page.all("script").map(|script| (script.get("type"), script.text.trim())).collect();
        assert_eq!(scripts, [("module", "")], "{}", page.path);
        let is_harmless = |element: &crate::harness::visitor::Element| {
            element.attributes.keys().all(|name| !name.starts_with("on") && name != "style")
        };
        assert!(page.elements.iter().all(is_harmless), "{}", page.path);
    }
    for (page, count) in [(&pages[0], 3), (pages.last().expect("a search"), 0)] {
        let shown = page.all("span").filter(|span| NAMES.contains(&span.text.as_str())).count();
        assert_eq!(shown, count, "{}", page.path);
    }
    assert!(pages[0].all("img").all(|image| image.get("src") == "https://img.example/a.jpg?a=1&b=\"2"));
}

async fn create(shop: &Instance, offer: Offer) -> String {
    let now = shop.shop.clock.now();
    let new = NewSale {
        starts_at: None,
        ends_at: Some(now + chrono::TimeDelta::hours(1)),
        offer,
        user_limit: None,
        payment_window: None,
        waiting_room: false,
    };
    crate::harness::until_ok(async || shop.shop.create_sale(new.clone()).await).await.id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_the_storefront_keeps_foreign_code_out() {
    let world = World::new().await;
    let shop = world.start().await;
    let mut ann = Visitor::new(&shop.client);
    let receipt = buy(&mut ann, &shop, 1).await.path;
    let item = format!("/shop/items/{}", shop.item(2));
    for (path, status) in [
        ("/", 200),
        ("/?sale=nonsense", 404),
        ("/shop/cart", 200),
        ("/shop/purchases", 200),
        (item.as_str(), 200),
        ("/shop/items/0", 404),
        (receipt.as_str(), 200),
        ("/shop/receipts/x", 400),
    ] {
        let page = ann.open(path).await;
        assert_eq!(page.status, status, "{path}");
        assert_protected(&page.headers);
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.all("h1").count(), 1, "{path}");
        assert!(!page.text_of("title").is_empty());
    }
    for path in assets(&ann.open("/").await) {
        let asset = shop.client.get(&path).await.expect(200);
        assert_protected(&asset.headers);
        assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
    }
    shop.client.get("/static/shop.00000000.js").await.expect_problem(404, "not_found");
}

fn assert_protected(headers: &HeaderMap) {
    let policy = headers["content-security-policy"].to_str().expect("a policy");
    for part in
        ["default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.split("; ").any(|found| found == part), "{policy}");
    }
    assert!(policy.contains("require-trusted-types-for 'script'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(headers["x-content-type-options"], "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_are_refused() {
    let world = World::new().await;
    let shop = world.start().await;
    let mut ann = Visitor::new(&shop.client);
    let cart = add(&mut ann, &shop, 1).await;
    let cookies = ann.cookie_line();
    let code = cart.all("input").find(|field| field.get("name") == "code").expect("a code").get("value").to_owned();
    for (path, body) in [
        ("/shop/cart", format!("item={}", shop.item(2))),
        ("/shop/cart/remove", format!("item={}", shop.item(1))),
        ("/shop/purchase", format!("code={code}")),
    ] {
        for origin in ["https://evil.example", "null"] {
            let request = shop.client.request(Method::POST, path).header("cookie", &cookies).header("origin", origin);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            shop.client.send(request, &body).await.expect(403);
        }
    }
    shop.assert_sound(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_gets_the_place_of_the_result_or_the_problem_in_words() {
    let world = World::new().await;
    let shop = world.start().await;
    let send = async |path: &str, body: &str| -> Answer {
        let request = shop.client.request(Method::POST, path).header("accept", "application/json");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        shop.client.send(request.header("origin", shop.client.base()), body).await
    };
    let added = send("/shop/cart", &format!("item={}", shop.item(1))).await.expect(204);
    assert_eq!(added.header("location"), Some("/shop/cart"));
    let problem = send("/shop/purchase", "code=x").await.expect_problem(400, "invalid_request");
    assert_eq!(problem["detail"], "Something in the form is not right. Go back and try again.");
    let code = shop.client.cart("ann", &["1"]).await;
    let bought = send("/shop/purchase", &format!("code={code}")).await.expect(204);
    assert_eq!(bought.header("location"), Some(format!("/shop/receipts/{code}").as_str()));
    send("/shop/cart", &format!("item={}", shop.item(1))).await.expect_problem(409, "item_sold");
    send("/shop/purchase", &format!("code={code}")).await.expect(204);
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_pages_of_fifty_and_is_searched_by_number_and_name() {
    let world = World::new().await;
    let shop = world.start().await;
    let mut ann = Visitor::new(&shop.client);
    let shown = |page: &Page| {
        page.all("li").map(|card| card.get("data-n").to_owned()).filter(|n| !n.is_empty()).collect::<Vec<_>>()
    };
    let second = ann.open("/?page=2").await;
    assert_eq!((shown(&second).len(), shown(&second)[0].as_str()), (50, "51"));
    assert!(second.all("a").any(|link| link.get("rel") == "prev" && link.get("href") == "/"));
    let found = ann.open("/?q=No.+7").await;
    assert_eq!(shown(&found), ["7", "70", "71", "72", "73", "74", "75", "76", "77", "78", "79"]);
    assert_eq!(shown(&ann.open("/?q=63").await), ["63"]);
    assert!(shown(&ann.open("/?q=nothing+like+it").await).is_empty());
    buy(&mut ann, &shop, 1).await;
    assert_eq!(shown(&ann.open("/?left=1&utm_source=mail").await)[0], "2");
    assert!(shown(&ann.open("/?page=3").await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_view_is_small() {
    let world = World::new().await.with(|world| world.settings.sale_items = 10_000);
    let shop = world.start().await;
    let home = Visitor::new(&shop.client).open("/?page=150").await;
    let scripts: Vec<&str> = home.all("script").map(|script| script.get("src")).collect();
    let mut script_bytes = 0;
    for script in &scripts {
        script_bytes += bytes_of(&shop, script).await;
    }
    let mut view_bytes = bytes_of(&shop, "/?page=150").await;
    let assets = assets(&home);
    for asset in &assets {
        view_bytes += bytes_of(&shop, asset).await;
    }
    assert!(script_bytes <= SCRIPT_BYTES_MAX, "scripts: {script_bytes} bytes");
    assert!(view_bytes <= FIRST_VIEW_BYTES_MAX, "first view: {view_bytes} bytes");
    let requests = 1 + assets.len();
    assert!(requests <= REQUESTS_MAX, "{assets:?}");
    println!("first view {view_bytes} bytes, of which scripts {script_bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waiting_room_has_one_small_script() {
    let (_world, shop) = open_room(RoomSettings::default()).await;
    let page = Visitor::new(&shop.client).open("/shop/queue").await;
    let scripts: Vec<&str> = page.all("script").map(|script| script.get("src")).collect();
    assert_eq!(scripts.len(), 1, "{scripts:?}");
    let bytes = bytes_of(&shop, scripts[0]).await;
    assert!(bytes <= SCRIPT_BYTES_MAX, "script: {bytes} bytes");
    println!("script of the waiting room: {bytes} bytes");
}

/// Returns the paths of the files that a page loads.
fn assets(page: &Page) -> Vec<String> {
    let links = page.all("link").map(|link| link.get("href"));
    links.chain(page.all("script").map(|script| script.get("src"))).map(str::to_owned).collect()
}

/// Returns the bytes of an answer to a browser on the wire, head and body.
async fn bytes_of(shop: &Instance, path: &str) -> usize {
    let host = shop.client.base().strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(host).await.expect("it listens");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html,*/*\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}");
    answer.len()
}
