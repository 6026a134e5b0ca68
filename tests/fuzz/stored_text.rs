//! The text of carts, ledger entries and announcements in Redis: what is read is printed as text that means the same.

#![no_main]

use std::fmt::Debug;

use flashsale::domain::shared::{CheckoutCode, LedgerId};
use flashsale::infrastructure::redis::text::*;
use libfuzzer_sys::fuzz_target;

/// Items, units and slots of a sale are far fewer.
const TAKEN_MAX: u32 = 1_000;

fn round_trip<T: PartialEq + Debug>(text: &str, parse: impl Fn(&str) -> Option<T>, print: impl Fn(&T) -> String) {
    if let Some(value) = parse(text) {
        let printed = print(&value);
        assert_eq!(parse(&printed).as_ref(), Some(&value), "{text:?} is printed as {printed:?}");
    }
}

fuzz_target!(|text: &str| {
    round_trip(text, parse_lines, |lines| print_lines(lines));
    round_trip(text, parse_units, |units| print_units(units));
    round_trip(text, |text| parse_taken(text, TAKEN_MAX), print_taken);
    round_trip(text, parse_sold, |(id, purchase)| print_sold(*id, purchase));
    round_trip(text, parse_release, |release| release_words(release).join(" "));
    round_trip(text, parse_watermark, print_watermark);
    let _ = parse_stocked_lines(text);
    let _ = parse_ordinals(text);
    let _ = taken_among(text, &(0..20).collect());
    let Some((first, rest)) = text.split_once('\n') else { return };
    if let Ok(code) = first.parse::<CheckoutCode>() {
        let _ = parse_cart(code, rest);
    }
    if let Ok(last) = first.parse::<LedgerId>() {
        let fields: Vec<String> = rest.splitn(3, '\t').map(str::to_owned).collect();
        let entries = parse_entries(last, &fields);
        assert!(!entries.is_empty() && entries.iter().all(|entry| entry.id <= last));
        assert!(!parse_attempts(last, &fields).is_empty());
    }
});
