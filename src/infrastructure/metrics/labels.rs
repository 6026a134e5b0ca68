//! The values of labels.

use strum::{IntoStaticStr, VariantArray};

use crate::application::shared::StoreError;

/// An enum without data that is a label. Its values are its variants in snake case, as `strum` derives them.
pub trait Label: Copy + PartialEq + VariantArray + Into<&'static str> + 'static {}

/// The labels of a metric: none, one, or a tuple of several.
pub trait Labels: Copy + 'static {
    /// The number of combinations.
    const COUNT: usize;

    /// Returns every combination of values, each at its index.
    fn all() -> Vec<Self>;

    /// Returns the position of this combination among all.
    fn index(self) -> usize;

    /// Returns the exported words, one for each label.
    fn words(self) -> Vec<&'static str>;
}

impl Labels for () {
    const COUNT: usize = 1;

    fn all() -> Vec<Self> {
        vec![()]
    }

    fn index(self) -> usize {
        0
    }

    fn words(self) -> Vec<&'static str> {
        Vec::new()
    }
}

impl<L: Label> Labels for L {
    const COUNT: usize = L::VARIANTS.len();

    fn all() -> Vec<Self> {
        L::VARIANTS.to_vec()
    }

    fn index(self) -> usize {
        L::VARIANTS.iter().position(|value| *value == self).unwrap_or_default()
    }

    fn words(self) -> Vec<&'static str> {
        vec![self.into()]
    }
}

impl<A: Labels, B: Labels> Labels for (A, B) {
    const COUNT: usize = A::COUNT * B::COUNT;

    fn all() -> Vec<Self> {
        let rows = |a: A| B::all().into_iter().map(move |b| (a, b));
        A::all().into_iter().flat_map(rows).collect()
    }

    fn index(self) -> usize {
        self.0.index() * B::COUNT + self.1.index()
    }

    fn words(self) -> Vec<&'static str> {
        [self.0.words(), self.1.words()].concat()
    }
}

impl<A: Labels, B: Labels, C: Labels> Labels for (A, B, C) {
    const COUNT: usize = <((A, B), C)>::COUNT;

    fn all() -> Vec<Self> {
        <((A, B), C)>::all().into_iter().map(|((a, b), c)| (a, b, c)).collect()
    }

    fn index(self) -> usize {
        let (a, b, c) = self;
        ((a, b), c).index()
    }

    fn words(self) -> Vec<&'static str> {
        let (a, b, c) = self;
        ((a, b), c).words()
    }
}

/// The kind of a store error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum StoreErrorKind {
    Fenced,
    Busy,
    Unreachable,
    Corrupt,
}

impl Label for StoreErrorKind {}

impl StoreErrorKind {
    /// Returns the kind of this error.
    pub fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Fenced => StoreErrorKind::Fenced,
            StoreError::Busy(_) => StoreErrorKind::Busy,
            StoreError::Unreachable(_) => StoreErrorKind::Unreachable,
            StoreError::Corrupt(_) => StoreErrorKind::Corrupt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_at_its_index() {
        type Three = (StoreErrorKind, StoreErrorKind, StoreErrorKind);
        let all = Three::all();
        assert_eq!((all.len(), Three::COUNT), (64, 64));
        assert!(all.iter().enumerate().all(|(place, values)| values.index() == place));
        let values = (StoreErrorKind::Busy, StoreErrorKind::Fenced, StoreErrorKind::Corrupt);
        assert_eq!(values.words(), ["busy", "fenced", "corrupt"]);
    }
}
