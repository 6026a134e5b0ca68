//! Signed users (`AUTH=signed`): a token names the user of a request.

use std::fs::{self, File};

use chrono::{TimeDelta, Utc};
use flashsale::infrastructure::tokens::{Claims, TokenKeys};
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::client::{Answer, Client};
use crate::harness::eventually;
use crate::harness::service::{Instance, World};
use crate::limits::at_once;
use crate::program::{Local, program};

const SECRET: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const OTHER_SECRET: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg";

fn keys(text: &str) -> TokenKeys {
    text.parse().expect("the keys are valid")
}

fn key(kid: &str, secret: &str) -> String {
    format!("{kid}:HS256:{secret}")
}

fn token(keys: &TokenKeys, user: &str) -> String {
    let claims = Claims { user: user.parse().expect("a user id"), expires_at: Utc::now() + TimeDelta::hours(1) };
    keys.sign(&claims).expect("the first key signs")
}

/// A shopper with a token.
struct Shopper<'a> {
    client: &'a Client,
    token: String,
}

impl<'a> Shopper<'a> {
    fn new(shop: &'a Instance, user: &str) -> Self {
        Shopper { client: &shop.client, token: token(&keys(&key("a", SECRET)), user) }
    }

    /// Sends a request line such as `GET /sales`, with a body unless it is null.
    async fn send(&self, line: &str, body: Value) -> Answer {
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let request = self.client.request(method.parse().expect("a method"), path);
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.send(request.header("content-type", "application/json"), &body).await
    }

    async fn ask(&self, line: &str) -> Answer {
        self.send(line, Value::Null).await
    }

    async fn cart(&self, item: u32) -> String {
        let cart = self.ask(&format!("POST /checkout?id={item}")).await.expect(200).json();
        cart["code"].as_str().expect("a code").to_owned()
    }
}

async fn start() -> (World, Instance) {
    let world = World::new().await.with(|world| {
        world.http.token_keys = Some(keys(&key("a", SECRET)));
        world.settings.payment_window = Some(600.try_into().expect("a window"));
    });
    let shop = world.start().await;
    (world, shop)
}

