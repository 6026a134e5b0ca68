//! Pages over stores that fail.

use http_body_util::Full;
use hyper::Request;

use super::super::{HttpSettings, Surface};
use super::client::{Client, Reply};
use super::failing_stores::StoreFault;

const RECEIPT: &str = "/shop/receipts/20261120T09-00000000000000000000000000000007";

async fn browse(client: &Client, path: &str) -> Reply {
    let request = Request::get(path).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    client.send(request.body(Full::default()).unwrap()).await
}

fn text(reply: &Reply) -> &str {
    str::from_utf8(&reply.bytes).unwrap()
}

#[tokio::test]
async fn a_browser_gets_a_page_at_the_root_and_others_the_documentation() {
    let on = |surface| Client::on(StoreFault::Fenced, HttpSettings::default(), surface);
    for surface in [Surface::Everything, Surface::Shopping] {
        let page = browse(&on(surface), "/").await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert_eq!(on(surface).get("/").await.status, 307);
    }
    assert_eq!(browse(&on(Surface::Operations), "/").await.status, 307);
    assert_eq!(browse(&on(Surface::Operations), "/shop/cart").await.status, 404);
}

#[tokio::test]
async fn problems_are_pages_for_browsers_and_stay_json_for_others() {
    let opening = browse(&Client::without_sale(), "/").await;
    assert_eq!((opening.status.as_u16(), opening.header("retry-after")), (503, "1"));
    assert!(text(&opening).contains("<h1>One moment</h1>") && text(&opening).contains("href=\"/\""));
    for (fault, status, heading) in
        [(StoreFault::Unreachable, 503, "One moment"), (StoreFault::Panicking, 500, "Our mistake")]
    {
        let client = Client::new(fault, HttpSettings::default());
        let page = browse(&client, RECEIPT).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (status, "text/html; charset=utf-8"));
        assert!(text(&page).contains(heading), "{}", text(&page));
        assert!(!text(&page).contains("secret") && !text(&page).contains("10.0.0.7"));
        assert!(page.header("content-security-policy").contains("default-src 'none'"));
        let json = client.get(RECEIPT).await;
        assert_eq!((json.status.as_u16(), json.header("content-type")), (status, "application/problem+json"));
    }
}
