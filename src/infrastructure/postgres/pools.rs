//! The pools of connections to PostgreSQL, and their use.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::Semaphore;

use crate::application::shared::Turns;

use super::metrics::{self, POOL_CONNECTIONS, POOL_CONNECTIONS_MAX, PoolState};
use super::pool::Pool;
use super::server::Server;

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longest wait for a connection that reads in bulk.
const BULK_PATIENCE: Duration = Duration::from_secs(4);

/// Connections for control.
const CONTROL_CONNECTIONS: usize = 4;

/// Connections of the ledger writers.
const WRITER_CONNECTIONS: usize = 4;

/// Connections that read whole sales, for control and for requests each.
const BULK_CONNECTIONS: usize = 2;

/// Requests that wait for a connection, for each that there is. More would wait longer than is worth it.
const WAITING_PER_CONNECTION: usize = 16;

/// Unbounded: the number of background tasks bounds those that wait.
const ANY_NUMBER: usize = Semaphore::MAX_PERMITS;

/// The pools: no work waits for connections that less important work has taken.
#[derive(Debug)]
pub(super) struct Pools {
    /// Reads of requests.
    pub requests: Pool,
    /// Reads of whole past sales for requests.
    pub past: Pool,
    /// The work that keeps sales going: locks, epochs, cursors, schedule, catalogs of live sales.
    pub control: Pool,
    /// The ledger writers.
    pub writers: Pool,
    /// Reads of whole sales for recovery and verification.
    pub bulk: Pool,
}

impl Pools {
    /// Pools without connections, `requests` of them for requests.
    pub fn new(options: PgConnectOptions, requests: usize) -> Self {
        let options = options.application_name("flashsale").options([
            // A host that vanishes must not hold its locks for hours.
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "2"),
            ("tcp_keepalives_count", "2"),
            ("tcp_user_timeout", "9s"),
            ("idle_in_transaction_session_timeout", "5s"),
            // Whatever the default of the server is: a commit that returns is on the disk.
            ("synchronous_commit", "on"),
        ]);
        // Statistics about an open sale are stale, and a plan that is made while its tables are empty stays. So what an index
        // finds is never looked for in the whole table; and in bulk, a nested loop over an estimate of one row may run over
        // all of them.
        let short =
            options.clone().options([("statement_timeout", "4s"), ("lock_timeout", "2s"), ("enable_seqscan", "off")]);
        // A page of purchases must follow its index: to sort means to read all the rest of the sale.
        let bulk = options.clone().options([
            ("statement_timeout", "120s"),
            ("enable_nestloop", "off"),
            ("enable_sort", "off"),
        ]);
        let writing = options.options([
            ("lock_timeout", "3s"),
            // The arrays of a batch are its data: a new plan for each batch gains nothing.
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
        ]);
        let waiting = requests.saturating_mul(WAITING_PER_CONNECTION);
        let server = Server::new(short.clone());
        let pool = |options, turns| Pool::new(server.clone(), options, turns);
        Pools {
            requests: pool(short.clone(), Turns::new(requests, waiting, PATIENCE)),
            past: pool(bulk.clone(), Turns::new(BULK_CONNECTIONS, BULK_CONNECTIONS, BULK_PATIENCE)),
            control: pool(short, Turns::new(CONTROL_CONNECTIONS, ANY_NUMBER, PATIENCE)),
            writers: pool(writing, Turns::new(WRITER_CONNECTIONS, ANY_NUMBER, PATIENCE)),
            bulk: pool(bulk, Turns::new(BULK_CONNECTIONS, ANY_NUMBER, BULK_PATIENCE)),
        }
    }

    /// Measures the connections of each pool.
    pub fn measure(&self) {
        use metrics::Pool::{Bulk, Control, Past, Requests, Writers};
        let Pools { requests, past, control, writers, bulk } = self;
        let pools = [(Requests, requests), (Past, past), (Control, control), (Writers, writers), (Bulk, bulk)];
        for (name, pool) in pools {
            POOL_CONNECTIONS.of((name, PoolState::Idle)).set(pool.idle() as f64);
            POOL_CONNECTIONS.of((name, PoolState::InUse)).set(pool.in_use() as f64);
            POOL_CONNECTIONS_MAX.of(name).set(pool.connections_max() as f64);
        }
    }
}