/// The requests with a checkout code.
fn with_code(code: &str) -> [(String, Value); 7] {
    [
        (format!("GET /checkout/{code}"), Value::Null),
        (format!("DELETE /checkout/{code}/items/1"), Value::Null),
        (format!("POST /purchase?code={code}"), Value::Null),
        (format!("GET /purchase/{code}"), Value::Null),
        (format!("GET /orders/{code}"), Value::Null),
        (format!("POST /orders/{code}/pay"), json!({ "payment_method": "pm_ok" })),
        (format!("POST /orders/{code}/cancel"), json!({})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_for_its_user_only() {
    let (_world, shop) = start().await;
    let (ann, bob) = (Shopper::new(&shop, "ann"), Shopper::new(&shop, "bob"));
    let code = ann.cart(1).await;
    let made_up = format!("{}-{:032x}", shop.sale(), 7);
    let is_as_unknown = async || {
        for ((of_ann, body), (of_nobody, _)) in with_code(&code).into_iter().zip(with_code(&made_up)) {
            let (refused, unknown) = (bob.send(&of_ann, body.clone()).await, bob.send(&of_nobody, body).await);
            assert_eq!((refused.status, &refused.body), (unknown.status, &unknown.body), "{of_ann}");
            assert_eq!(refused.status, 404, "{of_ann}: {refused:?}");
        }
    };
    is_as_unknown().await;
    shop.assert_sound(0).await;
    ann.ask(&format!("GET /checkout/{code}")).await.expect(200);
    let bought = ann.ask(&format!("POST /purchase?code={code}")).await.expect(200);
    assert_eq!(bought.json()["user_id"], "ann");
    is_as_unknown().await;
    let again = ann.ask(&format!("POST /purchase?code={code}")).await.expect(200);
    assert_eq!((again.body, again.headers.contains_key("idempotent-replayed")), (bought.body, true));
    let order = ann.ask(&format!("GET /orders/{code}")).await.expect(200).json();
    assert_eq!((&order["status"], &order["user_id"]), (&json!("RESERVED"), &json!("ann")));
    shop.assert_sound(1).await;
    let order = ann.send(&format!("POST /orders/{code}/cancel"), json!({})).await.expect(200).json();
    assert_eq!(order["status"], "CANCELLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_refused_the_name_of_another() {
    let (_world, shop) = start().await;
    let ann = Shopper::new(&shop, "ann");
    let buy = |user: &str| json!({ "request_id": "r", "user_id": user, "item_id": "2", "quantity": 1 });
    let items = |user: &str| json!({ "user_id": user, "items": [{ "id": "1" }] });
    for (line, body) in [
        ("POST /checkout?user_id=bob&id=1", Value::Null),
        ("POST /checkout", items("bob")),
        ("POST /api/purchase", buy("bob")),
        ("GET /users/bob/purchases", Value::Null),
        ("GET /users/bob/orders", Value::Null),
    ] {
        ann.send(line, body).await.expect_problem(403, "not_you");
    }
    shop.assert_sound(0).await;
    for (line, body) in [
        ("POST /checkout?user_id=ann&id=1", Value::Null),
        ("POST /checkout", items("ann")),
        ("POST /api/purchase", buy("ann")),
        ("GET /users/ann/purchases", Value::Null),
        ("GET /users/ann/orders", Value::Null),
    ] {
        ann.send(line, body).await.expect(200);
    }
    let missing = shop.client.checkout("ann", "1").await;
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    missing.expect_problem(401, "token_required");
    // Whatever is not about a user needs no token.
    for path in ["/sales/active", "/items/1", "/health", "/openapi.json"] {
        shop.client.get(path).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_checkout_codes_to_their_user_only() {
    let (mut world, shop) = start().await;
    let ann = Shopper::new(&shop, "ann");
    let code = ann.cart(1).await;
    ann.ask(&format!("POST /purchase?code={code}")).await.expect(200);
    world.http.token_keys = None;
    let without_tokens = world.start().await;
    for list in ["purchases", "orders"] {
        let path = format!("/users/ann/{list}");
        let answer = ann.ask(&format!("GET {path}")).await.expect(200).json();
        assert_eq!(answer[list][0]["code"], *code);
        let answer = without_tokens.client.get(&path).await.expect(200).json();
        assert!(answer[list][0]["order_id"].is_string() && answer[list][0].get("code").is_none(), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_while_their_tokens_are_in_use() {
    let (mut world, shop) = start().await;
    let old = Shopper::new(&shop, "ann");
    let code = old.cart(1).await;
    let cart = format!("GET /checkout/{code}");
    let mut status_with = async |names: &[String]| {
        let all = keys(&names.join(","));
        let new = token(&all, "ann");
        world.http.token_keys = Some(all);
        let shop = world.start().await;
        let ask = async |token: String| Shopper { client: &shop.client, token }.ask(&cart).await.status.as_u16();
        (ask(old.token.clone()).await, ask(new).await)
    };
    assert_eq!(status_with(&[key("b", OTHER_SECRET), key("a", SECRET)]).await, (200, 200));
    assert_eq!(status_with(&[key("b", OTHER_SECRET)]).await, (401, 200));
    assert_eq!(status_with(&[key("a", OTHER_SECRET)]).await, (401, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_a_user_counts_the_user_of_the_token() {
    let world = World::new().await.with(|world| {
        world.http.token_keys = Some(keys(&key("a", SECRET)));
        world.http.user_rate = at_once(20);
    });
    let shop = world.start().await;
    let (ann, bob) = (Shopper::new(&shop, "ann"), Shopper::new(&shop, "bob"));
    let mut codes = (1_u128..).map(|number| format!("GET /checkout/{}-{number:032x}", shop.sale()));
    // Each code is another one, so it is the user who is limited.
    eventually("the limit of the user is used up", || {
        let line = codes.next().expect("there are more codes");
        let ann = &ann;
        async move { ann.ask(&line).await.status == 429 }
    })
    .await;
    bob.ask("GET /users/bob/purchases").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_others_can_read_contains_a_key_or_a_token() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let output = |name: &str| File::create(dir.path().join(name)).expect("a file is created");
    let (printed, logged) = (output("printed"), output("logged"));
    let settings = [("AUTH", "signed".to_owned()), ("TOKEN_KEYS", key("a", SECRET))];
    let data = dir.path().join("data");
    let mut local = Local::start_with(&data, |command| {
        command.env("LOG", "trace,flashsale=trace").envs(settings.clone()).stdout(printed).stderr(logged);
    })
    .await;
    let token = program(&data).args(["token", "ann", "--expires", "5m"]).envs(settings.clone()).output();
    let token = String::from_utf8(token.expect("the program runs").stdout).expect("a token is text").trim().to_owned();
    let ann = Shopper { client: &local.client, token: token.clone() };
    let code = ann.cart(1).await;
    let mut texts = vec![format!("{:?}", ann.ask(&format!("POST /purchase?code={code}")).await.expect(200))];
    for bearer in [&token[1..], &token[..token.len() - 1]] {
        let shopper = Shopper { client: &local.client, token: bearer.to_owned() };
        texts.push(format!("{:?}", shopper.ask("POST /checkout?id=2").await.expect(401)));
    }
    let session = local.client.post("/session").await.expect(200);
    let cookie = session.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie").to_owned();
    let request = local.client.request(Method::POST, "/checkout?id=2").header("cookie", &cookie);
    texts.push(format!("{:?}", local.client.send(request, "").await.expect(403)));
    let metrics = local.client.get("/metrics").await.expect(200);
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    let refused = metrics.lines().filter_map(|line| line.strip_prefix("flashsale_tokens_refused_total{"));
    let refused = refused.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u32>().ok());
    assert_eq!(refused.sum::<u32>(), 2);
    texts.push(metrics);
    let config = program(&data).arg("config").envs(settings).output().expect("the program runs");
    texts.push(String::from_utf8_lossy(&config.stdout).into_owned());
    assert!(texts.iter().any(|text| text.contains("AUTH=signed\nTOKEN_KEYS=***\n")));
    local.stop().await;
    for log in ["printed", "logged"] {
        texts.push(fs::read_to_string(dir.path().join(log)).expect("the log is written"));
    }
    let cookie = cookie.split_once('=').expect("a value").1;
    for secret in [SECRET, &token[1..token.len() - 1], cookie] {
        let found = texts.iter().flat_map(|text| text.lines()).find(|line| line.contains(secret));
        assert!(found.is_none(), "{secret} is in {found:?}");
    }
}

#[test]
fn the_service_does_not_start_without_usable_keys() {
    let dir = tempfile::tempdir().expect("a directory is created");
    let short = &SECRET[..42];
    for (keys, expected) in [
        (None, "--token-keys"),
        (Some(""), "entry 1 must be"),
        (Some(SECRET), "entry 1 must be"),
        (Some(&*key("a", short)), "at least 32 bytes"),
        (Some(&*format!("{},{}", key("a", SECRET), key("a", SECRET))), "name of an earlier entry"),
    ] {
        let mut command = program(dir.path());
        command.arg("serve").env("AUTH", "signed").env_remove("TOKEN_KEYS");
        command.envs(keys.map(|keys| ("TOKEN_KEYS", keys)));
        let output = command.output().expect("the program runs");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(expected), "{keys:?}: {message}");
        assert!(!message.contains(short), "{message}");
    }
}
