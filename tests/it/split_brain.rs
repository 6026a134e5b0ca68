//! Two primaries of Redis, and one sale of two that is fenced, with processes of their own.

use std::time::Duration;

use futures::future::join_all;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::program::{Program, verify};
use crate::harness::proxy::Proxy;
use crate::harness::replica::Replica;
use crate::harness::service::World;

const TOKEN: &str = "the-token-of-the-administrator";
const EPOCH: &str = "SELECT number FROM epoch";

async fn owns(world: &World, user: &str) -> bool {
    let owned = "SELECT count(*) FROM purchase_units WHERE user_id = $1";
    let owned: i64 = sqlx::query_scalar(owned).bind(user).fetch_one(&world.database).await.expect("PostgreSQL answers");
    owned == 1
}

async fn is_ready(instance: &Program) -> bool {
    instance.client.get("/health/ready").await.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_with_a_primary_each_one_sells_and_the_other_says_why_not() {
    let mut world = World::new().await;
    let links = [Proxy::before(&world.redis_url).await, Proxy::before(&world.redis_url).await];
    let mut sides = Vec::new();
    for link in &links {
        world.redis_url.clone_from(&link.url);
        sides.push(Program::start(&world, &[("PAYMENT_WINDOW", "10m"), ("ACK_TIMEOUT", "5s")]).await);
    }
    let mut replica = Replica::of(&world).await;
    replica.let_in(&world.redis_url).await;
    // The first replica makes Redis begin a new history, and the service a new epoch.
    eventually("a new epoch has begun", || async { world.count(EPOCH).await == 2 }).await;
    for (side, item) in [(&sides[0], "49"), (&sides[1], "50")] {
        eventually("it sells", || side.client.has_bought(item, "r", item)).await;
    }

    replica.part().await;
    links[1].redirect(&replica.redis.url());
    let buy = async |side: usize, item: usize| {
        let user = format!("side{side}-{item}");
        let status = sides[side].client.buy_now(&user, "r", &item.to_string()).await.status.as_u16();
        (item, user, status)
    };
    let crowd = (1..=30).flat_map(|item| [buy(0, item), buy(1, item)]);
    let mut owners = [0; 31];
    for (item, user, status) in join_all(crowd).await {
        assert!([200, 202, 410, 503].contains(&status), "{status}");
        assert!(status != 200 || owns(&world, &user).await, "{user} was told that it owns {item}");
        owners[item] += usize::from(status == 200);
    }
    assert!(owners.iter().all(|owners| *owners <= 1), "items were sold twice: {owners:?}");

    eventually("the new history is sold from", || sides[1].client.has_bought("late", "r", "31")).await;
    eventually("the other side is not ready", || async { !is_ready(&sides[0]).await }).await;
    let says = |line: &String| line.contains("another Redis decides now");
    eventually("it says why", || std::future::ready(sides[0].lines().iter().any(says))).await;
    assert_eq!(world.count(EPOCH).await, 3, "the sides take the sale from each other");
    let late = sides[1].client.cart("last", &["47"]).await;
    eventually("it is bought", || async { sides[1].client.purchase(&late).await.status == 200 }).await;
    sides[1].client.post_json(&format!("/orders/{late}/cancel"), json!({ "user_id": "last" })).await.expect(200);
    eventually("its unit is for sale again", || sides[1].client.has_bought("next", "r", "47")).await;
    for item in 32..=45 {
        assert_eq!(buy(0, item).await.2, 503);
        let (user, item) = (format!("crowd{item}"), item.to_string());
        eventually("the other one sells", || sides[1].client.has_bought(&user, "r", &item)).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(world.count(EPOCH).await, 3, "the sides take the sale from each other");

    links[0].redirect(&replica.redis.url());
    eventually("both sell", || sides[0].client.has_bought("later", "r", "46")).await;
    assert_eq!(world.count(EPOCH).await, 3);
    let sold = world.count("SELECT count(*) FROM purchase_units").await;
    let found = verify(&world.database_url, &replica.redis.url());
    assert!(found.starts_with(&format!("sold={sold} lost=0 oversold=0 over_limit=0 drift=0")), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_sale_is_fenced_another_one_sells_on_every_process() {
    let world = World::new().await;
    let instances = [
        Program::start(&world, &[("ADMIN_TOKEN", TOKEN)]).await,
        Program::start(&world, &[("ADMIN_TOKEN", TOKEN)]).await,
    ];
    let create = instances[0].client.request(Method::POST, "/admin/sales").header("content-type", "application/json");
    let create = create.header("authorization", format!("Bearer {TOKEN}"));
    let created = instances[0].client.send(create, r#"{"total_items":50}"#).await.expect(201).json();
    let hourly = instances[1].client.get("/sales/active").await.expect(200).json();
    let sales = [&hourly, &created].map(|sale: &Value| sale["id"].as_str().expect("an id").to_owned());
    let buy = async |instance: &Program, sale: &str, number: usize| {
        let user = format!("u{number}");
        instance.client.buy_now(&user, sale, &format!("{sale}-{number:05}")).await.status.as_u16()
    };
    for instance in &instances {
        eventually("it knows both sales", async || {
            instance.client.get(&format!("/sales/{}", sales[1])).await.status == 200
        })
        .await;
    }
    let mut sold = 0;
    for (fenced, other) in [(&sales[0], &sales[1]), (&sales[1], &sales[0])] {
        // Nobody can restore it.
        let held = world.lock("SELECT pg_advisory_xact_lock(hashtextextended('flashsale recovery', 0))").await;
        world.run_in_redis(&["DEL", &format!("{{{fenced}}}:header")]).await;
        for number in 1..=20 {
            let instance = &instances[number % 2];
            assert_eq!(buy(instance, fenced, number + 20).await, 503, "{fenced}");
            assert_eq!(buy(instance, other, number).await, 200, "{other}");
            sold += 1;
        }
        held.rollback().await.expect("PostgreSQL answers");
        for (number, instance) in instances.iter().enumerate() {
            let sells = async || [200, 409].contains(&buy(instance, fenced, 41 + number).await);
            eventually("it sells again", sells).await;
            sold += 1;
        }
    }
    assert_eq!(world.count("SELECT count(*) FROM purchase_units").await, sold);
    let found = verify(&world.database_url, &world.redis_url);
    assert!(found.contains(" lost=0 oversold=0 over_limit=0 drift=0"), "{found}");
}
