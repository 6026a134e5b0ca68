//! Waiting rooms for tests.

use std::sync::LazyLock;

use chrono::{TimeDelta, Utc};
use flashsale::application::admission::RoomSettings;
use flashsale::application::sale::create_sale::{NewSale, Offer};
use flashsale::infrastructure::http::AdminToken;
use flashsale::infrastructure::tokens::TokenKeys;
use hyper::Method;
use serde_json::Value;

use super::client::{Answer, Client};
use super::eventually;
use super::service::{Instance, World};

pub const KEY: &str = "a:HS256:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
pub const ADMIN: &str = "an admin token for tests";

pub fn keys() -> TokenKeys {
    static KEYS: LazyLock<TokenKeys> = LazyLock::new(|| KEY.parse().expect("the keys are valid"));
    KEYS.clone()
}

/// Stores whose periodic sales have a waiting room.
pub async fn world(rooms: RoomSettings) -> World {
    World::new().await.with(|world| {
        world.settings.waiting_room = true;
        world.http.room_keys = Some(keys());
        world.http.admin_token = AdminToken::new(ADMIN.into());
        world.rooms = rooms;
    })
}

/// An instance whose open sale has a waiting room.
pub async fn open_room(rooms: RoomSettings) -> (World, Instance) {
    let world = world(rooms).await;
    let shop = world.start().await;
    room_opens(&shop).await;
    (world, shop)
}

pub async fn room_opens(shop: &Instance) {
    eventually("the waiting room is open", || async { shop.client.get("/queue").await.status == 200 }).await;
}

/// Creates a sale of 100 items with a waiting room that starts in so many seconds. Returns its id.
pub async fn sale_in(shop: &Instance, seconds: i64) -> String {
    let new_sale = NewSale {
        starts_at: Some(Utc::now() + TimeDelta::seconds(seconds)),
        ends_at: None,
        offer: Offer::Generated(100),
        user_limit: None,
        payment_window: None,
        waiting_room: true,
    };
    shop.shop.create_sale(new_sale).await.expect("a sale is created").id.to_string()
}

pub async fn shows(client: &Client, sale: &str, condition: &str, holds: impl Fn(&Value) -> bool) {
    eventually(condition, || async {
        let answer = client.get(&format!("/queue?sale_id={sale}")).await;
        answer.status == 200 && holds(&answer.json())
    })
    .await;
}

pub async fn with_header(client: &Client, method: Method, path: &str, header: (&str, &str), body: &str) -> Answer {
    let request = client.request(method, path).header("content-type", "application/json");
    client.send(request.header(header.0, header.1), body).await
}

pub async fn steer(client: &Client, sale: &str, change: Value) -> Value {
    let path = format!("/admin/queue/{sale}");
    let header = ("authorization", format!("Bearer {ADMIN}"));
    with_header(client, Method::POST, &path, (header.0, &header.1), &change.to_string()).await.expect(200).json()
}
