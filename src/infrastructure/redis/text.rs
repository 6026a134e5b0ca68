//! The text format of values in Redis. Text that cannot be read is corrupt, never guessed.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::application::sale::ports::Attempt;
use crate::domain::sale::{Cart, CartLine, LedgerEntry, LedgerEvent, Purchase, Quantity, Release, SoldUnit};
use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{CheckoutCode, LedgerId, Ordinal};

/// An absent word: words are separated by spaces, so none may be empty.
const ABSENT: &str = "-";

/// Marks a request id, which could otherwise be taken for [`ABSENT`].
const REQUEST: char = '=';

/// `42:1,43:2`: item and quantity.
pub fn print_lines(lines: &[CartLine]) -> String {
    joined(lines.iter().map(|line| format!("{}:{}", line.ordinal, line.quantity)))
}

/// `42:1,43:2`: item and quantity.
pub fn parse_lines(text: &str) -> Option<Vec<CartLine>> {
    let line = |line: &str| {
        let (ordinal, quantity) = line.split_once(':')?;
        Some(CartLine { ordinal: ordinal_in(ordinal)?, quantity: Quantity::try_from(number(quantity)?).ok()? })
    };
    parts(text).map(line).collect()
}

/// `u1 42:1,43:2`
pub fn parse_cart(code: CheckoutCode, text: &str) -> Option<Cart> {
    let (user, lines) = text.split_once(' ')?;
    Some(Cart { code, user: user.parse().ok()?, lines: parse_lines(lines)? })
}

/// `42,43`
pub fn parse_ordinals(text: &str) -> Option<Vec<Ordinal>> {
    parts(text).map(ordinal_in).collect()
}

/// `42:1:1,43:7:2`: item, unit, slot.
pub fn print_units(units: &[SoldUnit]) -> String {
    joined(units.iter().map(|unit| format!("{}:{}:{}", unit.ordinal, unit.unit, unit.slot)))
}

/// `42:1:1,43:7:2`: item, unit, slot.
pub fn parse_units(text: &str) -> Option<Vec<SoldUnit>> {
    let unit = |unit: &str| {
        let (ordinal, rest) = unit.split_once(':')?;
        let (unit, slot) = rest.split_once(':')?;
        Some(SoldUnit { ordinal: ordinal_in(ordinal)?, unit: number(unit)?, slot: number(slot)? })
    };
    parts(text).map(unit).collect()
}

/// `1,2`
pub fn print_numbers(numbers: &[u32]) -> String {
    joined(numbers.iter().map(u32::to_string))
}

/// `1-3,5`
pub fn print_free(free: &BTreeSet<u32>) -> String {
    let mut text = String::new();
    let units: Vec<u32> = free.iter().copied().collect();
    for range in units.chunk_by(|a, b| a + 1 == *b) {
        let comma = if text.is_empty() { "" } else { "," };
        let _infallible = match range {
            [unit] => write!(text, "{comma}{unit}"),
            _ => write!(text, "{comma}{}-{}", range[0], range[range.len() - 1]),
        };
    }
    text
}

/// `1-3,5`
pub fn parse_free(text: &str) -> Option<BTreeSet<u32>> {
    let mut free = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        free.extend(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?);
    }
    Some(free)
}

/// `1101`: slots 1, 2 and 4 are filled.
pub fn print_slots(slots: &BTreeSet<u32>) -> String {
    (1..=slots.last().copied().unwrap_or(0)).map(|slot| if slots.contains(&slot) { '1' } else { '0' }).collect()
}

/// `1101`: slots 1, 2 and 4 are filled.
pub fn parse_slots(text: &str) -> Option<BTreeSet<u32>> {
    if !text.bytes().all(|byte| byte == b'0' || byte == b'1') {
        return None;
    }
    Some((1..).zip(text.bytes()).filter(|(_, byte)| *byte == b'1').map(|(slot, _)| slot).collect())
}

/// The text of a purchase in a ledger entry, as the scripts write it: code, user, request, units, missed.
pub fn print_purchase(purchase: &Purchase) -> String {
    let request = purchase.request.as_ref().map_or_else(|| ABSENT.to_owned(), |request| format!("{REQUEST}{request}"));
    let (units, missed) = (print_units(&purchase.units), print_lines(&purchase.missed));
    let missed = if missed.is_empty() { ABSENT } else { &missed };
    format!("{} {} {request} {units} {missed}", purchase.code, purchase.user)
}

/// Reads the text of a purchase.
pub fn parse_purchase(text: &str) -> Option<Purchase> {
    let [code, user, request, units, missed] = words(text)?;
    let request = match request {
        ABSENT => None,
        request => Some(request.strip_prefix(REQUEST)?.parse().ok()?),
    };
    Some(Purchase {
        code: code.parse().ok()?,
        user: user.parse().ok()?,
        request,
        units: parse_units(units).filter(|units| (1..=CART_UNITS as usize).contains(&units.len()))?,
        missed: if missed == ABSENT { Vec::new() } else { parse_lines(missed)? },
    })
}

