//! The declaration of metrics: name, help text, type and labels in one place.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::OnceLock;

use ::metrics::{Counter, Gauge, Histogram, Label as Pair};
use ::metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::labels::Labels;
use super::recorder;

/// Declares metrics as statics. The doc comment is the help text.
///
/// ```ignore
/// metrics! {
///     /// Failed operations of Redis, by kind of failure.
///     pub static ERRORS: Metric<Counter, StoreErrorKind> = "flashsale_redis_errors_total" by "kind";
/// }
/// ```
///
/// It also makes a function `register`, which creates all series of these metrics.
macro_rules! metrics {
    ($(
        $(#[doc = $help:literal])+
        $visibility:vis static $metric:ident: $type:ty = $name:literal $(by $($label:literal),+)?;
    )+) => {
        $(
            $(#[doc = $help])+
            $visibility static $metric: $type = <$type>::new($name, concat!($($help),+), &[$($($label),+)?]);
        )+

        /// Registers these metrics, so that their series exist from the start.
        pub fn register() {
            $($crate::infrastructure::metrics::Declared::register(&$metric);)+
        }
    };
}

pub(crate) use metrics;

/// A declared metric.
pub trait Declared {
    /// Describes the metric, and creates the series that exist from the start.
    fn register(&self);
}

/// The type of a metric: a counter, a gauge or a histogram.
pub trait Handle: Sized {
    /// Sets the help text of a metric of this type.
    fn describe(name: &'static str, help: &'static str);

    /// Returns the handle of one series.
    fn series(name: &'static str, labels: Vec<Pair>) -> Self;
}

impl Handle for Counter {
    fn describe(name: &'static str, help: &'static str) {
        describe_counter!(name, help);
    }

    fn series(name: &'static str, labels: Vec<Pair>) -> Self {
        counter!(name, labels)
    }
}

impl Handle for Gauge {
    fn describe(name: &'static str, help: &'static str) {
        describe_gauge!(name, help);
    }

    fn series(name: &'static str, labels: Vec<Pair>) -> Self {
        gauge!(name, labels)
    }
}

impl Handle for Histogram {
    fn describe(name: &'static str, help: &'static str) {
        describe_histogram!(name, help);
    }

    fn series(name: &'static str, labels: Vec<Pair>) -> Self {
        histogram!(name, labels)
    }
}

/// A metric with a series for each combination of its labels; without labels, with one series. The handles of the
/// series are kept: to look one up by name and labels takes longer than everything else that a metric costs.
pub struct Metric<H, L = ()> {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    series: OnceLock<Box<[OnceLock<H>]>>,
    of: PhantomData<fn(L)>,
}

impl<H, L> Metric<H, L> {
    /// A metric of this name. Use [`metrics!`] instead.
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Metric { name, help, labels, series: OnceLock::new(), of: PhantomData }
    }
}

impl<H: Handle, L: Labels> Metric<H, L> {
    /// Returns the series with these labels.
    pub fn of(&self, values: L) -> &H {
        self.cells()[values.index()].get_or_init(|| {
            let pairs = self.labels.iter().zip(values.words());
            H::series(self.name, pairs.map(|(label, word)| Pair::from_static_parts(label, word)).collect())
        })
    }

    fn cells(&self) -> &[OnceLock<H>] {
        self.series.get_or_init(|| {
            // A handle that is made before the recorder counts nothing.
            recorder::install();
            H::describe(self.name, self.help.trim());
            std::iter::repeat_with(OnceLock::new).take(L::COUNT).collect()
        })
    }
}

impl<H: Handle, L: Labels> Declared for Metric<H, L> {
    fn register(&self) {
        for values in L::all() {
            self.of(values);
        }
    }
}

impl<H: Handle> Deref for Metric<H> {
    type Target = H;

    fn deref(&self) -> &H {
        self.of(())
    }
}

/// A metric with so many combinations of labels that a series exists only after its first use.
pub struct Sparse<H, L>(Metric<H, L>);

impl<H, L> Sparse<H, L> {
    /// A metric of this name. Use [`metrics!`] instead.
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Sparse(Metric::new(name, help, labels))
    }
}

impl<H: Handle, L: Labels> Sparse<H, L> {
    /// Returns the series with these labels.
    pub fn of(&self, values: L) -> &H {
        self.0.of(values)
    }
}

impl<H: Handle, L: Labels> Declared for Sparse<H, L> {
    fn register(&self) {
        self.0.cells();
    }
}

#[cfg(test)]
mod tests {
    use strum::{IntoStaticStr, VariantArray};

    use super::super::Label;
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, IntoStaticStr, VariantArray)]
    #[strum(serialize_all = "snake_case")]
    enum Size {
        Small,
        VeryLarge,
    }

    impl Label for Size {}

    metrics! {
        /// A counter for a test,
        /// with a help text of two lines.
        static SOLD: Metric<Counter, (Size, Size)> = "test_declared_total" by "hat", "shoe";

        /// A metric whose series come later.
        static FEW: Sparse<Gauge, Size> = "test_declared_sparse" by "hat";

        /// A histogram for a test.
        static WAIT: Metric<Histogram> = "test_declared_wait_seconds";
    }

    #[test]
    fn every_series_exists_from_the_start_with_its_help_text() {
        register();
        SOLD.of((Size::VeryLarge, Size::Small)).increment(2);
        let text = recorder::render();
        for line in [
            "# HELP test_declared_total A counter for a test, with a help text of two lines.",
            "# TYPE test_declared_total counter",
            r#"test_declared_total{hat="small",shoe="small"} 0"#,
            r#"test_declared_total{hat="small",shoe="very_large"} 0"#,
            r#"test_declared_total{hat="very_large",shoe="small"} 2"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in {text}");
        }
        assert!(!text.contains("test_declared_sparse{"), "{text}");
        FEW.of(Size::Small).set(1.0);
        WAIT.record(0.003);
        let text = recorder::render();
        assert!(text.contains(r#"test_declared_sparse{hat="small"} 1"#), "{text}");
        assert!(text.contains(r#"test_declared_wait_seconds_bucket{le="0.004"} 1"#), "{text}");
    }
}
