//! Everything that callers name: what is read is printed as text that means the same.

#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use flashsale::domain::sale::{ItemRef, SaleStatus};
use flashsale::domain::shared::{CheckoutCode, Currency, ItemId, LedgerId, Money, OrderId, RequestId, SaleId, UserId};
use libfuzzer_sys::fuzz_target;

fn round_trip<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().unwrap(), value, "{text:?}");
    }
}

/// The same for a value with one text only.
fn one_text<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    round_trip::<T>(text);
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

fuzz_target!(|text: &str| {
    one_text::<SaleId>(text);
    one_text::<ItemId>(text);
    one_text::<CheckoutCode>(text);
    one_text::<LedgerId>(text);
    one_text::<OrderId>(text);
    one_text::<UserId>(text);
    one_text::<RequestId>(text);
    one_text::<Currency>(text);
    round_trip::<Money>(text);
    let _ = text.parse::<ItemRef>();
    let _ = text.parse::<SaleStatus>();
});
