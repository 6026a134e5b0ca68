//! Line charts as SVG that stands on its own: no script, no font, nothing to fetch.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 250.0;
/// Room for the numbers at the left, and for the times below.
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 8.0;
const RIGHT: f64 = 12.0;

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Series {
    pub name: String,
    /// As CSS has it.
    pub colour: &'static str,
    /// Seconds, and the value then.
    pub points: Vec<(f64, f64)>,
}

/// How values become heights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From zero.
    Linear,
    /// Each line ten times the one below; from 0.1.
    Logarithmic,
}

/// Draws the lines over the time until `last_second`, with a legend above.
pub fn lines(series: &[Series], last_second: f64, scale: Scale) -> String {
    let values = series.iter().flat_map(|series| &series.points).map(|(_, value)| *value);
    let most = values.fold(0.0, f64::max);
    let levels = levels(most, scale);
    let area = Area { last_second, bottom: levels[0], top: levels[levels.len() - 1], scale };

    let mut svg = legend(series);
    let _written = write!(svg, r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">"#);
    levels.iter().for_each(|level| area.level(&mut svg, *level));
    seconds(last_second).iter().for_each(|second| area.second(&mut svg, *second));
    series.iter().for_each(|series| area.line(&mut svg, series));
    svg + "</svg>"
}

/// Where a value at a time is drawn.
struct Area {
    last_second: f64,
    bottom: f64,
    top: f64,
    scale: Scale,
}

impl Area {
    fn x(&self, second: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * second / self.last_second
    }

    fn y(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.bottom) / (self.top - self.bottom),
            Scale::Logarithmic => (value.max(self.bottom) / self.bottom).log10() / (self.top / self.bottom).log10(),
        };
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share)
    }

    fn level(&self, svg: &mut String, value: f64) {
        let (y, right) = (self.y(value), WIDTH - RIGHT);
        let (text_x, text_y, label) = (LEFT - 8.0, y + 4.0, short(value));
        let _line = write!(svg, r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}"/>"#);
        let _label = write!(svg, r#"<text class="level" x="{text_x}" y="{text_y:.1}">{label}</text>"#);
    }

    fn second(&self, svg: &mut String, second: f64) {
        let (x, y, label) = (self.x(second), HEIGHT - 6.0, clock(second));
        let _written = write!(svg, r#"<text class="time" x="{x:.1}" y="{y}">{label}</text>"#);
    }

    fn line(&self, svg: &mut String, series: &Series) {
        let point = |(second, value): &(f64, f64)| format!("{:.1},{:.1}", self.x(*second), self.y(*value));
        let points: Vec<String> = series.points.iter().map(point).collect();
        let _written = write!(svg, r#"<polyline stroke="{}" points="{}"/>"#, series.colour, points.join(" "));
    }
}

fn legend(series: &[Series]) -> String {
    let entry =
        |series: &Series| format!(r#"<span><i style="background:{}"></i>{}</span>"#, series.colour, series.name);
    format!(r#"<div class="legend">{}</div>"#, series.iter().map(entry).collect::<String>())
}

/// The values at which a line goes across, from the lowest to one that is at least `most`.
fn levels(most: f64, scale: Scale) -> Vec<f64> {
    match scale {
        Scale::Linear => {
            let most = most.max(1.0);
            let step = round_step(most / 4.0);
            (0..=(most / step).ceil() as u32).map(|level| f64::from(level) * step).collect()
        }
        Scale::Logarithmic => {
            let mut levels = vec![0.1, 1.0];
            while levels[levels.len() - 1] < most {
                levels.push(levels[levels.len() - 1] * 10.0);
            }
            levels
        }
    }
}

/// 1, 2, 2.5 or 5 times a power of ten: the smallest that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0].into_iter().find(|step| step * power >= least);
    step.unwrap_or(10.0) * power
}

/// Round times along the way.
fn seconds(last: f64) -> Vec<f64> {
    const STEPS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0];
    let step = STEPS.into_iter().find(|step| last / step <= 8.0).unwrap_or(600.0);
    (0..=(last / step) as u32).map(|place| f64::from(place) * step).collect()
}

fn clock(second: f64) -> String {
    let second = second as u64;
    format!("{}:{:02}", second / 60, second % 60)
}

fn short(value: f64) -> String {
    match value {
        _ if value >= 10_000.0 => format!("{}k", value / 1_000.0),
        _ => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_round_and_reach_above_everything() {
        assert_eq!(levels(0.0, Scale::Linear), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(levels(9_947.0, Scale::Linear), [0.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0]);
        assert_eq!(levels(7.0, Scale::Linear), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(levels(37.5, Scale::Logarithmic), [0.1, 1.0, 10.0, 100.0]);
        for most in [0.3, 1.0, 11.0, 99.0, 101.0, 12_345.0] {
            let levels = levels(most, Scale::Linear);
            assert!(levels.len() <= 6 && levels[levels.len() - 1] >= most, "{most}: {levels:?}");
        }
    }

    #[test]
    fn a_line_begins_at_the_left_and_stays_inside() {
        let series =
            Series { name: "sold".to_owned(), colour: "#000", points: vec![(0.0, 0.0), (5.0, 4.0), (10.0, 8.0)] };
        let svg = lines(&[series], 10.0, Scale::Linear);
        assert!(svg.contains(r#"points="52.0,226.0 340.0,117.0 628.0,8.0""#), "{svg}");
        assert!(svg.contains(">0:10<") && svg.contains(">8<") && svg.contains("</i>sold<"), "{svg}");
    }

    #[test]
    fn a_tenth_is_as_far_from_one_as_ten() {
        let area = Area { last_second: 1.0, bottom: 0.1, top: 10.0, scale: Scale::Logarithmic };
        assert_eq!(area.y(1.0) - area.y(10.0), area.y(0.1) - area.y(1.0));
        assert_eq!(area.y(0.0), area.y(0.1));
    }
}
