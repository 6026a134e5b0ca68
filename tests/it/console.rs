//! The console of operators, as a browser without scripts sees it.

use flashsale::domain::sale::SaleStatus;
use flashsale::infrastructure::http::AdminToken;
use hyper::Method;

use crate::harness::eventually;
use crate::harness::service::{Instance, World};
use crate::harness::visitor::{Page, Visitor};

const CONSOLE: &str = "/admin/console";
const LOGIN: &str = "/admin/console/login";
const NEW: &str = "/admin/console/new";

async fn start() -> (World, Instance) {
    let world = World::new().await.with(|world| world.http.admin_token = AdminToken::new("s3cret".into()));
    let shop = world.start().await;
    (world, shop)
}

async fn operator(shop: &Instance) -> (Visitor, Page) {
    let mut visitor = Visitor::new(&shop.client);
    let login = visitor.open(CONSOLE).await;
    let overview = visitor.submit(&login, LOGIN, &[("token", "s3cret")]).await;
    assert_eq!((overview.path.as_str(), overview.status, overview.text_of("h1")), (CONSOLE, 200, "Overview"));
    (visitor, overview)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_admin_token_begins_a_session() {
    let (_world, shop) = start().await;
    let mut visitor = Visitor::new(&shop.client);
    let sale = shop.sale();
    for path in [CONSOLE, NEW, &format!("{CONSOLE}/sales/{sale}/end")] {
        let page = visitor.open(path).await;
        assert_eq!((page.status, page.text_of("h1")), (401, "Log in"), "{path}");
    }
    let login = visitor.open(CONSOLE).await;
    for wrong in ["", "s3cre", "s3crets"] {
        let refused = visitor.submit(&login, LOGIN, &[("token", wrong)]).await;
        assert_eq!((refused.status, refused.text_of("h1")), (403, "Log in"), "{wrong:?}");
    }
    assert!(visitor.cookies.is_empty());
    let (mut ann, overview) = operator(&shop).await;
    assert!(ann.cookies.values().all(|cookie| !cookie.contains("s3cret")), "{:?}", ann.cookies);
    // The session opens the console alone.
    let request = shop.client.request(Method::POST, "/admin/sales").header("cookie", ann.cookie_line());
    shop.client.send(request, "").await.expect(401);
    ann.submit(&overview, "/admin/console/logout", &[]).await;
    assert_eq!(ann.open(CONSOLE).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_admin_token_there_is_no_console() {
    let world = World::new().await;
    let shop = world.start().await;
    for (method, path) in [(Method::GET, CONSOLE), (Method::GET, NEW), (Method::POST, LOGIN)] {
        let request = shop.client.request(method, path).header("accept", "text/html");
        shop.client.send(request, "").await.expect_problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_shows_health_and_what_sold_when() {
    let (_world, shop) = start().await;
    let (mut ann, overview) = operator(&shop).await;
    let state = |page: &Page| page.all("li").filter(|item| item.get("class") == "up").count();
    assert_eq!(state(&overview), 4);
    assert!(overview.text().contains("Nothing needs attention."), "{}", overview.text());
    assert!(overview.text().contains(&shop.sale()) && overview.text().contains("0 of 100 (0 %)"));
    assert_eq!(overview.all("polyline").count(), 0);
    for item in ["1", "2", "3"] {
        shop.client.buy_now("bob", item, item).await.expect(200);
    }
    let overview = ann.open(CONSOLE).await;
    assert!(overview.text().contains("3 of 100 (3 %)"), "{}", overview.text());
    assert_eq!(overview.all("polyline").count(), 1);
    let drawing = overview.all("svg").next().expect("a curve");
    assert!(drawing.get("aria-label").starts_with("3 units sold until "), "{drawing:?}");
    shop.shop.tasks.abort("follower");
    eventually("the console tells of a task that failed", || async {
        Visitor::of(&shop.client, &ann.cookies).open(CONSOLE).await.text().contains("The task follower has failed")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_is_created_from_csv_after_a_preview_and_ended_after_a_question() {
    const CSV: &str =
        "name,image_url,price,stock\n<script>alert(1)</script>,/1.jpg,9.90,3\n\"Lamp, \"\"red\"\"\",/2.jpg,1,1\n";
    let (_world, shop) = start().await;
    let (mut ann, _) = operator(&shop).await;
    let form = ann.open(NEW).await;
    let wrong = ann.submit(
        &form,
        NEW,
        &[("csv", "name,image_url,price\nLamp,/1.jpg,cheap"), ("minutes", "0"), ("currency", "EUR")],
    );
    let wrong = wrong.await;
    assert_eq!((wrong.status, wrong.text_of("h2")), (400, "Not created yet"));
    assert!(
        wrong.text().contains("Items: line 2: price") && wrong.text().contains("Minutes: must be"),
        "{}",
        wrong.text()
    );
    assert!(wrong.text_of("textarea").contains("Lamp,/1.jpg,cheap"));

    let fields = [("csv", CSV), ("currency", "EUR"), ("minutes", "30"), ("per_user_limit", "2"), ("pay_minutes", "5")];
    let preview = ann.submit(&form, NEW, &fields).await;
    assert_eq!((preview.status, preview.text_of("h1")), (200, "Check the new sale"));
    assert_eq!(preview.all("script").count(), 0);
    let rows: Vec<&str> =
        preview.all("th").filter(|cell| cell.get("scope") == "row").map(|cell| cell.text.as_str()).collect();
    assert_eq!(rows, ["<script>alert(1)</script>", "Lamp, \"red\""]);
    assert_eq!(live(&shop), 1, "a preview creates nothing");
    let edited = ann.submit(&preview, NEW, &[("step", "edit")]).await;
    assert_eq!(edited.text_of("textarea"), CSV.trim());

    let created = ann.submit(&preview, NEW, &[("step", "create")]).await;
    let id = created.path.split_once('#').expect("the new sale").1.to_owned();
    let sale = shop.shop.find_sale(id.parse().expect("an id")).await.expect("it is known").expect("it exists").sale();
    assert_eq!((sale.items, sale.units, sale.user_limit), (2, 4, 2));
    assert_eq!(sale.payment_window.map(|window| window.seconds()), Some(300));
    assert!(created.text().contains(&id));

    let path = format!("{CONSOLE}/sales/{id}/end");
    let question = ann.open(&path).await;
    assert_eq!(question.text_of("h1"), "End this sale?");
    assert!(question.text().contains("4 of its 4 units are left"), "{}", question.text());
    let ended = ann.submit(&question, &path, &[]).await;
    assert_eq!((ended.path.as_str(), ended.status), (CONSOLE, 200));
    // The clock of Redis, which set the end, may be ahead of that of the instance.
    let is_ended = || async { shop.client.get(&format!("/sales/{id}")).await.expect(200).json()["status"] == "ended" };
    eventually("the sale has ended", is_ended).await;
}

fn live(shop: &Instance) -> usize {
    let now = shop.shop.clock.now();
    shop.shop.sales.all_live().iter().filter(|sale| sale.sale().window.status(now) == SaleStatus::Open).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_change_nothing_in_the_console() {
    let (_world, shop) = start().await;
    let (ann, _) = operator(&shop).await;
    let end = format!("{CONSOLE}/sales/{}/end", shop.sale());
    let csv = "csv=name%2Cimage_url%2Cprice%0ALamp%2C%2F1.jpg%2C1&currency=EUR&minutes=5&step=create";
    for origin in ["https://evil.example", "null", ""] {
        for (path, body) in [(end.as_str(), ""), (NEW, csv), (LOGIN, "token=s3cret")] {
            let mut request = shop.client.request(Method::POST, path).header("cookie", ann.cookie_line());
            if !origin.is_empty() {
                request = request.header("origin", origin);
            }
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            shop.client.send(request, body).await.expect_problem(403, "foreign_origin");
        }
    }
    assert_eq!(live(&shop), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_console_run_no_script_and_are_kept_nowhere() {
    let (_world, shop) = start().await;
    let (mut ann, _) = operator(&shop).await;
    for path in [CONSOLE, NEW, &format!("{CONSOLE}/sales/{}/end", shop.sale())] {
        let page = ann.open(path).await;
        assert_eq!((page.status, page.all("script").count(), page.all("h1").count()), (200, 0, 1), "{path}");
        assert_eq!(page.headers["cache-control"], "no-store");
        let policy = page.headers["content-security-policy"].to_str().expect("a policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        for file in page.all("link").map(|link| link.get("href")) {
            shop.client.get(file).await.expect(200);
        }
    }
    let unknown = ann.open(&format!("{CONSOLE}/sales/20200101T00/end")).await;
    assert_eq!((unknown.status, unknown.text_of("h1")), (404, "The sale does not exist"));
}
