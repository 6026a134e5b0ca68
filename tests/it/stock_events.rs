//! Live stock: `GET /sales/{id}/events`.

use std::num::NonZeroUsize;
use std::time::Duration;

use flashsale::infrastructure::http::AdminToken;
use futures::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::service::{Instance, World};
use crate::harness::{PATIENCE, eventually};

/// One event as a browser reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Event {
    id: String,
    event: String,
    data: String,
    retry: Option<u64>,
}

impl Event {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// An open stream, or an answer that is none.
struct Stream {
    socket: TcpStream,
    head: String,
    /// The body, as chunks.
    raw: Vec<u8>,
    text: String,
}

impl Stream {
    async fn open(shop: &Instance, path: &str, headers: &str) -> Self {
        let address = shop.client.base().strip_prefix("http://").expect("an address").to_owned();
        let mut socket = TcpStream::connect(&address).await.expect("the service listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("the service reads");
        let mut stream = Stream { socket, head: String::new(), raw: Vec::new(), text: String::new() };
        while stream.head.is_empty() {
            assert!(stream.fill().await, "no answer");
            if let Some(end) = stream.raw.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let rest = stream.raw.split_off(end + 4);
                stream.head = String::from_utf8(std::mem::replace(&mut stream.raw, rest)).expect("a head is text");
            }
        }
        stream
    }

    /// Opens the stream of the current sale.
    async fn of(shop: &Instance) -> Self {
        Self::open(shop, &format!("/sales/{}/events", shop.sale()), "").await
    }

    fn status(&self) -> u16 {
        self.head[9..12].parse().expect("a status")
    }

    /// Reads some bytes. Returns false if the service has closed the connection.
    async fn fill(&mut self) -> bool {
        let read = timeout(PATIENCE, self.socket.read_buf(&mut self.raw)).await.expect("the service sends in time");
        read.expect("the connection holds") > 0
    }

    /// Returns the next event; `None` after the last chunk.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((text, rest)) = self.text.split_once("\n\n") {
                let mut event = Event::default();
                for line in text.lines() {
                    let (name, value) = line.split_once(": ").expect("a field");
                    match name {
                        "id" => event.id = value.to_owned(),
                        "event" => event.event = value.to_owned(),
                        "data" => event.data = value.to_owned(),
                        "retry" => event.retry = value.parse().ok(),
                        _ => panic!("an unknown field: {line}"),
                    }
                }
                self.text = rest.to_owned();
                return Some(event);
            }
            let size = self.raw.windows(2).position(|bytes| bytes == b"\r\n");
            let chunk = size.map(|at| {
                let digits = str::from_utf8(&self.raw[..at]).expect("a size");
                (at + 2, usize::from_str_radix(digits, 16).expect("a size"))
            });
            match chunk {
                Some((_, 0)) => return None,
                Some((start, length)) if self.raw.len() >= start + length + 2 => {
                    let rest = self.raw.split_off(start + length + 2);
                    let chunk = std::mem::replace(&mut self.raw, rest);
                    self.text.push_str(str::from_utf8(&chunk[start..start + length]).expect("events are text"));
                }
                _ => assert!(self.fill().await, "the stream broke off"),
            }
        }
    }

    /// Returns the next event with this name.
    async fn event(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event.event == name {
                return event;
            }
        }
    }

    /// Reads the first snapshot, after the time to come back.
    async fn start(&mut self) -> Event {
        assert_eq!(self.status(), 200, "{}", self.head);
        let retry = self.next().await.expect("a stream begins").retry.expect("it begins with the time to come back");
        assert!((1_000..=5_000).contains(&retry), "{retry}");
        let event = self.next().await.expect("a snapshot");
        assert_eq!(event.event, "snapshot");
        event
    }

    /// Reads deltas until this item has so many units left.
    async fn until(&mut self, pair: &str) -> Event {
        loop {
            let event = self.event("delta").await;
            if event.data.split(' ').any(|found| found == pair) {
                return event;
            }
        }
    }
}

/// Starts an instance, and waits until it knows what is left.
async fn start(world: &World) -> Instance {
    let shop = world.start().await;
    let is_known = || std::future::ready(shop.shop.current_sale().is_ok_and(|sale| sale.is_followed()));
    eventually("the ledger is followed", is_known).await;
    shop
}

async fn buy(shop: &Instance, user: &str, items: &[&str]) {
    let code = shop.client.cart(user, items).await;
    shop.client.purchase(&code).await.expect(200);
}

/// Waits until the instance knows that so many units are left.
async fn left(shop: &Instance, units: u32) {
    let is_known = || async { shop.client.get("/sales/active").await.json()["units_remaining"] == units };
    eventually("the purchase is known", is_known).await;
}

