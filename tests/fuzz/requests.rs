//! Bytes that a client sends to the HTTP interface: no answer is `500`, and every answer is one of HTTP.
//!
//! The first byte chooses where the other bytes go: onto the connection as they are, into a query, into a path, into a
//! JSON body, into an event that the payment provider has signed, or into a header that says who is asking.

#![no_main]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use flashsale::application::admission::memory::NoRooms;
use flashsale::application::admission::{RoomSettings, WaitingRooms};
use flashsale::application::ordering::Orders;
use flashsale::application::ordering::memory::MemoryOrders;
use flashsale::application::payment::Payments;
use flashsale::application::payment::memory::NoPayments;
use flashsale::application::sale::memory::{MemoryArchive, MemoryStore};
use flashsale::application::sale::persist::LedgerWriter;
use flashsale::application::sale::purchase::PurchaseOutcome;
use flashsale::application::sale::{Settings, Shop};
use flashsale::domain::ordering::{Order, OrderStatus, Version};
use flashsale::domain::sale::{PaymentWindow, Quantity};
use flashsale::domain::shared::CheckoutCode;
use flashsale::infrastructure::http::{self, AdminToken, HttpSettings, Rate, Surface, TrustedProxies};
use flashsale::infrastructure::payment::{self, NoProvider, PaymentSettings};
use flashsale::infrastructure::provider;
use libfuzzer_sys::fuzz_target;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Places for the bytes.
const PLACES: u8 = 23;

const ADMIN_TOKEN: &str = "the-token-of-the-administrator";
const WEBHOOK_SECRET: &str = "the-secret-of-the-webhooks";

/// A key of tokens.
const TOKEN_KEY: &str = "a:HS256:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

/// A service over stores in memory, with an open sale and an order.
struct Service {
    /// Requests name their users.
    address: SocketAddr,
    /// Tokens name the users of requests, and a trusted proxy their addresses.
    signed: SocketAddr,
    order: CheckoutCode,
    _runtime: Runtime,
}

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime starts");
    let (address, signed, order) = runtime.block_on(async {
        let (store, archive) = (Arc::new(MemoryStore::new(chrono::Utc::now())), Arc::new(MemoryArchive::default()));
        let settings = Settings {
            sale_every: Duration::from_secs(86_400),
            sale_lead: Duration::from_secs(60),
            sale_items: 20,
            user_limit: 4,
            payment_window: PaymentWindow::try_from(86_400).ok(),
            waiting_room: false,
            ack_timeout: Duration::from_millis(1),
            cart_idle: Duration::from_secs(86_400),
            lag_limit: Duration::from_secs(86_400),
        };
        let shop = Arc::new(Shop::new(store, archive.clone(), archive, settings));
        shop.keep_schedule().await.expect("a sale is created");
        shop.recover().await.expect("it is restored");
        let archive = Arc::new(MemoryOrders::default());
        let order = bought(&shop, &archive).await;
        let orders = Arc::new(Orders::new(archive.clone(), archive, shop));
        let payments = Payments::new(
            Arc::new(NoPayments),
            Arc::new(NoPayments),
            Arc::new(NoProvider),
            orders,
            PaymentSettings::NONE.times(),
        );
        let payments = Arc::new(payments);
        let http = HttpSettings {
            admin_token: AdminToken::new(ADMIN_TOKEN.into()),
            webhook_secret: payment::WebhookSecret::new(WEBHOOK_SECRET.into()),
            ..HttpSettings::default()
        };
        let signed = HttpSettings {
            token_keys: Some(TOKEN_KEY.parse().expect("a key")),
            trusted_proxies: TrustedProxies::new(vec!["127.0.0.1".parse().expect("an address")]),
            // A limit by address needs the address, and this one is never reached.
            address_rate: NonZeroU32::new(1_000_000).map(|rate| Rate { per_second: rate, burst: rate }),
            ..http.clone()
        };
        (serve(&payments, http).await, serve(&payments, signed).await, order)
    });
    Service { address, signed, order, _runtime: runtime }
});

/// Returns the address of a new listener.
async fn serve(payments: &Arc<Payments>, http: HttpSettings) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    let (shop, closing) = (payments.orders.shop.clone(), CancellationToken::new());
    let rooms = Arc::new(WaitingRooms::new(shop, Arc::new(NoRooms), Arc::new(NoRooms), RoomSettings::default()));
    tokio::spawn(http::serve(listener, payments.clone(), rooms, http, Surface::Everything, closing));
    address
}

