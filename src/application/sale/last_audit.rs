//! The last audit of a sale.

use chrono::{DateTime, Utc};

use super::findings::Findings;

/// The last audit of a sale, on the instance that audits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAudit {
    /// The end of the last audit that had a result; before the first, the time since which audits are made.
    pub at: DateTime<Utc>,
    pub findings: Option<Findings>,
}
