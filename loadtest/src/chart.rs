//! Line charts as standalone SVG: no script, no font, no external file.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 250.0;
/// Margins, with room for the value labels on the left and the time labels below.
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 8.0;
const RIGHT: f64 = 20.0;

/// One line of a chart.
#[derive(Debug, Clone)]
pub struct Series {
    pub name: String,
    /// A CSS colour.
    pub colour: &'static str,
    /// Pairs of place on the axis and value.
    pub points: Vec<(f64, f64)>,
}

/// The scale of the value axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// A linear scale from zero.
    Linear,
    /// A logarithmic scale from 0.1, with a grid line at each power of ten.
    Logarithmic,
}

/// The horizontal axis.
#[derive(Debug, Clone, Copy)]
pub enum Axis<'a> {
    /// Seconds from zero to this one.
    Seconds(f64),
    /// Names at equal distances: the first one is at 0, the second at 1.
    Names(&'a [String]),
}

/// Draws a line chart with a legend above.
pub fn line_chart(series: &[Series], axis: Axis<'_>, scale: Scale) -> String {
    let values = series.iter().flat_map(|series| &series.points).map(|(_, value)| *value);
    let max = values.fold(0.0, f64::max);
    let levels = levels(max, scale);
    let area = Area { end: axis.end(), bottom: levels[0], top: levels[levels.len() - 1], scale };

    let mut svg = legend(series);
    let _written = write!(svg, r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">"#);
    levels.iter().for_each(|level| area.level(&mut svg, *level));
    axis.labels().iter().for_each(|(x, label)| area.label(&mut svg, *x, label));
    series.iter().for_each(|series| area.line(&mut svg, series));
    svg + "</svg>"
}

impl Axis<'_> {
    fn end(self) -> f64 {
        match self {
            Axis::Seconds(last) => last,
            Axis::Names(names) => names.len().saturating_sub(1).max(1) as f64,
        }
    }

    fn labels(self) -> Vec<(f64, String)> {
        match self {
            Axis::Seconds(last) => seconds(last).into_iter().map(|second| (second, clock(second))).collect(),
            Axis::Names(names) => names.iter().enumerate().map(|(place, name)| (place as f64, name.clone())).collect(),
        }
    }
}

/// The plot area: maps a place on the axis and a value to a position.
struct Area {
    end: f64,
    bottom: f64,
    top: f64,
    scale: Scale,
}

impl Area {
    fn x(&self, place: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * place / self.end
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

    fn label(&self, svg: &mut String, place: f64, label: &str) {
        let (x, y) = (self.x(place), HEIGHT - 6.0);
        let _written = write!(svg, r#"<text class="time" x="{x:.1}" y="{y}">{label}</text>"#);
    }

    fn line(&self, svg: &mut String, series: &Series) {
        let point = |(place, value): &(f64, f64)| format!("{:.1},{:.1}", self.x(*place), self.y(*value));
        let points: Vec<String> = series.points.iter().map(point).collect();
        let _written = write!(svg, r#"<polyline stroke="{}" points="{}"/>"#, series.colour, points.join(" "));
    }
}

fn legend(series: &[Series]) -> String {
    let entry =
        |series: &Series| format!(r#"<span><i style="background:{}"></i>{}</span>"#, series.colour, series.name);
    format!(r#"<div class="legend">{}</div>"#, series.iter().map(entry).collect::<String>())
}

/// Returns the values of the grid lines, from the lowest one to one that is at least `max`.
fn levels(max: f64, scale: Scale) -> Vec<f64> {
    match scale {
        Scale::Linear => {
            let max = max.max(1.0);
            let step = round_step(max / 4.0);
            (0..=(max / step).ceil() as u32).map(|level| f64::from(level) * step).collect()
        }
        Scale::Logarithmic => {
            let mut levels = vec![0.1, 1.0];
            while levels[levels.len() - 1] < max {
                levels.push(levels[levels.len() - 1] * 10.0);
            }
            levels
        }
    }
}

/// Returns the smallest step that is at least `min` and is 1, 2, 2.5 or 5 times a power of ten.
fn round_step(min: f64) -> f64 {
    let power = 10_f64.powf(min.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0].into_iter().find(|step| step * power >= min);
    step.unwrap_or(10.0) * power
}

/// Returns the times of the labels.
fn seconds(last: f64) -> Vec<f64> {
    const STEPS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0];
    let step = STEPS.into_iter().find(|step| last / step <= 8.0).unwrap_or(600.0);
    (0..=(last / step) as u32).map(|index| f64::from(index) * step).collect()
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
    fn grid_lines_have_round_values_and_cover_the_maximum() {
        assert_eq!(levels(0.0, Scale::Linear), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(levels(9_947.0, Scale::Linear), [0.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0]);
        assert_eq!(levels(7.0, Scale::Linear), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(levels(37.5, Scale::Logarithmic), [0.1, 1.0, 10.0, 100.0]);
        for max in [0.3, 1.0, 11.0, 99.0, 101.0, 12_345.0] {
            let levels = levels(max, Scale::Linear);
            assert!(levels.len() <= 6 && levels[levels.len() - 1] >= max, "{max}: {levels:?}");
        }
    }

    #[test]
    fn a_line_starts_at_the_left_and_stays_inside() {
        let series =
            Series { name: "sold".to_owned(), colour: "#000", points: vec![(0.0, 0.0), (5.0, 4.0), (10.0, 8.0)] };
        let svg = line_chart(&[series], Axis::Seconds(10.0), Scale::Linear);
        assert!(svg.contains(r#"points="52.0,226.0 336.0,117.0 620.0,8.0""#), "{svg}");
        assert!(svg.contains(">0:10<") && svg.contains(">8<") && svg.contains("</i>sold<"), "{svg}");
    }

    #[test]
    fn names_are_equally_spaced() {
        let names = ["1", "16", "64"].map(str::to_owned);
        let series = Series { name: "a".to_owned(), colour: "#000", points: vec![(0.0, 0.0), (2.0, 4.0)] };
        let svg = line_chart(&[series], Axis::Names(&names), Scale::Linear);
        assert!(svg.contains(r#"points="52.0,226.0 620.0,8.0""#), "{svg}");
        assert!(svg.contains(r#"x="336.0" y="244">16<"#), "{svg}");
    }

    #[test]
    fn powers_of_ten_are_equally_spaced_on_a_logarithmic_scale() {
        let area = Area { end: 1.0, bottom: 0.1, top: 10.0, scale: Scale::Logarithmic };
        assert_eq!(area.y(1.0) - area.y(10.0), area.y(0.1) - area.y(1.0));
        assert_eq!(area.y(0.0), area.y(0.1));
    }
}
