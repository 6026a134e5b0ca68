//! The first second: many connections opened at once, each of which sends a request.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Error;
use super::connection::Connection;
use super::plan::Plan;
use super::requests;
use super::results::Figure;
use super::row::Row;
use super::shop::Shop;
use crate::cli::raise_file_limit;

/// A dropped SYN is sent again after a second.
const LATE: Duration = Duration::from_secs(1);
/// The longest wait that is measured. The kernel sends a dropped SYN for more than a minute.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(300);
const OTHER_FILES: u64 = 200;

pub async fn measure(shop: &Shop<'_>, plan: &Plan) -> Result<Vec<Figure>, Error> {
    let mut figures = Vec::new();
    for count in &plan.bursts {
        if raise_file_limit(*count as u64 + OTHER_FILES)? < *count as u64 + OTHER_FILES {
            figures.push(Figure::skipped(Row::Burst, format!("{count} connections")));
            continue;
        }
        let waits = open_at_once(shop.addresses[0], *count).await?;
        let longest = waits.iter().max().copied().unwrap_or_default();
        let late = waits.iter().filter(|wait| **wait > LATE).count();
        let figure = |what, value, unit| Figure::new(Row::Burst, format!("{count} connections, {what}"), value, unit);
        figures.push(figure("longest wait for the first answer", longest.as_secs_f64() * 1e3, "ms"));
        figures.push(figure("waits over 1 s", late as f64, ""));
        sleep(PAUSE).await;
    }
    Ok(figures)
}

/// Opens all connections at once. Returns for each the time from then until its first answer, at most [`PATIENCE`].
async fn open_at_once(address: SocketAddr, count: usize) -> Result<Vec<Duration>, Error> {
    let started = Instant::now();
    let mut first_answers = JoinSet::new();
    for _ in 0..count {
        first_answers.spawn_local(timeout(PATIENCE, first_answer(address, started)));
    }
    let mut waits = Vec::with_capacity(count);
    // The connections stay open until all have answers.
    let mut connections = Vec::with_capacity(count);
    while let Some(answer) = first_answers.join_next().await {
        let Ok(answer) = answer.expect("a connection does not panic") else {
            waits.push(PATIENCE);
            continue;
        };
        let (connection, status, waited) = answer?;
        if status != 200 {
            return Err(Error::Unexpected(format!("GET /health/live -> {status}")));
        }
        connections.push(connection);
        waits.push(waited);
    }
    Ok(waits)
}

async fn first_answer(address: SocketAddr, started: Instant) -> std::io::Result<(Connection, u16, Duration)> {
    let mut connection = Connection::open(address).await?;
    let status = connection.exchange(&requests::get("/health/live")).await?.status;
    Ok((connection, status, started.elapsed()))
}
