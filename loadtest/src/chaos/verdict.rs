//! The comparison of what the shoppers were told with what the stores hold.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Error;
use super::archive::{Archive, Purchase as Archived};
use super::crowd::Crowd;
use super::history::History;
use super::orders;
use super::purchase::Name;
use super::world::World;
use crate::api::Receipt;
use crate::client::Client;

/// Units of a sale that a user may own, by default, and units of a cart.
pub const USER_LIMIT: u64 = 10;
/// Attempts to learn the outcome of a purchase at the end.
const ATTEMPTS: usize = 30;
/// Concurrent reads of receipts.
const READERS: usize = 24;
/// Time for the last entries to be archived, and for an audit to repair what a fault left.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(60);

/// The result of a run. All counts but the first must be zero.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    pub acked: u64,
    pub lost: u64,
    pub oversold: u64,
    pub over_limit: u64,
    pub double_receipt: u64,
    pub false_refusal: u64,
    pub unresolved: u64,
    pub drift: u64,
    /// Orders with more than one charge that was not refunded.
    pub double_charge: u64,
    /// Charges of orders that are not paid, or of another amount.
    pub charged_not_paid: u64,
    pub paid_not_charged: u64,
    /// Orders that are over although nothing ended them.
    pub ended_early: u64,
    /// Orders with more than one final state, as told and as held.
    pub two_fates: u64,
    /// Orders that are not over long after their time, that keep their stock, or that are paid and have none.
    pub unreturned: u64,
    pub returned_twice: u64,
}

impl Verdict {
    pub fn is_sound(&self) -> bool {
        self.zeros().iter().all(|(_, count)| *count == 0)
    }

