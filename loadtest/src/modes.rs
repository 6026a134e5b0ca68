//! How much load, and what is asked of the service under it.

use std::time::Duration;

/// Who comes when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// So many people who shop, think, and come again: a closed loop.
    Crowd { users: u32 },
    /// So many new people a second, whether or not those before them were served: an open loop.
    Rush { per_second: u32 },
}

/// One kind of load test.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    pub name: &'static str,
    pub arrivals: Arrivals,
    /// How long people come. A rush ends soon after the sale is sold out.
    pub duration: Duration,
    /// Items of the sale of a private service.
    pub sale_items: u32,
    /// What think times are multiplied by.
    pub pace: f64,
    /// 99 of 100 purchases are acknowledged within this time.
    pub goal_p99: Duration,
    /// The share of requests that may be turned away by 503 or 429.
    pub turned_away_max: f64,
}

const MINUTE: u64 = 60;

/// Every mode. Heavy and stress sell from the largest sale there can be: one of 10,000 would be gone in a minute or
/// two, and the rest of the run would be refusals.
pub const ALL: [Mode; 5] = [
    crowd("realistic-light", 200, 2 * MINUTE, 10_000, 50, 0.0),
    crowd("realistic", 400, 5 * MINUTE, 10_000, 100, 0.0),
    crowd("realistic-heavy", 800, 10 * MINUTE, 99_999, 250, 0.001),
    crowd("realistic-stress", 1_500, 15 * MINUTE, 99_999, 500, 0.01),
    Mode {
        name: "rush",
        arrivals: Arrivals::Rush { per_second: 2_000 },
        duration: Duration::from_secs(MINUTE),
        sale_items: 10_000,
        pace: 0.1,
        goal_p99: Duration::from_secs(1),
        turned_away_max: 0.01,
    },
];

const fn crowd(
    name: &'static str,
    users: u32,
    seconds: u64,
    sale_items: u32,
    goal_p99_ms: u64,
    turned_away_max: f64,
) -> Mode {
    Mode {
        name,
        arrivals: Arrivals::Crowd { users },
        duration: Duration::from_secs(seconds),
        sale_items,
        pace: 1.0,
        goal_p99: Duration::from_millis(goal_p99_ms),
        turned_away_max,
    }
}

/// The mode of this name.
pub fn find(name: &str) -> Result<Mode, String> {
    let names = || ALL.map(|mode| mode.name).join(", ");
    ALL.into_iter().find(|mode| mode.name == name).ok_or_else(|| format!("must be one of {}", names()))
}
