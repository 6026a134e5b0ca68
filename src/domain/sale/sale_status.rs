//! The state of a sale.

use std::str::FromStr;

use serde::Serialize;
use strum::{Display, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

use crate::domain::shared::Invalid;

/// The state of a sale as shoppers see it. It depends on the time alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema, Display, IntoStaticStr, VariantArray)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum SaleStatus {
    Scheduled,
    Open,
    Ended,
}

impl FromStr for SaleStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let named = SaleStatus::VARIANTS.iter().find(|status| <&str>::from(*status) == text);
        named.copied().ok_or_else(|| Invalid::new("must be scheduled, open or ended"))
    }
}
