//! The text of ids.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use divan::{Bencher, black_box};
use flashsale::domain::sale::ItemRef;
use flashsale::domain::shared::{CheckoutCode, ItemId, LedgerId, OrderId, UserId};

trait Sample: FromStr<Err: Debug> {
    const TEXT: &str;
}

impl Sample for ItemId {
    const TEXT: &str = "20261120T09-00042";
}

impl Sample for ItemRef {
    const TEXT: &str = ItemId::TEXT;
}

impl Sample for CheckoutCode {
    const TEXT: &str = "20261120T09-0123456789abcdef0123456789abcdef";
}

impl Sample for OrderId {
    const TEXT: &str = "20261120T09-1763632800000-42";
}

impl Sample for LedgerId {
    const TEXT: &str = "1763632800000-42";
}

impl Sample for UserId {
    const TEXT: &str = "ann@example.org";
}

#[divan::bench(types = [ItemId, ItemRef, CheckoutCode, OrderId, LedgerId, UserId])]
fn parse<T: Sample>() -> Result<T, T::Err> {
    black_box(T::TEXT).parse()
}

#[divan::bench(types = [ItemId, CheckoutCode, OrderId, LedgerId])]
fn print<T: Sample + Display + Sync>(bencher: Bencher) {
    let id: T = T::TEXT.parse().expect("the sample is an id");
    bencher.bench(|| black_box(&id).to_string());
}
