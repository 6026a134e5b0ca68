//! A sale as pages show it.

use chrono::{DateTime, Utc};

use crate::application::sale::live_sale::LiveSale;
use crate::domain::sale::SaleStatus;
use crate::domain::shared::{SaleId, SaleKind};
use crate::infrastructure::http::web::number;

/// The state of a sale for shoppers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Scheduled,
    Open,
    SoldOut,
    Ended,
}

impl State {
    /// Returns the word for the script and the style sheet.
    pub fn word(self) -> &'static str {
        match self {
            State::Scheduled => "scheduled",
            State::Open => "open",
            State::SoldOut => "sold-out",
            State::Ended => "ended",
        }
    }
}

/// A sale at one moment.
pub struct SaleView {
    pub id: SaleId,
    pub state: State,
    pub is_hourly: bool,
    /// The next turn of its state: its start or its end, in milliseconds since the Unix epoch, and in words.
    pub starts_ms: i64,
    pub ends_ms: i64,
    pub turn: String,
    pub turn_in: String,
    pub now_ms: i64,
    pub items: u32,
    pub items_left: u32,
    /// Minutes in which a purchase must be paid.
    pub pay_within: Option<String>,
    pub user_limit: u32,
}

impl SaleView {
    /// The sale at this time.
    pub fn new(live: &LiveSale, now: DateTime<Utc>) -> Self {
        let sale = live.sale();
        let items_left = sale.items.saturating_sub(live.projection().sold_out());
        let state = match sale.window.status(now) {
            SaleStatus::Scheduled => State::Scheduled,
            SaleStatus::Ended => State::Ended,
            SaleStatus::Open if items_left == 0 => State::SoldOut,
            SaleStatus::Open => State::Open,
        };
        let turn = if state == State::Scheduled { sale.window.starts_at } else { sale.window.ends_at };
        let pay_within =
            sale.payment_window.map(|window| number::span(chrono::TimeDelta::seconds(window.seconds().into())));
        SaleView {
            id: sale.id,
            state,
            is_hourly: sale.id.kind() == SaleKind::Hourly,
            starts_ms: sale.window.starts_at.timestamp_millis(),
            ends_ms: sale.window.ends_at.timestamp_millis(),
            turn: number::time(turn, now),
            turn_in: number::span(turn - now),
            now_ms: now.timestamp_millis(),
            items: sale.items,
            items_left,
            pay_within,
            user_limit: sale.user_limit,
        }
    }

    /// Returns true if its items can be bought, or will be.
    pub fn may_sell(&self) -> bool {
        matches!(self.state, State::Open | State::Scheduled)
    }
}