/// Buys an item, so that there is an order. Returns its code.
async fn bought(shop: &Shop, orders: &MemoryOrders) -> CheckoutCode {
    let sale = shop.current_sale().expect("a sale is open");
    let item = format!("{}-00001", sale.id()).parse().expect("the id of an item");
    let owner = "owner".parse().expect("the id of a user");
    let code = shop.checkout(&owner, &[(item, Quantity::ONE)]).await.expect("a cart").cart.code;
    shop.purchase(code, false).await.expect("it is bought");
    let epoch = sale.fence.epoch().expect("the sale is open");
    LedgerWriter::new(epoch).step(shop, &sale).await.expect("it is archived");
    let Ok(Some(PurchaseOutcome::Durable { receipt, .. })) = shop.receipt(code).await else { panic!("no receipt") };
    orders.put(Order {
        id: receipt.order_id,
        status: OrderStatus::Reserved,
        version: Version(1),
        pay_by: receipt.pay_by.expect("it must be paid"),
        deadline: receipt.pay_by,
        reason: None,
        note: None,
        declines: 0,
        returned_at: None,
    });
    code
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    post_with(&format!("Authorization: Bearer {ADMIN_TOKEN}"), path, body)
}

fn post_with(header: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n{header}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An event with a valid signature.
fn event(body: &[u8]) -> Vec<u8> {
    let body = String::from_utf8_lossy(body);
    let secret = provider::WebhookSecret::new(WEBHOOK_SECRET.into()).expect("it is not empty");
    let signature = secret.sign(chrono::Utc::now().timestamp(), &body);
    post_with(&format!("Payment-Signature: {signature}"), "/payments/webhook", body.as_bytes())
}

fn line(method: &str, path: &str, rest: &[u8]) -> Vec<u8> {
    let start = format!("{method} {path}");
    [start.as_bytes(), rest, b" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"].concat()
}

/// A request without a body whose header has this value.
fn header(line: &str, header: &str, value: &[u8]) -> Vec<u8> {
    let start = format!("{line} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{header}");
    [start.as_bytes(), value, b"\r\n\r\n"].concat()
}

/// Returns the address that a request goes to, and the request.
fn request(place: u8, bytes: &[u8]) -> (SocketAddr, Vec<u8>) {
    let Service { address, signed, .. } = *SERVICE;
    match place % PLACES {
        19 => (signed, header("GET /users/owner/orders", "Authorization: Bearer ", bytes)),
        20 => (signed, header("POST /session", "Cookie: __Host-session=", bytes)),
        21 => (signed, header("GET /sales/active", "X-Forwarded-For: ", bytes)),
        22 => (address, header("POST /payments/webhook", "Content-Length: 0\r\nPayment-Signature: ", bytes)),
        place => (address, unsigned(place, bytes)),
    }
}

fn unsigned(place: u8, bytes: &[u8]) -> Vec<u8> {
    let order = SERVICE.order;
    match place {
        0 => post("/checkout", bytes),
        1 => post("/purchase", bytes),
        2 => post("/api/purchase", bytes),
        3 => post("/admin/sales", bytes),
        4 => line("POST", "/checkout?", bytes),
        5 => line("POST", "/purchase?", bytes),
        6 => line("GET", "/sales?", bytes),
        7 => line("GET", &format!("/sales/{}/items?", order.sale), bytes),
        8 => line("GET", "/checkout/", bytes),
        9 => line("GET", "/purchase/", bytes),
        10 => line("GET", "/users/ann/purchases?", bytes),
        11 => line("GET", "/items/", bytes),
        12 => line("DELETE", "/checkout/", bytes),
        13 => post(&format!("/orders/{order}/pay"), bytes),
        14 => post(&format!("/orders/{order}/cancel"), bytes),
        15 => event(bytes),
        16 => line("GET", "/users/owner/orders?", bytes),
        17 => line("GET", "/orders/", bytes),
        _ => bytes.to_vec(),
    }
}

fn exchange(address: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(20)))?;
    connection.write_all(request)?;
    connection.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    Ok(answer)
}

fuzz_target!(|input: &[u8]| {
    let Some((place, bytes)) = input.split_first() else { return };
    // The service may reset a connection that sends no HTTP.
    let (address, request) = request(*place, bytes);
    let Ok(answer) = exchange(address, &request) else { return };
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.contains("HTTP/1.1 500"), "{answer}");
    let is_http_2 = bytes.starts_with(b"PRI");
    assert!(answer.is_empty() || is_http_2 || answer.starts_with("HTTP/1."), "{answer}");
});
