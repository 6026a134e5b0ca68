//! The text format of values in Redis. Text that cannot be read is corrupt, never guessed.

use std::collections::BTreeSet;

use crate::application::sale::ports::{Attempt, Watermark};
use crate::domain::sale::{
    Cart, CartLine, Catalog, Item, LedgerEntry, LedgerEvent, Purchase, Quantity, Release, SoldUnit,
};
use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{CheckoutCode, Epoch, LedgerId, Ordinal};

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
    parts(text).map(parse_line).collect()
}

/// `42:1`
fn parse_line(text: &str) -> Option<CartLine> {
    let (ordinal, quantity) = text.split_once(':')?;
    Some(CartLine { ordinal: ordinal_in(ordinal)?, quantity: Quantity::try_from(number(quantity)?).ok()? })
}

/// `42:1:5,43:2:9`: item, quantity, and the stock of the item; 0 for one that the sale does not have.
pub fn print_stocked_lines(catalog: &Catalog, lines: &[CartLine]) -> String {
    let stock = |line: &CartLine| catalog.item(line.ordinal).map_or(0, Item::stock);
    joined(lines.iter().map(|line| format!("{}:{}:{}", line.ordinal, line.quantity, stock(line))))
}

/// `42:1:5,43:2:9`: item, quantity and stock.
pub fn parse_stocked_lines(text: &str) -> Option<Vec<CartLine>> {
    let line = |line: &str| {
        let (line, stock) = line.rsplit_once(':')?;
        number(stock)?;
        parse_line(line)
    };
    parts(text).map(line).collect()
}

