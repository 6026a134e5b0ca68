//! The kinds of load test, with the goals that the service must meet.

use std::time::Duration;

/// The arrival pattern of shoppers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// A closed loop: this many users shop, think and come back.
    Crowd { users: u32 },
    /// An open loop: this many visits start per second, even if earlier ones are not served yet.
    Rush { per_second: u32 },
}

/// One kind of load test.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    pub name: &'static str,
    pub arrivals: Arrivals,
    /// The time during which shoppers arrive. A rush ends soon after the sale sells out.
    pub duration: Duration,
    /// Items in the sale of a private service.
    pub sale_items: u32,
    /// A factor for think times.
    pub pace: f64,
    /// The p99 of purchases must be below this time.
    pub goal_p99: Duration,
    /// The share of requests that may get 503 or 429.
    pub turned_away_max: f64,
}

const MINUTE: u64 = 60;

/// Every mode. Heavy and stress use the largest possible sale: 10,000 items would sell out in a minute or two, and the
/// rest of the run would measure only refusals.
pub const ALL: [Mode; 5] = [
    crowd("realistic-light", 200, 2 * MINUTE, 10_000, 50, 0.0),
    crowd("realistic", 400, 5 * MINUTE, 10_000, 100, 0.0),
    crowd("realistic-heavy", 800, 10 * MINUTE, 100_000, 250, 0.001),
    crowd("realistic-stress", 1_500, 15 * MINUTE, 100_000, 500, 0.01),
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

/// Returns the mode with this name.
pub fn find(name: &str) -> Result<Mode, String> {
    let names = || ALL.map(|mode| mode.name).join(", ");
    ALL.into_iter().find(|mode| mode.name == name).ok_or_else(|| format!("must be one of {}", names()))
}
