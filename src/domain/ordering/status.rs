//! The states of an order.

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::domain::shared::Money;

/// The state of an order. As a text it is the word in the table and in answers.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    utoipa::ToSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Its units are kept until it is paid, cancelled or expired.
    Reserved,
    /// A payment is under way.
    PaymentPending,
    Paid,
    Cancelled,
    Expired,
}

impl OrderStatus {
    /// Returns the state of a new order: one that costs nothing is paid.
    pub fn of_new(total: Money) -> Self {
        if total == Money::default() { OrderStatus::Paid } else { OrderStatus::Reserved }
    }

    /// Returns true if it never changes again.
    pub fn is_final(self) -> bool {
        match self {
            OrderStatus::Reserved | OrderStatus::PaymentPending => false,
            OrderStatus::Paid | OrderStatus::Cancelled | OrderStatus::Expired => true,
        }
    }
}