/// `u1 42:1:5,43:2:9`
pub fn parse_cart(code: CheckoutCode, text: &str) -> Option<Cart> {
    let (user, lines) = text.split_once(' ')?;
    Some(Cart { code, user: user.parse().ok()?, lines: parse_stocked_lines(lines)? })
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

/// `7,2,5`: of the numbers from 1 to 7, all but 2 and 5 are taken.
pub fn print_taken(taken: &BTreeSet<u32>) -> String {
    let highest = taken.last().copied().unwrap_or(0);
    let gaps = (1..highest).filter(|number| !taken.contains(number));
    joined([highest].into_iter().chain(gaps).map(|number| number.to_string()))
}

/// `7,2,5`: of the numbers from 1 to 7, all but 2 and 5 are taken.
///
/// A number above `highest` cannot be: expanding it could take all memory.
pub fn parse_taken(text: &str, highest: u32) -> Option<BTreeSet<u32>> {
    let mut numbers = text.split(',').map(number);
    let mut taken: BTreeSet<u32> = (1..=numbers.next()?.filter(|number| *number <= highest)?).collect();
    for gap in numbers {
        taken.remove(&gap?);
    }
    Some(taken)
}

/// Returns those of these numbers that are taken.
pub fn taken_among(text: &str, of: &BTreeSet<u32>) -> Option<BTreeSet<u32>> {
    let mut numbers = text.split(',').map(number);
    let highest = numbers.next()??;
    let gaps: BTreeSet<u32> = numbers.collect::<Option<_>>()?;
    Some(of.iter().copied().filter(|number| (1..=highest).contains(number) && !gaps.contains(number)).collect())
}

/// A purchase as a line of a ledger entry: id, code, user, request, units, missed.
pub fn print_sold(id: LedgerId, purchase: &Purchase) -> String {
    let request = purchase.request.as_ref().map_or_else(|| ABSENT.to_owned(), |request| format!("{REQUEST}{request}"));
    let (units, missed) = (print_units(&purchase.units), print_lines(&purchase.missed));
    let missed = if missed.is_empty() { ABSENT } else { &missed };
    format!("{id} {} {} {request} {units} {missed}", purchase.code, purchase.user)
}

/// Reads a purchase from its line.
pub fn parse_sold(line: &str) -> Option<(LedgerId, Purchase)> {
    let [id, code, user, request, units, missed] = words(line)?;
    let request = match request {
        ABSENT => None,
        request => Some(request.strip_prefix(REQUEST)?.parse().ok()?),
    };
    let purchase = Purchase {
        code: code.parse().ok()?,
        user: user.parse().ok()?,
        request,
        units: parse_units(units).filter(|units| (1..=CART_UNITS as usize).contains(&units.len()))?,
        missed: if missed == ABSENT { Vec::new() } else { parse_lines(missed)? },
    };
    Some((id.parse().ok()?, purchase))
}

/// The words of a release: the id of the purchase, units, slots, reason. Either list may be empty.
pub fn release_words(release: &Release) -> [String; 4] {
    let slots = joined(release.slots.iter().map(u32::to_string));
    [release.purchase.to_string(), print_units(&release.units), slots, release.reason.to_string()]
}

/// Reads the words of a release.
pub fn parse_release(text: &str) -> Option<Release> {
    let [purchase, units, slots, reason] = words(text)?;
    let slots = parts(slots).map(number).collect::<Option<_>>()?;
    Some(Release { purchase: purchase.parse().ok()?, units: parse_units(units)?, slots, reason: reason.parse().ok()? })
}

/// Reads a stream entry of the ledger, which has one field: one event, or several purchases. What cannot be read is
/// [`LedgerEvent::Unreadable`].
pub fn parse_entries(id: LedgerId, fields: &[String]) -> Vec<LedgerEntry> {
    let event = match fields {
        [kind, lines] if kind == "sold" => return lines.split('\n').map(|line| sold_entry(id, line)).collect(),
        [kind, _] if kind == "opened" => Some(LedgerEvent::Opened),
        [kind, release] if kind == "released" => parse_release(release).map(LedgerEvent::Released),
        _ => None,
    };
    vec![LedgerEntry { id, event: event.unwrap_or_else(|| LedgerEvent::Unreadable(fields.join(" "))) }]
}

/// Reads one purchase of the stream entry with the id `last`.
fn sold_entry(last: LedgerId, line: &str) -> LedgerEntry {
    if let Some((id, purchase)) = parse_sold(line).filter(|(id, _)| *id <= last) {
        return LedgerEntry { id, event: LedgerEvent::Sold(purchase) };
    }
    let id = line.split(' ').next().and_then(|id| id.parse().ok()).filter(|id| *id <= last);
    LedgerEntry { id: id.unwrap_or(last), event: LedgerEvent::Unreadable(format!("sold {line}")) }
}

/// Reads an entry of accepted checkouts, a line for each: code, user, lines. One that cannot be read is `None`.
pub fn parse_attempts(id: LedgerId, fields: &[String]) -> Vec<Option<Attempt>> {
    match fields {
        [kind, lines] if kind == "checkouts" => lines.split('\n').map(|line| parse_attempt(id, line)).collect(),
        _ => vec![None],
    }
}

fn parse_attempt(id: LedgerId, line: &str) -> Option<Attempt> {
    let [code, user, lines] = words(line)?;
    Some(Attempt { id, code: code.parse().ok()?, user: user.parse().ok()?, lines: parse_stocked_lines(lines)? })
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

/// `20261120T09 1 1763632800000-5 0 1763632800000-4,1763632800000-5`: sale, epoch, the last archived id, the number of
/// rejections, and the entries archived last.
pub fn print_watermark(watermark: &Watermark) -> String {
    let Watermark { sale, epoch, persisted, archived, rejections } = watermark;
    format!("{sale} {epoch} {persisted} {rejections} {}", joined(archived.iter().map(LedgerId::to_string)))
}

/// Reads what [`print_watermark`] writes.
pub fn parse_watermark(text: &str) -> Option<Watermark> {
    let [sale, epoch, persisted, rejections, archived] = words(text)?;
    Some(Watermark {
        sale: sale.parse().ok()?,
        epoch: Epoch(epoch.parse().ok()?),
        persisted: persisted.parse().ok()?,
        archived: parts(archived).map(|id| id.parse().ok()).collect::<Option<_>>()?,
        rejections: rejections.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for taken in [vec![], vec![1], vec![2], vec![1, 2], vec![1, 2, 3, 5, 7, 8], (1..=1000).collect()] {
            let taken: BTreeSet<u32> = taken.into_iter().collect();
            assert_eq!(parse_taken(&print_taken(&taken), 1_000).unwrap(), taken);
        }
        assert_eq!(print_taken(&[1, 3, 4, 6, 7].into()), "7,2,5");
        assert_eq!(print_taken(&BTreeSet::new()), "0");
        // A script leaves the highest number in place when it becomes free.
        assert_eq!(parse_taken("3,2,3", 3).unwrap(), [1].into());
        assert_eq!(taken_among("3,2,3", &(0..9).collect()).unwrap(), [1].into());
        for text in ["", "x", "-1", "4", "3,", "3,x"] {
            assert_eq!(parse_taken(text, 3), None, "{text:?}");
        }
        assert_eq!(print_lines(&parse_lines("42:1,43:2").unwrap()), "42:1,43:2");
        let catalog = Catalog::generated(42).unwrap();
        let stocked = print_stocked_lines(&catalog, &parse_lines("42:1,43:2").unwrap());
        assert_eq!(stocked, "42:1:1,43:2:0");
        assert_eq!(print_lines(&parse_stocked_lines(&stocked).unwrap()), "42:1,43:2");
        assert_eq!(print_units(&parse_units("42:1:1,43:7:2").unwrap()), "42:1:1,43:7:2");
        let code = format!("20261120T09-{:032x}", 7);
        for line in [
            format!("5-1 {code} u - 1:1:1 -"),
            format!("5-2 {code} a:b =r-1 1:1:1,2:3:4 3:1,4:2"),
            format!("5-3 {code} u =- 1:1:1 -"),
        ] {
            let (id, purchase) = parse_sold(&line).unwrap();
            assert_eq!(print_sold(id, &purchase), line);
        }
        for text in ["5-1 1:1:1,2:3:4 1,4 void", "5-1 1:1:1 1 cancelled", "5-1 1:1:1 1 expired", "5-1   rejected"] {
            assert_eq!(release_words(&parse_release(text).unwrap()).join(" "), text);
        }
    }

    #[test]
    fn an_unreadable_purchase_is_kept_as_it_is_and_does_not_hide_the_others() {
        let code = format!("20261120T09-{:032x}", 7);
        let last: LedgerId = "5-9".parse().unwrap();
        let entries = |kind: &str, text: &str| parse_entries(last, &[kind.into(), text.into()]);
        let good = format!("5-8 {code} u - 1:1:1 -");
        assert!(matches!(entries("sold", &good)[..], [LedgerEntry { event: LedgerEvent::Sold(_), .. }]));
        assert!(matches!(entries("released", "1-1   void")[..], [LedgerEntry { event: LedgerEvent::Released(_), .. }]));
        for text in ["", "1-1", "1-1  ", "1-1   lost", "1-1   void void", "1-1 x  void", "1-1  x void"] {
            assert!(
                matches!(entries("released", text)[..], [LedgerEntry { event: LedgerEvent::Unreadable(_), .. }]),
                "{text:?}"
            );
        }
        for text in [
            String::new(),
            format!("{code} u - 1:1:1 -"),
            format!("5-9 {code} u - 1:1:1"),
            format!("5-9 {code} u - 1:1:1 - -"),
            format!("5-9 {code} u - 1:1 -"),
            format!("5-9 {code} u - - -"),
            format!("5-9 {code} u r1 1:1:1 -"),
            format!("5-9 {code} u = 1:1:1 -"),
            format!("5-9 {code} u - {} -", ["1:1:1"; 11].join(",")),
            format!("5-9 {code} ü - 1:1:1 -"),
            format!("5-9 {code} u - 0:1:1 -"),
            format!("5-10 {code} u - 1:1:1 -"),
            "5-9 code u - 1:1:1 -".to_owned(),
        ] {
            let found = entries("sold", &format!("{good}\n{text}"));
            assert!(matches!(&found[0], LedgerEntry { event: LedgerEvent::Sold(_), .. }));
            let unreadable = LedgerEntry { id: last, event: LedgerEvent::Unreadable(format!("sold {text}")) };
            assert_eq!(found[1..], [unreadable], "{text}");
        }
        assert!(matches!(entries("other", "")[..], [LedgerEntry { event: LedgerEvent::Unreadable(_), .. }]));
        assert!(matches!(parse_entries(last, &[])[..], [LedgerEntry { event: LedgerEvent::Unreadable(_), .. }]));
    }
}