/// Reads the text of a release: the id of the purchase, units, slots. Either list may be empty.
pub fn parse_release(text: &str) -> Option<Release> {
    let mut words = text.split(' ');
    let (purchase, units, slots) = (words.next()?, words.next()?, words.next()?);
    let slots = parts(slots).map(number).collect::<Option<_>>()?;
    Some(Release { purchase: purchase.parse().ok()?, units: parse_units(units)?, slots })
}

/// Reads a ledger entry, which has one field. An entry that cannot be read is [`LedgerEvent::Unreadable`].
pub fn parse_entry(id: LedgerId, fields: &[String]) -> LedgerEntry {
    let event = match fields {
        [kind, _] if kind == "opened" => Some(LedgerEvent::Opened),
        [kind, purchase] if kind == "sold" => parse_purchase(purchase).map(LedgerEvent::Sold),
        [kind, release] if kind == "released" => parse_release(release).map(LedgerEvent::Released),
        _ => None,
    };
    LedgerEntry { id, event: event.unwrap_or_else(|| LedgerEvent::Unreadable(fields.join(" "))) }
}

/// Reads an accepted checkout: code, user, lines.
pub fn parse_attempt(id: LedgerId, fields: &[String]) -> Option<Attempt> {
    let [kind, text] = fields else { return None };
    let [code, user, lines] = words(text)?;
    let attempt = Attempt { id, code: code.parse().ok()?, user: user.parse().ok()?, lines: parse_lines(lines)? };
    (kind == "checkout").then_some(attempt)
}

fn ordinal_in(text: &str) -> Option<Ordinal> {
    Ordinal::try_from(number(text)?).ok()
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|part| !part.is_empty())
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<String>>().join(",")
}

/// Splits a text into exactly `N` words.
fn words<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut words = text.split(' ');
    let mut found = [""; N];
    for word in &mut found {
        *word = words.next()?;
    }
    words.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for free in [vec![], vec![1], vec![1, 2], vec![1, 2, 3, 5, 7, 8], (1..=1000).collect()] {
            let free: BTreeSet<u32> = free.into_iter().collect();
            assert_eq!(parse_free(&print_free(&free)).unwrap(), free);
            assert_eq!(parse_slots(&print_slots(&free)).unwrap(), free);
        }
        assert_eq!(print_free(&[1, 2, 3, 5].into()), "1-3,5");
        assert_eq!(print_slots(&[1, 2, 4].into()), "1101");
        assert_eq!(print_lines(&parse_lines("42:1,43:2").unwrap()), "42:1,43:2");
        assert_eq!(print_units(&parse_units("42:1:1,43:7:2").unwrap()), "42:1:1,43:7:2");
        let code = format!("20261120T09-{:032x}", 7);
        for sold in [
            format!("{code} u - 1:1:1 -"),
            format!("{code} a:b =r-1 1:1:1,2:3:4 3:1,4:2"),
            format!("{code} u =- 1:1:1 -"),
        ] {
            assert_eq!(print_purchase(&parse_purchase(&sold).unwrap()), sold);
        }
    }

    #[test]
    fn an_unreadable_entry_is_kept_as_it_is() {
        let code = format!("20261120T09-{:032x}", 7);
        let event = |kind: &str, text: &str| parse_entry(LedgerId::ZERO, &[kind.into(), text.into()]).event;
        assert!(matches!(event("sold", &format!("{code} u - 1:1:1 -")), LedgerEvent::Sold(_)));
        assert!(matches!(event("released", "1-1  "), LedgerEvent::Released(_)));
        for text in [
            String::new(),
            format!("{code} u - 1:1:1"),
            format!("{code} u - 1:1:1 - -"),
            format!("{code} u - 1:1 -"),
            format!("{code} u - - -"),
            format!("{code} u r1 1:1:1 -"),
            format!("{code} u = 1:1:1 -"),
            format!("{code} u - {} -", ["1:1:1"; 11].join(",")),
            format!("{code} ü - 1:1:1 -"),
            format!("{code} u - 0:1:1 -"),
            "code u - 1:1:1 -".to_owned(),
        ] {
            assert_eq!(event("sold", &text), LedgerEvent::Unreadable(format!("sold {text}")), "{text}");
        }
        assert!(matches!(event("other", ""), LedgerEvent::Unreadable(_)));
        assert!(matches!(parse_entry(LedgerId::ZERO, &[]).event, LedgerEvent::Unreadable(_)));
    }
}
