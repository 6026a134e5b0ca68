//! The waiting room: joining, the draw, passes, and the gate.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use flashsale::application::admission::RoomSettings;
use flashsale::application::sale::create_sale::{NewSale, Offer};
use flashsale::domain::admission::{Draw, Secret};
use flashsale::infrastructure::tokens::{Claims, Pass, Ticket};
use futures::future::join_all;
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::client::{Answer, Client, retrying};
use crate::harness::eventually;
use crate::harness::rooms::{KEY, keys, open_room, room_opens, sale_in, shows, steer, with_header, world};
use crate::harness::service::{Instance, World};

async fn queue(client: &Client, sale: &str) -> Value {
    client.get(&format!("/queue?sale_id={sale}")).await.expect(200).json()
}

async fn join(client: &Client, user: &str, sale: &str) -> Value {
    client.post_json("/queue", json!({ "user_id": user, "sale_id": sale })).await.expect(200).json()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// The answer to the owner of a ticket.
async fn standing(client: &Client, ticket: &str) -> Value {
    with_header(client, Method::GET, "/queue/me", ("queue-ticket", ticket), "").await.expect(200).json()
}

/// Waits for the pass of a ticket.
async fn pass(client: &Client, ticket: &str) -> String {
    let mut pass = None;
    eventually("the place is called", || async { standing(client, ticket).await["pass"].is_string() }).await;
    pass.insert(text(&standing(client, ticket).await["pass"]).to_owned()).clone()
}

async fn admitted(shop: &Instance, user: &str) -> String {
    let ticket = join(&shop.client, user, &shop.sale()).await;
    pass(&shop.client, text(&ticket["ticket"])).await
}

/// Posts with a pass.
async fn post_with(client: &Client, pass: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    with_header(client, Method::POST, path, ("queue-pass", pass), &body).await
}

/// Fails if more passes are out than may be, or more places were called than have passes.
async fn assert_cap(world: &World, max: i64) {
    let out = world.count("SELECT count(*) FROM passes WHERE NOT is_used AND expires_at > clock_timestamp()").await;
    assert!(out <= max, "{out} of {max} passes are out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_one_place_however_often_and_wherever_it_joins() {
    let world =
        world(RoomSettings::default()).await.with(|world| world.settings.sale_lead = Duration::from_secs(1_800));
    let instances = [world.start().await, world.start().await];
    let sale = sale_in(&instances[0], 1_500).await;
    for shop in &instances {
        shows(&shop.client, &sale, "joining is open", |room| room["phase"] == "joining").await;
    }
    let joins = (0..600).map(|n| {
        let (client, sale) = (&instances[n % 2].client, &sale);
        async move { (n % 200, join(client, &format!("user{}", n % 200), sale).await) }
    });
    let mut tickets: HashMap<usize, String> = HashMap::new();
    for (user, joined) in join_all(joins).await {
        let ticket = text(&joined["ticket"]).to_owned();
        let read = keys().check_ticket(&ticket).expect("a ticket");
        assert_eq!(
            (read.user.as_str(), joined["join_number"].as_u64()),
            (&*format!("user{user}"), Some(read.join_number))
        );
        assert_eq!(*tickets.entry(user).or_insert(ticket.clone()), ticket, "the same bytes");
        assert!(joined["place"].is_null() && joined["secret"].is_null());
    }
    let mut numbers: Vec<u64> =
        tickets.values().map(|ticket| keys().check_ticket(ticket).expect("a ticket").join_number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=200));
    let before = standing(&instances[1].client, &tickets[&0]).await;
    assert!(before["place"].is_null() && before["pass"].is_null() && before["phase"] == "joining", "{before}");
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_opens_before_the_start_and_no_sooner() {
    let world = world(RoomSettings::default()).await;
    let shop = world.start().await;
    let early = sale_in(&shop, 3_600).await;
    let body = json!({ "user_id": "ann", "sale_id": early });
    shop.client.post_json("/queue", body).await.expect_problem(409, "sale_not_started");
    let unknown = json!({ "user_id": "ann", "sale_id": "20200101T00" });
    shop.client.post_json("/queue", unknown).await.expect_problem(404, "sale_not_found");
    let new_sale = NewSale {
        starts_at: None,
        ends_at: None,
        offer: Offer::Generated(1),
        user_limit: None,
        payment_window: None,
        waiting_room: false,
    };
    let plain = shop.shop.create_sale(new_sale).await.expect("a sale").id.to_string();
    let body = json!({ "user_id": "ann", "sale_id": plain });
    shop.client.post_json("/queue", body).await.expect_problem(404, "queue_not_found");
    shop.client.get(&format!("/queue?sale_id={plain}")).await.expect_problem(404, "queue_not_found");
    let item = format!("{plain}-00001");
    shop.client.buy_now("ann", "r", &item).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_draw_permutes_those_who_joined_before_the_start_and_latecomers_follow() {
    let world = world(RoomSettings { rate: 0, ..RoomSettings::default() }).await;
    let instances = [world.start().await, world.start().await];
    let sale = sale_in(&instances[0], 4).await;
    shows(&instances[0].client, &sale, "joining is open", |room| room["phase"] == "joining").await;
    let commitment = queue(&instances[0].client, &sale).await["commitment"].clone();
    let users = (0..100).map(|n| format!("user{n}"));
    let joined = join_all(users.map(|user| {
        let (client, sale) = (&instances[0].client, &sale);
        async move { join(client, &user, sale).await }
    }))
    .await;
    for shop in &instances {
        shows(&shop.client, &sale, "the places are drawn", |room| room["secret"].is_string()).await;
    }
    let late = join(&instances[1].client, "late", &sale).await;
    let room = queue(&instances[1].client, &sale).await;
    assert_eq!((&room["entrants"], &late["join_number"]), (&json!(100), &json!(101)));
    let secret: Secret = text(&room["secret"]).parse().expect("a secret");
    assert_eq!((secret.commitment(), &commitment), (text(&room["commitment"]).to_owned(), &room["commitment"]));
    let draw = Draw::new(&secret, sale.parse().expect("a sale id"), 100);
    let mut places = Vec::new();
    for ticket in joined.iter().chain([&late]) {
        let number = ticket["join_number"].as_u64().expect("a number");
        let place = standing(&instances[1].client, text(&ticket["ticket"])).await["place"].as_u64().expect("a place");
        assert_eq!(place, draw.place(number));
        places.push(place);
    }
    assert_eq!(places[100], 101);
    assert!(!places.is_sorted(), "arrival decides");
    places.sort_unstable();
    assert!(places.into_iter().eq(1..=101));

    let verify = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flashsale"));
        command.args(["draw", "verify", &sale, "--url", instances[0].client.base()]).args(more).env("LOG", "error");
        let output = tokio::task::block_in_place(|| command.output()).expect("the program runs");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let before = text(&commitment);
    let (is_right, said) = verify(&["--commitment", before, "--ticket", text(&joined[0]["ticket"])]);
    let place = format!("has place {}\n", draw.place(joined[0]["join_number"].as_u64().expect("a number")));
    assert!(is_right && said.contains(&place), "{said}");
    sqlx::query("UPDATE waiting_rooms SET secret = sha256(secret)")
        .execute(&world.database)
        .await
        .expect("it is valid");
    shows(&instances[0].client, &sale, "the secret is replaced", |room| room["commitment"] != commitment).await;
    let (is_right, said) = verify(&["--commitment", before]);
    assert!(!is_right && said.contains("not the one from before"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_pass_of_a_user_and_a_sale_opens_the_gate() {
    let (_world, shop) = open_room(RoomSettings::default()).await;
    let (client, sale) = (&shop.client, shop.sale());
    let refused = client.checkout("ann", "1").await;
    assert_eq!(refused.header("link"), Some("</queue>; rel=\"queue\""));
    refused.expect_problem(403, "admission_required");
    client.buy_now("ann", "r", "1").await.expect_problem(403, "admission_required");
    client.buy_now("ann", "r", &shop.item(1)).await.expect_problem(403, "admission_required");

    let pass_of_ann = admitted(&shop, "ann").await;
    let known = keys().check_pass(&pass_of_ann, Utc::now()).expect("a pass");
    let signed = |pass: Pass| keys().sign_pass(&pass).expect("the first key signs");
    let other_sale = signed(Pass { sale: "20200101T00".parse().expect("a sale"), ..known.clone() });
    let expired = signed(Pass { expires_at: Utc::now() - TimeDelta::seconds(1), ..known.clone() });
    let of_bob = signed(Pass { user: "bob".parse().expect("a user"), ..known.clone() });
    let ticket = Ticket { user: known.user.clone(), sale: known.sale, join_number: 1 };
    let ticket = keys().sign_ticket(&ticket).expect("the first key signs");
    let expires_at = Utc::now() + TimeDelta::hours(1);
    let user_token = keys().sign(&Claims { user: known.user, expires_at }).expect("the first key signs");
    let code = {
        let cart = post_with(client, &pass_of_ann, "/checkout?user_id=ann&id=1", &Value::Null).await.expect(200).json();
        text(&cart["code"]).to_owned()
    };
    let buy = json!({ "request_id": "r", "user_id": "ann", "item_id": "2", "quantity": 1 });
    for wrong in ["", "x", &other_sale, &expired, &of_bob, &ticket, &user_token] {
        for (path, body) in [
            ("/checkout?user_id=ann&id=2", &Value::Null),
            (&*format!("/purchase?code={code}"), &Value::Null),
            ("/api/purchase", &buy),
        ] {
            post_with(client, wrong, path, body).await.expect_problem(403, "admission_required");
        }
    }
    // The pages of the storefront have the same gate.
    for (path, form) in [("/shop/cart", "item=2".to_owned()), ("/shop/purchase", format!("code={code}"))] {
        let request = client.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        client.send(request, &form).await.expect_problem(403, "admission_required");
    }
    shop.assert_sound(0).await;

    let bought = post_with(client, &pass_of_ann, &format!("/purchase?code={code}"), &Value::Null).await.expect(200);
    let now = post_with(client, &pass_of_ann, "/api/purchase", &buy).await.expect(200).json();
    assert!(text(&now["order_id"]).starts_with(&sale), "{now}");
    // What was bought needs no pass any more.
    let again = client.purchase(&code).await.expect(200);
    assert_eq!((again.body, again.headers.contains_key("idempotent-replayed")), (bought.body, true));
    client.get(&format!("/purchase/{code}")).await.expect(200);
    client.post_json("/api/purchase", buy.clone()).await.expect_problem(409, "duplicate_request");
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_and_passes_also_come_as_cookies() {
    let (_world, shop) = open_room(RoomSettings::default()).await;
    let client = &shop.client;
    let cookie = |answer: &Answer| answer.header("set-cookie").expect("a cookie").to_owned();
    let joined = client.post_json("/queue", json!({ "user_id": "ann" })).await.expect(200);
    let ticket = cookie(&joined);
    assert!(ticket.starts_with("queue-ticket=") && ticket.contains("; HttpOnly; SameSite=Lax"), "{ticket}");
    let mine = async || with_header(client, Method::GET, "/queue/me", ("cookie", &ticket), "").await.expect(200);
    eventually("the place is called", || async { mine().await.json()["pass"].is_string() }).await;
    let pass = cookie(&mine().await);
    assert!(pass.starts_with("queue-pass="), "{pass}");
    with_header(client, Method::POST, "/checkout?user_id=ann&id=1", ("cookie", &pass), "").await.expect(200);
    client.get("/queue/me").await.expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_never_have_more_passes_out_than_may_be() {
    let world = world(RoomSettings { rate: 1_000, active_max: 10, ..RoomSettings::default() }).await;
    let instances = [world.start().await, world.start().await];
    for shop in &instances {
        room_opens(shop).await;
    }
    let sale = instances[0].sale();
    let mut tickets = Vec::new();
    for n in 0..60 {
        tickets.push(text(&join(&instances[n % 2].client, &format!("user{n}"), &sale).await["ticket"]).to_owned());
    }
    let mut ahead = vec![u64::MAX; 60];
    let mut bought = 0;
    let mut has_bought = [false; 60];
    while bought < 40 {
        for (n, ticket) in tickets.iter().enumerate() {
            assert_cap(&world, 10).await;
            let client = &instances[n % 2].client;
            let mine = standing(client, ticket).await;
            let now = mine["ahead"].as_u64().expect("a number");
            assert!(now <= ahead[n], "{n} had {} ahead, and then {now}", ahead[n]);
            ahead[n] = now;
            let is_no_show = n % 3 == 2;
            if let (Some(pass), false, false) = (mine["pass"].as_str(), has_bought[n], is_no_show) {
                let body = json!({
                    "request_id": "r", "user_id": format!("user{n}"), "item_id": (n + 1).to_string(), "quantity": 1,
                });
                post_with(client, pass, "/api/purchase", &body).await.expect(200);
                (bought, has_bought[n]) = (bought + 1, true);
            }
        }
        // Those who never buy lose their passes at last.
        sqlx::query(
            "UPDATE passes SET expires_at = expires_at - interval '2 minutes' WHERE place % 3 = 0 AND NOT is_used",
        )
        .execute(&world.database)
        .await
        .expect("the statement is valid");
    }
    instances[0].assert_sound(40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_show_frees_a_pass_and_keeps_its_turn() {
    let (world, shop) = open_room(RoomSettings { active_max: 1, ..RoomSettings::default() }).await;
    let (client, sale) = (&shop.client, shop.sale());
    let [ann, bob, cid] =
        [join(client, "ann", &sale).await, join(client, "bob", &sale).await, join(client, "cid", &sale).await]
            .map(|joined| text(&joined["ticket"]).to_owned());
    shows(client, &sale, "ann is called", |room| room["called"] == 1).await;
    let late = async |place: i64| {
        sqlx::query("UPDATE passes SET expires_at = clock_timestamp() - interval '6 seconds' WHERE place = $1")
            .bind(place)
            .execute(&world.database)
            .await
            .expect("the statement is valid");
    };
    late(1).await;
    let bobs = pass(client, &bob).await;
    assert!(standing(client, &ann).await["pass"].is_null(), "no pass is free");
    assert_eq!(pass(client, &bob).await, bobs, "the same pass");
    late(2).await;
    // Ann has missed her turn and asks: she comes before Cid.
    pass(client, &ann).await;
    assert!(standing(client, &cid).await["pass"].is_null());
    assert_cap(&world, 1).await;
    // Bob had his turn: he comes after Cid.
    assert!(standing(client, &bob).await["pass"].is_null());
    late(1).await;
    pass(client, &cid).await;
    late(3).await;
    assert!(standing(client, &bob).await["pass"].is_null());
    pass(client, &bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_is_prolonged_ten_times() {
    let (world, shop) = open_room(RoomSettings { pass_life: Duration::from_secs(60), ..RoomSettings::default() }).await;
    let client = &shop.client;
    let first = admitted(&shop, "ann").await;
    sqlx::query("UPDATE passes SET expires_at = expires_at - interval '10 seconds'")
        .execute(&world.database)
        .await
        .expect("the statement is valid");
    let mut pass = first.clone();
    for _ in 0..10 {
        let extended = post_with(client, &pass, "/queue/extend", &Value::Null).await.expect(200).json();
        pass = text(&extended["pass"]).to_owned();
    }
    let ends = |pass: &str| keys().check_pass(pass, Utc::now()).expect("a pass").expires_at;
    assert!(ends(&pass) >= ends(&first));
    post_with(client, &pass, "/queue/extend", &Value::Null).await.expect_problem(409, "pass_not_extendable");
    client.post("/queue/extend").await.expect_problem(403, "admission_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sets_the_rate_pauses_and_resumes() {
    let (_world, shop) = open_room(RoomSettings { rate: 0, ..RoomSettings::default() }).await;
    let (client, sale) = (&shop.client, shop.sale());
    let ticket = text(&join(client, "ann", &sale).await["ticket"]).to_owned();
    let paused = steer(client, &sale, json!({ "paused": true, "rate": 100, "message": "A moment." })).await;
    assert_eq!(
        (&paused["phase"], &paused["rate"], &paused["message"]),
        (&json!("paused"), &json!(100), &json!("A moment."))
    );
    let ahead = standing(client, &ticket).await;
    assert_eq!((&ahead["place"], &ahead["pass"], &ahead["wait_seconds"]), (&json!(1), &Value::Null, &Value::Null));
    let resumed = steer(client, &sale, json!({ "paused": false, "message": "" })).await;
    assert_eq!((&resumed["phase"], &resumed["message"]), (&json!("open"), &Value::Null));
    pass(client, &ticket).await;
    client.post_json(&format!("/admin/queue/{sale}"), json!({})).await.expect_problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_the_room_as_it_changes() {
    let (_world, shop) = open_room(RoomSettings { rate: 0, ..RoomSettings::default() }).await;
    let (client, sale) = (&shop.client, shop.sale());
    let request = hyper::Request::get(format!("{}/queue/events", client.base()));
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).expect("a request");
    let connector = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let answer = connector.request(request).await.expect("the service answers");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    let mut text = String::new();
    let mut until = async |wanted: &str| {
        while !text.contains(wanted) {
            let frame = body.frame().await.expect("the stream goes on").expect("it is readable");
            text.push_str(str::from_utf8(frame.data_ref().expect("data")).expect("text"));
        }
    };
    until("event: room\ndata: {\"sale_id\":").await;
    join(client, "ann", &sale).await;
    until("\"joined\":1").await;
    steer(client, &sale, json!({ "paused": true })).await;
    until("\"phase\":\"paused\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_loses_all_costs_nobody_a_place() {
    let (world, shop) = open_room(RoomSettings { rate: 0, ..RoomSettings::default() }).await;
    let (client, sale) = (&shop.client, shop.sale());
    let tickets = join_all((0..20).map(|n| {
        let sale = &sale;
        async move { text(&join(client, &format!("user{n}"), sale).await["ticket"]).to_owned() }
    }))
    .await;
    let places = async || {
        let mut places = Vec::new();
        for ticket in &tickets {
            places.push(standing(client, ticket).await["place"].as_u64().expect("a place"));
        }
        places
    };
    let before = places().await;
    world.run_in_redis(&["FLUSHALL"]).await;
    assert_eq!(places().await, before);
    eventually("the sale is restored", || async {
        shop.shop.current_sale().is_ok_and(|sale| sale.fence.epoch().is_some())
    })
    .await;
    assert_eq!(places().await, before);
    steer(client, &sale, json!({ "rate": 100 })).await;
    for ticket in &tickets {
        pass(client, ticket).await;
    }
}

/// The whole life of a crowded room. `make room-test` runs it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes a minute"]
async fn a_crowd_of_20_000_is_drawn_and_admitted() {
    const CROWD: usize = 20_000;
    const ACTIVE: i64 = 50;
    let settings = RoomSettings { rate: 1_000, active_max: ACTIVE as u32, ..RoomSettings::default() };
    let world = world(settings).await.with(|world| world.settings.sale_lead = Duration::from_secs(1_800));
    let instances = [world.start().await, world.start().await];
    let sale = sale_in(&instances[0], 60).await;
    for shop in &instances {
        shows(&shop.client, &sale, "joining is open", |room| room["phase"] == "joining").await;
    }
    let begun = Instant::now();
    // Everybody joins, and every fourth user a second time through the other instance.
    let joins = (0..CROWD).chain((0..CROWD).step_by(4)).enumerate().map(|(at, user)| {
        let (client, sale) = (&instances[at % 2].client, &sale);
        async move {
            let body = json!({ "user_id": format!("user{user}"), "sale_id": sale });
            let joined = retrying(|| client.post_json("/queue", body.clone())).await.expect(200).json();
            (user, text(&joined["ticket"]).to_owned())
        }
    });
    let mut tickets = vec![String::new(); CROWD];
    for (user, ticket) in stream::iter(joins).buffer_unordered(256).collect::<Vec<_>>().await {
        assert!(tickets[user].is_empty() || tickets[user] == ticket, "user{user} has two tickets");
        tickets[user] = ticket;
    }
    println!("{} joins took {:?}", CROWD + CROWD / 4, begun.elapsed());
    world.run_in_redis(&["FLUSHALL"]).await;
    shows(&instances[0].client, &sale, "the places are drawn", |room| room["secret"].is_string()).await;

    let room = queue(&instances[1].client, &sale).await;
    assert_eq!(room["entrants"], CROWD);
    let secret: Secret = text(&room["secret"]).parse().expect("a secret");
    let draw = Draw::new(&secret, sale.parse().expect("a sale id"), CROWD as u64);
    let number = |user: usize| keys().check_ticket(&tickets[user]).expect("a ticket").join_number;
    let mut by_place = vec![usize::MAX; CROWD];
    for user in 0..CROWD {
        by_place[draw.place(number(user)) as usize - 1] = user;
    }
    assert!(by_place.iter().all(|user| *user < CROWD), "somebody has no place of his own");

    // The first ones buy, every third of them does not come.
    eventually("the sale sells again", || async {
        queue(&instances[0].client, &sale).await["called"].as_u64().is_some_and(|called| called > 0)
    })
    .await;
    let first = by_place.iter().take(150).enumerate().filter(|(place, _)| place % 3 != 2);
    let buyers = first.take(90).map(|(place, user)| {
        let (client, ticket, sale) = (&instances[place % 2].client, &tickets[*user], &sale);
        async move {
            let pass = pass(client, ticket).await;
            let body = json!({
                "request_id": "r", "user_id": format!("user{user}"), "item_id": format!("{sale}-{:05}", place / 3 * 2 + place % 3 + 1),
                "quantity": 1,
            });
            let bought = retrying(|| post_with(client, &pass, "/api/purchase", &body)).await;
            assert!([200, 409].contains(&bought.status.as_u16()), "{bought:?}");
        }
    });
    let watch = async {
        loop {
            assert_cap(&world, ACTIVE).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = async { stream::iter(buyers).buffer_unordered(16).collect::<Vec<()>>().await; } => {}
        () = watch => {}
    }
    let findings = crate::harness::program::verify(&world.database_url, &world.redis_url);
    assert!(findings.contains("lost=0 oversold=0"), "{findings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_and_passes_outlast_a_rotation_of_the_keys_and_their_instance() {
    let (mut world, shop) = open_room(RoomSettings::default()).await;
    let ticket = text(&join(&shop.client, "ann", &shop.sale()).await["ticket"]).to_owned();
    let old = pass(&shop.client, &ticket).await;
    shop.stop().await;
    let rotated = format!("b:HS256:CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg,{KEY}");
    world.http.room_keys = Some(rotated.parse().expect("the keys are valid"));
    let shop = world.start().await;
    room_opens(&shop).await;
    post_with(&shop.client, &old, "/checkout?user_id=ann&id=1", &Value::Null).await.expect(200);
    pass(&shop.client, &ticket).await;
}
