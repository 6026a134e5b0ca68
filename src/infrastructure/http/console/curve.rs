//! The curve of a sale: units sold over time, as SVG.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};

use crate::application::sale::ports::MinuteSold;
use crate::domain::sale::Window;
use crate::infrastructure::http::web::number;

/// The size of the drawing, in its own units.
pub const WIDTH: i64 = 600;
pub const HEIGHT: i64 = 120;

/// Most points of a curve. A longer one leaves out minutes, not units.
const POINTS_MAX: usize = 300;

/// A curve with its text for those who do not see it.
#[derive(Debug, PartialEq, Eq)]
pub struct Curve {
    pub points: String,
    pub summary: String,
    pub begins: String,
    pub ends: String,
    /// Units at the full height.
    pub most: i64,
}

impl Curve {
    /// The curve of a sale from its start until now, or until its end; `None` if it has not sold anything.
    pub fn new(minutes: &[MinuteSold], window: Window, now: DateTime<Utc>) -> Option<Self> {
        let best = minutes.iter().max_by_key(|minute| minute.units)?;
        let (start, end) = (window.starts_at, window.ends_at.min(now).max(window.starts_at + TimeDelta::minutes(1)));
        let mut sold = 0;
        let sums: Vec<(DateTime<Utc>, i64)> = minutes
            .iter()
            .map(|minute| {
                sold += minute.units;
                (minute.begins_at + TimeDelta::minutes(1), sold)
            })
            .collect();
        let most = sums.iter().map(|(_, sum)| *sum).max().unwrap_or_default().max(1);
        let x = |time: DateTime<Utc>| {
            let (past, all) = ((time.min(end) - start).num_milliseconds(), (end - start).num_milliseconds());
            (past.max(0) * WIDTH) / all
        };
        let y = |sum: i64| HEIGHT - sum.max(0) * HEIGHT / most;
        let step = sums.len().div_ceil(POINTS_MAX);
        let mut points = format!("{},{HEIGHT}", x(minutes.first()?.begins_at));
        let shown = sums.iter().enumerate().filter(|(place, _)| place % step == 0 || place + 1 == sums.len());
        let mut last = HEIGHT;
        for (_, (time, sum)) in shown {
            // Nothing was sold between a minute and the one before it that has a point.
            let _ = write!(points, " {},{last} {},{}", x(*time - TimeDelta::minutes(1)), x(*time), y(*sum));
            last = y(*sum);
        }
        let _ = write!(points, " {WIDTH},{last}");
        let summary = format!(
            "{sold} units sold until {}. Most in one minute: {}, at {}.",
            number::time(end, now),
            best.units,
            number::time(best.begins_at, now)
        );
        let (begins, ends) = (number::time(start, now), number::time(end, now));
        Some(Curve { points, summary, begins, ends, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_165_200 + minute * 60, 0).unwrap()
    }

    fn curve(minutes: &[(i64, i64)], now: i64) -> Option<Curve> {
        let minutes: Vec<MinuteSold> =
            minutes.iter().map(|(minute, units)| MinuteSold { begins_at: at(*minute), units: *units }).collect();
        Curve::new(&minutes, Window::new(at(0), at(60)).unwrap(), at(now))
    }

    #[test]
    fn a_curve_rises_with_each_minute_and_stays_level_between() {
        let curve = curve(&[(0, 30), (5, 10), (6, -20)], 10).unwrap();
        assert_eq!(curve.points, "0,120 0,120 60,30 300,30 360,0 360,0 420,60 600,60");
        assert_eq!(curve.most, 40);
        assert!(
            curve.summary.starts_with("20 units sold until 09:10 UTC. Most in one minute: 30, at 09:00 UTC."),
            "{curve:?}"
        );
    }

    #[test]
    fn a_curve_ends_with_its_sale_and_has_few_points() {
        assert_eq!(curve(&[], 10), None);
        let ended = curve(&[(0, 1)], 100).unwrap();
        assert_eq!(ended.points, "0,120 0,120 10,0 600,0");
        let long: Vec<(i64, i64)> = (0..2_000).map(|minute| (minute, 1)).collect();
        let points = curve(&long, 60).unwrap().points;
        assert!(points.split(' ').count() <= 2 * POINTS_MAX + 4);
        assert!(points.ends_with("600,0"));
        assert!(curve(&[(0, 0)], 0).is_some());
    }
}