    /// Returns the counts that must be zero, by their names.
    fn zeros(&self) -> [(&'static str, u64); 14] {
        [
            ("lost", self.lost),
            ("oversold", self.oversold),
            ("over_limit", self.over_limit),
            ("double_receipt", self.double_receipt),
            ("false_refusal", self.false_refusal),
            ("unresolved", self.unresolved),
            ("drift", self.drift),
            ("double_charge", self.double_charge),
            ("charged_not_paid", self.charged_not_paid),
            ("paid_not_charged", self.paid_not_charged),
            ("ended_early", self.ended_early),
            ("two_fates", self.two_fates),
            ("unreturned", self.unreturned),
            ("returned_twice", self.returned_twice),
        ]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acked={}", self.acked)?;
        self.zeros().iter().try_for_each(|(name, count)| write!(f, " {name}={count}"))
    }
}

/// Asks for every outcome that is unknown, then compares. The shoppers have left.
pub async fn reach(world: &World, crowd: &Rc<Crowd>) -> Result<Verdict, Error> {
    resolve(crowd).await;
    let open = orders::settled(world).await?;
    let findings = verified(world).await.map_err(Error::Failed)?;
    let archive = Archive::read(&world.postgres.primary).await?;
    let charges = world.provider.charges().await?;
    let shown = compare_shown(crowd).await;
    let history = &mut *crowd.history.borrow_mut();
    let lost = lost(history, &archive) + shown;
    let false_refusals = history.false_refusals + false_refusals(history, &archive);
    let mut verdict = Verdict {
        acked: history.acknowledged() as u64,
        lost: lost + findings.lost,
        oversold: oversold(history, &archive) + findings.oversold,
        over_limit: over_limit(history, &archive) + findings.over_limit,
        double_receipt: history.double_receipts,
        false_refusal: false_refusals,
        unresolved: history.unknown.len() as u64,
        drift: findings.drift,
        unreturned: open + findings.unreturned + findings.overdue + findings.paid_and_released + findings.unsettled,
        returned_twice: archive.rejected_releases as u64,
        ..Verdict::default()
    };
    orders::judge(&mut verdict, &archive, &charges, history);
    if archive.rejections > 0 {
        history.note(format!("PostgreSQL rejected {} ledger entries", archive.rejections));
    }
    if verdict.acked == 0 {
        verdict.unresolved += 1;
        history.note("nothing was acknowledged".to_owned());
    }
    Ok(verdict)
}

/// Asks again, with the same code or request id, for every purchase whose outcome is unknown.
async fn resolve(crowd: &Rc<Crowd>) {
    let unknown = std::mem::take(&mut crowd.history.borrow_mut().unknown);
    let mut asking = JoinSet::new();
    for (purchase, client) in unknown.into_iter().zip(crowd.clients.iter().cycle()) {
        let (crowd, client) = (crowd.clone(), client.clone());
        asking.spawn_local(async move { purchase.until_known(|| client.clone(), &crowd.history, ATTEMPTS).await });
    }
    asking.join_all().await;
}

/// Runs `flashsale verify` until it finds nothing, or for as long as a repair may take.
async fn verified(world: &World) -> Result<crate::verify::Findings, String> {
    let deadline = Instant::now() + REPAIR_TIMEOUT;
    loop {
        match world.verify().await {
            Ok(found) if found.is_sound() => return Ok(found),
            result if Instant::now() > deadline => return result,
            _ => sleep(Duration::from_secs(1)).await,
        }
    }
}

/// Counts the acknowledged purchases that the service shows with another receipt, or not at all.
async fn compare_shown(crowd: &Rc<Crowd>) -> u64 {
    let codes = Rc::new(RefCell::new(crowd.history.borrow().acknowledgements.codes()));
    let mut comparing = JoinSet::new();
    for client in crowd.clients.iter().cycle().take(READERS) {
        let (codes, crowd, client) = (codes.clone(), crowd.clone(), client.clone());
        comparing.spawn_local(async move {
            let mut wrong = 0;
            while let Some(code) = { codes.borrow_mut().pop() } {
                wrong += u64::from(!is_shown(&crowd, &client, &code).await);
            }
            wrong
        });
    }
    comparing.join_all().await.into_iter().sum()
}

async fn is_shown(crowd: &Crowd, client: &Client, code: &str) -> bool {
    // For each code of its own: there may be so many that reading all takes minutes.
    let deadline = Instant::now() + REPAIR_TIMEOUT;
    let path = format!("/purchase/{code}");
    let mut shown = client.get_bytes(&path).await;
    while shown.is_err() && Instant::now() < deadline {
        sleep(Duration::from_millis(500)).await;
        shown = client.get_bytes(&path).await;
    }
    let history = &mut *crowd.history.borrow_mut();
    let is_same = matches!(&shown, Ok(Some(body)) if history.acknowledgements.is_receipt_of(code, body));
    if !is_same {
        history.note(format!("acknowledged, and now GET {path} gives {shown:?}"));
    }
    is_same
}

/// Counts the acknowledged purchases that PostgreSQL does not hold, or holds otherwise.
fn lost(history: &mut History, archive: &Archive) -> u64 {
    let is_lost = |(code, receipt): &(&String, &Receipt)| archive.purchases.get(*code) != Some(&archived(receipt));
    let lost: Vec<String> = history.receipts.iter().filter(is_lost).map(|(code, _)| code.clone()).collect();
    for code in &lost {
        let (told, held) = (&history.receipts[code], archive.purchases.get(code));
        history.note(format!("lost: acknowledged {told:?}, and PostgreSQL has {held:?}"));
    }
    lost.len() as u64
}

fn archived(receipt: &Receipt) -> Archived {
    let bought = receipt.purchased_items.iter().filter(|line| line.sold);
    let mut items: Vec<String> =
        bought.flat_map(|line| std::iter::repeat_n(line.id.clone(), line.quantity as usize)).collect();
    items.sort();
    Archived { order_id: receipt.order_id.clone(), user: receipt.user_id.clone(), items }
}

/// Counts the items with more acknowledged units than stock.
fn oversold(history: &History, archive: &Archive) -> u64 {
    let mut units: HashMap<&str, u32> = HashMap::new();
    for line in owned(history, archive).flat_map(|receipt| &receipt.purchased_items).filter(|line| line.sold) {
        *units.entry(&line.id).or_default() += line.quantity;
    }
    units.into_iter().filter(|(item, units)| *units > archive.stock.get(*item).copied().unwrap_or(0)).count() as u64
}

/// Counts the users with more acknowledged units of a sale than the limit.
fn over_limit(history: &History, archive: &Archive) -> u64 {
    let mut units: HashMap<(&str, &str), u64> = HashMap::new();
    for receipt in owned(history, archive) {
        *units.entry((&receipt.sale_id, &receipt.user_id)).or_default() += receipt.total_purchased;
    }
    units.values().filter(|units| **units > USER_LIMIT).count() as u64
}

/// Iterates over the acknowledged purchases whose buyers did not give their units back.
fn owned<'a>(history: &'a History, archive: &'a Archive) -> impl Iterator<Item = &'a Receipt> {
    let is_owned = |receipt: &&Receipt| archive.orders.get(&receipt.code).is_none_or(|order| order.status == "PAID");
    history.receipts.values().filter(is_owned)
}

/// Counts the items that were refused as sold although nobody can have had them, and the purchases that were refused
/// although PostgreSQL has them.
fn false_refusals(history: &mut History, archive: &Archive) -> u64 {
    let was_free =
        |item: &&String| history.acknowledgements.was_refused(item) && !history.doubtful_items.contains(*item);
    let items: Vec<String> = archive.unsold.iter().filter(was_free).cloned().collect();
    // A cart may be bought after a refusal, without the items that were sold.
    let was_bought = |name: &&Name| !history.bought.contains(*name);
    let purchases: Vec<_> = history.refused.intersection(&archive.names).filter(was_bought).cloned().collect();
    for item in &items {
        history.note(format!("{item} was refused as sold, and nobody ever had it"));
    }
    for name in &purchases {
        history.note(format!("{name:?} was refused, and PostgreSQL has the purchase"));
    }
    (items.len() + purchases.len()) as u64
}
