//! Hostile clients: HTTP/2 connections that ask for many pages and read none, slow heads, and idle sockets. The memory that
//! they take, and the purchases of everybody else meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Error;
use super::open_loop::send_slow_heads;
use super::plan::Plan;
use super::results::Figure;
use super::row::Row;
use super::shop::Shop;
use super::shopping::buying;

/// Requests of each HTTP/2 connection: as many as the service allows at once.
const STREAMS: usize = 200;
const SLOW_HEADS: usize = 200;
/// Connections of the others, who buy.
const BUYERS: usize = 16;
const SETTLE: Duration = Duration::from_secs(1);

pub async fn measure(shop: &mut Shop<'_>, plan: &Plan) -> Result<Vec<Figure>, Error> {
    let address = shop.addresses[0];
    let (quiet_p99, asked_each) = (p99_of_purchases(shop, plan).await?, page_bytes(shop).await?);
    let without = shop.processes.service_memory_mb()?;

    let mut idle = Vec::with_capacity(plan.hostile_idle);
    for _ in 0..plan.hostile_idle {
        idle.push(TcpStream::connect(address).await?);
    }
    let mut slow = JoinSet::new();
    slow.spawn_local(send_slow_heads(address, SLOW_HEADS));
    let path = page_path(shop).await?;
    let mut unread = Vec::with_capacity(plan.hostile);
    for _ in 0..plan.hostile {
        unread.push(ask_and_read_nothing(address, &path).await?);
    }
    sleep(SETTLE).await;
    let with = shop.processes.service_memory_mb()?;
    let hostile_p99 = p99_of_purchases(shop, plan).await?;
    drop((idle, slow, unread));

    let asked = (plan.hostile * STREAMS) as f64 * asked_each / 1e6;
    let figure = |what: String, value, unit| Figure::new(Row::Hostile, what, value, unit);
    let who = format!("{} HTTP/2, {} idle, {SLOW_HEADS} slow", plan.hostile, plan.hostile_idle);
    Ok(vec![
        figure("answers that were asked for and not read".to_owned(), asked, "MB"),
        figure("resident memory without them".to_owned(), without, "MB"),
        figure(format!("resident memory with {who}"), with, "MB"),
        figure("p99 of purchases without them".to_owned(), quiet_p99, "ms"),
        figure("p99 of purchases with them".to_owned(), hostile_p99, "ms"),
    ])
}

async fn p99_of_purchases(shop: &mut Shop<'_>, plan: &Plan) -> Result<f64, Error> {
    let items = shop.items(plan.sale_items / 4).await?;
    let users = shop.users(items.count);
    let traffic = buying(BUYERS, items, users, shop.sold.clone(), |_, _| ());
    let measured = shop.connect(BUYERS).await?.run(traffic, plan.length).await?;
    match measured.sample {
        Some(sample) => Err(Error::Unexpected(sample)),
        None => Ok(measured.latencies.quantile_ms(0.99)),
    }
}

/// Returns the path of the largest page of items.
async fn page_path(shop: &mut Shop<'_>) -> Result<String, Error> {
    Ok(format!("/sales/{}/items?page=1&per_page=500", shop.unsold(1).await?.sale()))
}

async fn page_bytes(shop: &mut Shop<'_>) -> Result<f64, Error> {
    let request = super::requests::get(&page_path(shop).await?);
    let mut connection = super::connection::Connection::open(shop.addresses[0]).await?;
    Ok(connection.exchange(&request).await?.body.len() as f64)
}

/// Asks for pages on one HTTP/2 connection without room for any body. Returns what keeps the connection open.
async fn ask_and_read_nothing(address: SocketAddr, path: &str) -> Result<impl Sized + use<>, Error> {
    let failed = |error: hyper::Error| Error::Unexpected(format!("HTTP/2: {error}"));
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let mut client = http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = client.initial_stream_window_size(0).handshake(stream).await.map_err(failed)?;
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let mut asked = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let request = Request::get(format!("http://{address}{path}")).body(Empty::<Bytes>::new());
        asked.push(sender.send_request(request.map_err(|error| Error::Unexpected(error.to_string()))?));
    }
    let mut answers = Vec::with_capacity(STREAMS);
    for answer in asked {
        answers.push(answer.await.map_err(failed)?);
    }
    Ok((sender, driving, answers))
}
