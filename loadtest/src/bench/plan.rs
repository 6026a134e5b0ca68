//! The sizes of a bench.

use std::time::Duration;

use super::row::Row;

/// The rows of a bench, with their loads and durations.
#[derive(Debug, Clone)]
pub struct Plan {
    pub rows: Vec<Row>,
    pub connections: Vec<usize>,
    /// The length of one load.
    pub length: Duration,
    /// The length of the load on the bare server before each load.
    pub reference_length: Duration,
    /// All rows use one service. Otherwise each has its own, so that no row leaves anything to the next one.
    pub shares_service: bool,
    /// Items of a sale that a load sells.
    pub sale_items: u64,
    /// Units of the hot item.
    pub hot_stock: u64,
    /// Items of the sales that are sold out, and sold before a recovery.
    pub sold_items: u64,
    pub sell_outs: usize,
    /// Orders that expire at once.
    pub expiring: u64,
    /// Purchases per second beside them, and how long they are made before and after.
    pub beside_per_second: f64,
    pub before_expiry: Duration,
    pub after_expiry: Duration,
    /// Items of the sales that are opened.
    pub opened: Vec<u64>,
    /// Idle connections at which the memory is read.
    pub idle: Vec<usize>,
    /// Connections opened at once.
    pub bursts: Vec<usize>,
    /// HTTP/2 connections that read nothing, and idle ones beside them.
    pub hostile: usize,
    pub hostile_idle: usize,
}

impl Plan {
    /// About five minutes.
    pub fn full() -> Self {
        Plan {
            rows: Row::ALL.to_vec(),
            connections: vec![1, 16, 64, 256, 1_024],
            length: Duration::from_millis(1_500),
            reference_length: Duration::from_millis(400),
            shares_service: false,
            sale_items: 100_000,
            hot_stock: 100_000,
            sold_items: 10_000,
            sell_outs: 3,
            expiring: 10_000,
            beside_per_second: 1_000.0,
            before_expiry: Duration::from_secs(5),
            after_expiry: Duration::from_secs(10),
            opened: vec![10_000, 100_000],
            idle: vec![1_500, 10_000],
            bursts: vec![500, 1_000, 2_000, 4_000],
            hostile: 100,
            hostile_idle: 9_000,
        }
    }

    /// Some seconds: it shows that every row works, not how fast.
    pub fn smoke() -> Self {
        Plan {
            connections: vec![1, 16],
            length: Duration::from_millis(200),
            reference_length: Duration::from_millis(50),
            shares_service: true,
            sale_items: 2_000,
            hot_stock: 1_000,
            sold_items: 200,
            sell_outs: 1,
            expiring: 200,
            beside_per_second: 100.0,
            before_expiry: Duration::from_millis(500),
            after_expiry: Duration::from_secs(2),
            opened: vec![200],
            idle: vec![50],
            bursts: vec![50],
            hostile: 2,
            hostile_idle: 50,
            ..Plan::full()
        }
    }

    /// Returns the open files that the client and the service need each.
    pub fn open_files(&self) -> u64 {
        let connections = self.connections.iter().chain(&self.idle).chain(&self.bursts).max();
        *connections.unwrap_or(&0) as u64 + 500
    }
}
