//! A sale as the console shows it.

use chrono::{DateTime, Utc};

use crate::application::sale::ports::MinuteSold;
use crate::domain::sale::{Sale, SaleStatus};
use crate::domain::shared::{SaleId, SaleKind};
use crate::infrastructure::http::web::number;

use super::curve::{Curve, HEIGHT, WIDTH};
use super::room_panel::RoomPanel;

/// A sale with its figures.
pub struct SaleCard {
    pub id: SaleId,
    pub kind: &'static str,
    pub figures: Vec<(&'static str, String)>,
    pub curve: Option<Curve>,
    pub room: Option<RoomPanel>,
    pub can_end: bool,
    pub width: i64,
    pub height: i64,
}

impl SaleCard {
    /// A sale of which so many units are sold.
    pub fn new(sale: &Sale, sold: i64, minutes: &[MinuteSold], now: DateTime<Utc>) -> Self {
        let (window, status) = (sale.window, sale.window.status(now));
        let percent = sold.max(0) * 100 / i64::from(sale.units.max(1));
        let mut figures = vec![("Sold", format!("{sold} of {} ({percent} %)", sale.units))];
        match status {
            SaleStatus::Scheduled => figures.push(("Starts", turn(window.starts_at, now))),
            SaleStatus::Open => figures.push(("Ends", turn(window.ends_at, now))),
            SaleStatus::Ended => figures.push(("Ended", number::time(window.ends_at, now))),
        }
        if let Some(payment) = sale.payment_window {
            let span = chrono::TimeDelta::seconds(payment.seconds().into());
            figures.push(("To be paid", format!("within {}", number::span(span))));
        }
        SaleCard {
            id: sale.id,
            kind: if sale.id.kind() == SaleKind::Hourly { "Hourly" } else { "Special" },
            figures,
            curve: Curve::new(minutes, window, now),
            room: None,
            can_end: status != SaleStatus::Ended,
            width: WIDTH,
            height: HEIGHT,
        }
    }
}

fn turn(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("in {}, at {}", number::span(time - now), number::time(time, now))
}
