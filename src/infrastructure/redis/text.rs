//! How values are written in Redis, and read back. What cannot be read is corrupt, never guessed.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::application::ports::StoreError;
use crate::domain::{
    Cart, CartLine, LedgerEntry, LedgerEvent, LedgerId, Ordinal, Quantity, Released, RequestId, Sold, SoldUnit,
};

/// `42:1 43:2`
pub fn print_lines(lines: &[CartLine]) -> String {
    let mut text = String::new();
    for line in lines {
        let space = if text.is_empty() { "" } else { " " };
        let _infallible = write!(text, "{space}{}:{}", line.ordinal, line.quantity);
    }
    text
}

/// `42:1 43:2`
pub fn parse_lines(text: &str) -> Option<Vec<CartLine>> {
    let line = |line: &str| {
        let (ordinal, quantity) = line.split_once(':')?;
        Some(CartLine {
            ordinal: ordinal_in(ordinal)?,
            quantity: Quantity::try_from(quantity.parse::<u32>().ok()?).ok()?,
        })
    };
    text.split_ascii_whitespace().map(line).collect()
}

/// `u1 42:1 43:2`
pub fn parse_cart(text: &str) -> Option<Cart> {
    let (user, lines) = text.split_once(' ')?;
    Some(Cart { user: user.parse().ok()?, lines: parse_lines(lines)? })
}

/// `42 43`
pub fn parse_ordinals(text: &str) -> Option<Vec<Ordinal>> {
    text.split_ascii_whitespace().map(ordinal_in).collect()
}

/// `42:1:1 43:7:2`: item, unit, slot.
pub fn print_units(units: &[SoldUnit]) -> String {
    let mut text = String::new();
    for unit in units {
        let space = if text.is_empty() { "" } else { " " };
        let _infallible = write!(text, "{space}{}:{}:{}", unit.ordinal, unit.unit, unit.slot);
    }
    text
}

fn parse_units(text: &str) -> Option<Vec<SoldUnit>> {
    let unit = |unit: &str| {
        let (ordinal, rest) = unit.split_once(':')?;
        let (unit, slot) = rest.split_once(':')?;
        Some(SoldUnit { ordinal: ordinal_in(ordinal)?, unit: unit.parse().ok()?, slot: slot.parse().ok()? })
    };
    text.split_ascii_whitespace().map(unit).collect()
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

/// The fields of a ledger entry that says what was sold, as the scripts write them.
pub fn sold_fields(sold: &Sold) -> [(&'static str, String); 6] {
    [
        ("kind", "sold".to_owned()),
        ("code", sold.code.to_string()),
        ("user", sold.user.to_string()),
        ("request", sold.request.as_ref().map(RequestId::to_string).unwrap_or_default()),
        ("units", print_units(&sold.units)),
        ("missed", print_lines(&sold.missed)),
    ]
}

/// The value of a field of a stream entry.
pub fn field<'a>(fields: &'a [String], name: &str) -> Option<&'a str> {
    fields.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str())
}

/// What a stream entry with these names and values says was sold.
pub fn parse_sold(fields: &[String]) -> Option<Sold> {
    let request = match field(fields, "request")? {
        "" => None,
        request => Some(request.parse().ok()?),
    };
    Some(Sold {
        code: field(fields, "code")?.parse().ok()?,
        user: field(fields, "user")?.parse().ok()?,
        request,
        units: parse_units(field(fields, "units")?).filter(|units| !units.is_empty())?,
        missed: parse_lines(field(fields, "missed")?)?,
    })
}

/// A ledger entry with these names and values; unreadable where it makes no sense.
pub fn parse_entry(id: LedgerId, fields: &[String]) -> LedgerEntry {
    let event = match field(fields, "kind") {
        Some("opened") => Some(LedgerEvent::Opened),
        Some("sold") => parse_sold(fields).map(LedgerEvent::Sold),
        Some("released") => parse_released(fields).map(LedgerEvent::Released),
        _ => None,
    };
    LedgerEntry { id, event: event.unwrap_or_else(|| LedgerEvent::Unreadable(fields.join(" "))) }
}

fn parse_released(fields: &[String]) -> Option<Released> {
    let slots = field(fields, "slots")?.split_ascii_whitespace().map(|slot| slot.parse().ok());
    Some(Released {
        sold: field(fields, "sold")?.parse().ok()?,
        units: parse_units(field(fields, "units")?)?,
        slots: slots.collect::<Option<_>>()?,
    })
}

/// An error that says what could not be read.
pub fn corrupt(what: impl std::fmt::Debug) -> StoreError {
    StoreError::Corrupt(format!("{what:?}"))
}

fn ordinal_in(text: &str) -> Option<Ordinal> {
    Ordinal::try_from(text.parse::<u32>().ok()?).ok()
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
        assert_eq!(print_lines(&parse_lines("42:1 43:2").unwrap()), "42:1 43:2");
        assert_eq!(print_units(&parse_units("42:1:1 43:7:2").unwrap()), "42:1:1 43:7:2");
    }

    #[test]
    fn an_entry_that_makes_no_sense_is_kept_as_it_is() {
        let fields = |pairs: &[(&str, &str)]| -> Vec<String> {
            pairs.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]).collect()
        };
        let code = format!("20261120T09-{:032x}", 7);
        let good =
            [("kind", "sold"), ("code", &code), ("user", "u"), ("request", ""), ("units", "1:1:1"), ("missed", "")];
        assert!(matches!(parse_entry(LedgerId::ZERO, &fields(&good)).event, LedgerEvent::Sold(_)));
        for spoilt in 1..good.len() {
            let mut bad = good;
            bad[spoilt].1 = "?";
            // Anything may be a request id.
            let readable = bad[spoilt].0 == "request";
            let event = parse_entry(LedgerId::ZERO, &fields(&bad)).event;
            assert_eq!(matches!(event, LedgerEvent::Sold(_)), readable, "{bad:?}");
        }
        assert!(matches!(parse_entry(LedgerId::ZERO, &fields(&[("x", "y")])).event, LedgerEvent::Unreadable(_)));
    }
}