/// Buys one item after the other, each in a cart of its own.
async fn sell(shop: &Instance, items: impl Iterator<Item = u32>) {
    join_all(items.map(async |item| buy(shop, &format!("user{item}"), &[&shop.item(item)]).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sold_item_appears_and_a_lost_connection_goes_on_where_it_was() {
    let world = World::new().await;
    let shop = start(&world).await;
    buy(&shop, "ann", &["9"]).await;
    left(&shop, 99).await;
    let mut stream = Stream::of(&shop).await;
    let head = stream.head.to_lowercase();
    for header in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(head.contains(header), "{head}");
    }
    let snapshot = stream.start().await.json();
    assert_eq!((&snapshot["items_sold"], &snapshot["units_remaining"]), (&json!(1), &json!(99)));
    assert!(snapshot["sold_out"].as_str().expect("bits").starts_with("AAEA"), "{snapshot}");
    let active = shop.client.get("/sales/active").await.expect(200).json();
    assert_eq!((&snapshot["started_at"], &snapshot["ended_at"]), (&active["started_at"], &active["ended_at"]));

    buy(&shop, "bob", &["12", "15"]).await;
    let delta = stream.event("delta").await;
    assert_eq!(delta.data, "0:97 12 15");
    let path = format!("/sales/{}/events", shop.sale());
    buy(&shop, "cat", &["3"]).await;
    stream.until("3").await;
    let mut resumed = Stream::open(&shop, &path, &format!("Last-Event-ID: {}\r\n", delta.id)).await;
    assert!(resumed.next().await.expect("it begins").retry.is_some());
    assert_eq!(resumed.next().await.expect("what was missed").data, "0:96 3");
    for unknown in ["1-1", "", "x", "9999999999999-1"] {
        let mut new = Stream::open(&shop, &path, &format!("Last-Event-ID: {unknown}\r\n")).await;
        assert_eq!(new.start().await.json()["units_remaining"], 96, "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_totals_only() {
    let world = World::new().await;
    let shop = start(&world).await;
    let mut stream = Stream::open(&shop, &format!("/sales/{}/events?detail=counts", shop.sale()), "").await;
    let snapshot = stream.start().await.json();
    assert!(snapshot["units_remaining"] == 100 && snapshot.get("sold_out").is_none(), "{snapshot}");
    buy(&shop, "ann", &["1", "2"]).await;
    assert_eq!(stream.event("delta").await.data, r#"{"items_sold":2,"units_remaining":98}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_sale_is_sold_out_and_a_new_one_at_once() {
    let world = World::new().await.with(|world| world.settings.sale_items = 3);
    let shop = start(&world).await;
    let mut stream = Stream::of(&shop).await;
    stream.start().await;
    sell(&shop, 1..=3).await;
    assert_eq!(stream.event("end").await.json()["reason"], "sold_out");
    assert_eq!(stream.next().await, None);
    let mut late = Stream::of(&shop).await;
    assert_eq!(late.start().await.json()["units_remaining"], 0);
    assert_eq!(late.next().await.expect("an end").json()["reason"], "sold_out");
    assert_eq!(late.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn units_that_come_back_appear_and_a_sale_that_wants_payment_does_not_end_sold_out() {
    let token = AdminToken::new("s3cret".into());
    let world = World::new().await.with(|world| {
        world.http.admin_token = token;
        world.settings.sale_items = 2;
        world.settings.payment_window = Some(600.try_into().expect("a window"));
    });
    let shop = start(&world).await;
    let mut stream = Stream::of(&shop).await;
    stream.start().await;
    let code = shop.client.cart("ann", &["1"]).await;
    shop.client.purchase(&code).await.expect(200);
    buy(&shop, "bob", &["2"]).await;
    stream.until("0:0").await;
    shop.client.post_json(&format!("/orders/{code}/cancel"), json!({ "user_id": "ann" })).await.expect(200);
    assert_eq!(stream.event("delta").await.data, "0:1 1:1");

    let end = shop.client.request(Method::POST, &format!("/admin/sales/{}/end", shop.sale()));
    let sale = shop.sale();
    shop.client.send(end.header("authorization", "Bearer s3cret"), "").await.expect(200);
    assert_eq!(stream.event("end").await.json()["reason"], "closed");
    let mut late = Stream::open(&shop, &format!("/sales/{sale}/events"), "").await;
    assert_eq!(late.start().await.json()["units_remaining"], 1);
    assert_eq!(late.event("end").await.json()["reason"], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_sale_shows_its_window_and_waits_and_an_unknown_one_is_not_found() {
    let world = World::new().await.with(|world| world.http.admin_token = AdminToken::new("s3cret".into()));
    let shop = start(&world).await;
    let wanted = json!({ "started_at": "2099-01-01T00:00:00Z", "ended_at": "2099-01-01T01:00:00Z", "total_items": 3 });
    let request = shop.client.request(Method::POST, "/admin/sales").header("content-type", "application/json");
    let created = shop.client.send(request.header("authorization", "Bearer s3cret"), &wanted.to_string()).await;
    let sale = created.expect(201).json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/sales/{sale}/events");
    eventually("it is followed", || async { Stream::open(&shop, &path, "").await.status() == 200 }).await;
    let mut stream = Stream::open(&shop, &path, "").await;
    let snapshot = stream.start().await.json();
    assert_eq!(
        (&snapshot["started_at"], &snapshot["units_remaining"]),
        (&json!("2099-01-01T00:00:00.000Z"), &json!(3))
    );
    assert!(timeout(Duration::from_millis(600), stream.next()).await.is_err(), "it waits");
    for (path, status) in
        [("/sales/20260101T00/events", 404), ("/sales/x/events", 400), (&*format!("{path}?detail=x"), 400)]
    {
        assert_eq!(Stream::open(&shop, path, "").await.status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_starts_every_stream_over() {
    let world = World::new().await;
    let shop = start(&world).await;
    buy(&shop, "ann", &["1"]).await;
    left(&shop, 99).await;
    let mut stream = Stream::of(&shop).await;
    let first = stream.start().await;
    world.run_in_redis(&["FLUSHALL"]).await;
    let again = stream.event("snapshot").await;
    let units = |event: &Event| event.json()["units_remaining"].clone();
    assert_eq!((units(&first), units(&again)), (json!(99), json!(99)));
    buy(&shop, "bob", &["2"]).await;
    assert_eq!(stream.until("2").await.data, "0:98 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_takes_nothing_is_left() {
    // A snapshot that the buffers of the kernel do not hold.
    let world = World::new().await.with(|world| {
        world.settings.sale_items = 300_000;
        world.http.unread_timeout = Duration::from_secs(1);
    });
    let shop = start(&world).await;
    let address = shop.client.base().strip_prefix("http://").expect("an address").parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(2_048).expect("a small buffer");
    let mut socket = socket.connect(address).await.expect("the service listens");
    let request = format!("GET /sales/{}/events HTTP/1.1\r\nHost: x\r\n\r\n", shop.sale());
    socket.write_all(request.as_bytes()).await.expect("the service reads");
    let readers = || shop.shop.current_sale().expect("a sale is open").stock_feed.readers();
    eventually("the stream is open", || std::future::ready(readers() == 1)).await;
    eventually("the reader is left", || std::future::ready(readers() == 0)).await;
    let mut bytes = Vec::new();
    let _broken = socket.read_to_end(&mut bytes).await;
    assert!(!bytes.ends_with(b"0\r\n\r\n") && bytes.len() < 50_000, "{}", bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_have_places_of_their_own_and_free_them() {
    let world = World::new().await.with(|world| {
        (world.http.streams, world.http.connections) = (2, 2);
        world.http.connections_per_address = NonZeroUsize::new(2);
    });
    let shop = start(&world).await;
    let (mut first, mut second) = (Stream::of(&shop).await, Stream::of(&shop).await);
    first.start().await;
    second.start().await;
    let third = Stream::of(&shop).await;
    assert!(third.status() == 503 && third.head.to_lowercase().contains("retry-after: "), "{}", third.head);
    drop(third);
    eventually("a shopper finds a place", || async { shop.client.get("/sales/active").await.status == 200 }).await;
    drop(first);
    let is_free = || async { Stream::of(&shop).await.status() == 200 };
    eventually("the place of a closed stream is free", is_free).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_as_many_streams_as_connections_where_these_are_limited() {
    let world = World::new().await.with(|world| world.http.connections_per_address = NonZeroUsize::new(3));
    let shop = start(&world).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = Stream::of(&shop).await;
        stream.start().await;
        streams.push(stream);
    }
    assert_eq!(Stream::of(&shop).await.status(), 503);
    shop.client.get("/sales/active").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_four_streams() {
    let world = World::new().await;
    let shop = start(&world).await;
    let path = format!("/sales/{}/events", shop.sale());
    let open = async |user: &str| Stream::open(&shop, &path, &format!("Cookie: session={user}\r\n")).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = open("ann").await;
        stream.start().await;
        streams.push(stream);
    }
    assert_eq!(open("ann").await.status(), 503);
    assert_eq!(open("bob").await.status(), 200);
    streams.pop();
    let is_free = || async { open("ann").await.status() == 200 };
    eventually("the place of a closed stream is free", is_free).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_at_once_when_the_service_stops() {
    let world = World::new().await;
    let shop = start(&world).await;
    let (mut first, mut second) = (Stream::of(&shop).await, Stream::of(&shop).await);
    first.start().await;
    second.start().await;
    let begun = shop.shutdown.clone();
    begun.cancel();
    assert_eq!((first.next().await, second.next().await), (None, None));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_current_sale_has_a_tag_that_changes_with_it() {
    let world = World::new().await;
    let shop = start(&world).await;
    let tag = async || {
        let answer = shop.client.get("/sales/active").await.expect(200);
        answer.header("etag").expect("a tag").to_owned()
    };
    let before = tag().await;
    let known = || shop.client.request(Method::GET, "/sales/active").header("if-none-match", &before);
    assert!(shop.client.send(known(), "").await.expect(304).body.is_empty());
    buy(&shop, "ann", &["1"]).await;
    eventually("the tag changes", || async { tag().await != before }).await;
    shop.client.send(known(), "").await.expect(200);
}
