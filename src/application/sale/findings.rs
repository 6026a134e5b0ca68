//! The findings of a verification.

use std::fmt;

/// The findings about a sale. All but `sold` should be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Findings {
    /// Units that PostgreSQL says are sold, without released ones.
    pub sold: u64,
    /// Purchases that the cursor counts as archived and that are not.
    pub lost: u64,
    /// Units sold more than once, or that do not exist.
    pub oversold: u64,
    /// Users who own more than the limit.
    pub over_limit: u64,
    /// Differences between Redis and PostgreSQL in the window and the limit, the ledger, units, slots, receipts, requests and
    /// releases, and purchases whose totals differ from those of their units.
    pub drift: u64,
}

impl Findings {
    /// Returns true if every invariant holds.
    pub fn is_sound(&self) -> bool {
        self.faults() == Findings::default()
    }

    /// Returns the findings without `sold`.
    pub fn faults(self) -> Findings {
        Findings { sold: 0, ..self }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { sold, lost, oversold, over_limit, drift } = self;
        write!(f, "sold={sold} lost={lost} oversold={oversold} over_limit={over_limit} drift={drift}")
    }
}

impl std::ops::AddAssign for Findings {
    fn add_assign(&mut self, other: Findings) {
        self.sold += other.sold;
        self.lost += other.lost;
        self.oversold += other.oversold;
        self.over_limit += other.over_limit;
        self.drift += other.drift;
    }
}
