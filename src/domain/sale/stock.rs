//! The stock: the consistency boundary of a sale, which decides what each user may buy.
//!
//! In production the Redis scripts make these decisions. This is their specification in plain Rust: property tests
//! hold the scripts against it, and recovery and verification compute the right state of Redis with it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{CheckoutCode, Claim, LedgerId, Ordinal, RequestId, UserId};

use super::{
    BuyNowRefusal, Cart, CartLine, Catalog, CheckoutRefusal, Holdings, LedgerEntry, LedgerEvent, Purchase,
    PurchaseRefusal, Quantity, Release, ReleaseRefusal, RemoveRefusal, Sale, SaleStatus, SoldUnit,
};

/// A purchase that the rules allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A new purchase, to be appended to the ledger.
    New(Purchase),
    /// A purchase made before, with this ledger id.
    Replayed(LedgerId),
}

/// Archived purchases that break a rule of the sale.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("purchase {purchase} takes {unit:?}, which does not exist or is taken")]
pub struct BrokenRule {
    pub purchase: LedgerId,
    pub unit: SoldUnit,
}

/// The state that decides what each user may buy in one sale.
#[derive(Debug, Clone)]
pub struct Stock {
    pub sale: Sale,
    /// The units of each item, in the order of the catalog.
    stocks: Vec<u32>,
    pub holdings: Holdings,
    pub carts: BTreeMap<CheckoutCode, Cart>,
    /// The code of each user's open cart.
    pub codes: BTreeMap<UserId, CheckoutCode>,
    /// The carts that the next call of [`Stock::forget_idle_carts`] forgets.
    pub idle: BTreeSet<CheckoutCode>,
    /// The purchases that stand, released or not.
    pub purchases: BTreeMap<LedgerId, Purchase>,
    /// The releases of committed purchases.
    pub releases: BTreeMap<LedgerId, Release>,
}

impl Stock {
    /// A sale with nothing sold.
    pub fn new(sale: Sale, catalog: &Catalog) -> Self {
        Stock {
            sale,
            stocks: catalog.iter().map(|(_, item)| item.stock()).collect(),
            holdings: Holdings::default(),
            carts: BTreeMap::new(),
            codes: BTreeMap::new(),
            idle: BTreeSet::new(),
            purchases: BTreeMap::new(),
            releases: BTreeMap::new(),
        }
    }

    /// A sale with these purchases and releases, in the order of the ledger. Fails if a purchase takes a unit or a slot
    /// that does not exist or is taken: such a state must not sell anything.
    pub fn with_entries(
        sale: Sale,
        catalog: &Catalog,
        entries: impl IntoIterator<Item = LedgerEntry>,
    ) -> Result<Self, BrokenRule> {
        let mut stock = Stock::new(sale, catalog);
        for entry in entries {
            if let LedgerEvent::Sold(purchase) = &entry.event
                && let Some(unit) = stock.first_broken(purchase)
            {
                return Err(BrokenRule { purchase: entry.id, unit });
            }
            stock.apply(&entry);
        }
        Ok(stock)
    }

    /// Returns the purchases and their releases, in the order of the ledger.
    pub fn entries(&self) -> Vec<LedgerEntry> {
        let sold = self.purchases.iter().map(|(id, purchase)| (*id, LedgerEvent::Sold(purchase.clone())));
        let released = self.releases.iter().map(|(id, release)| (*id, LedgerEvent::Released(release.clone())));
        let mut entries: Vec<_> = sold.chain(released).map(|(id, event)| LedgerEntry { id, event }).collect();
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    /// Puts the wanted lines into the cart of `user`. A new cart gets `new_code`.
    pub fn checkout(
        &mut self,
        now: DateTime<Utc>,
        user: &UserId,
        new_code: CheckoutCode,
        wanted: &[CartLine],
    ) -> Result<Cart, CheckoutRefusal> {
        match self.sale.window.status(now) {
            SaleStatus::Scheduled => return Err(CheckoutRefusal::SaleNotStarted),
            SaleStatus::Ended => return Err(CheckoutRefusal::SaleEnded),
            SaleStatus::Open => {}
        }
        if let Some(unknown) = wanted.iter().find(|line| self.stock_of(line.ordinal) == 0) {
            return Err(CheckoutRefusal::ItemNotFound(unknown.ordinal));
        }
        let sold = |line: &&CartLine| self.free_units(line.ordinal) < line.quantity.get();
        let sold: Vec<Ordinal> = wanted.iter().filter(sold).map(|line| line.ordinal).collect();
        if !sold.is_empty() {
            return Err(CheckoutRefusal::ItemSold(sold));
        }
        let code = self.codes.get(user).copied().unwrap_or(new_code);
        let open = self.carts.get(&code).cloned();
        let mut cart = open.unwrap_or_else(|| Cart { code, user: user.clone(), lines: Vec::new() });
        if wanted.iter().filter(|line| cart.hold(**line)).count() == 0 {
            self.idle.remove(&code);
            return Ok(cart);
        }
        if cart.units() > CART_UNITS {
            return Err(CheckoutRefusal::CartFull);
        }
        if self.owned(user) + cart.units() > self.sale.user_limit {
            return Err(CheckoutRefusal::UserLimitReached);
        }
        self.codes.insert(user.clone(), code);
        self.carts.insert(code, cart.clone());
        self.idle.remove(&code);
        Ok(cart)
    }

    /// Forgets the carts that were not checked out since the last call. A cart holds no units, so nothing else changes.
    pub fn forget_idle_carts(&mut self) {
        let idle = std::mem::take(&mut self.idle);
        self.carts.retain(|code, _| !idle.contains(code));
        self.codes.retain(|_, code| !idle.contains(code));
        self.idle = self.carts.keys().copied().collect();
    }

    /// Counts the carts that are not idle.
    pub fn recent_carts(&self) -> usize {
        self.carts.keys().filter(|code| !self.idle.contains(code)).count()
    }

    /// Takes every unit of an item out of a cart.
    pub fn remove(&mut self, now: DateTime<Utc>, code: CheckoutCode, ordinal: Ordinal) -> Result<Cart, RemoveRefusal> {
        if self.sale.window.status(now) == SaleStatus::Ended {
            return Err(RemoveRefusal::Ended);
        }
        let cart = self.carts.get_mut(&code).ok_or(RemoveRefusal::CheckoutNotFound)?;
        if cart.quantity_of(ordinal) == 0 {
            return Err(RemoveRefusal::ItemNotInCart);
        }
        cart.lines.retain(|line| line.ordinal != ordinal);
        Ok(cart.clone())
    }

    /// Decides the purchase of a cart: all of it, or with `partial` the units that are left.
    ///
    /// Sold units leave the cart, so that buying again buys the rest.
    pub fn purchase(&mut self, now: DateTime<Utc>, claim: &Claim, partial: bool) -> Result<Decision, PurchaseRefusal> {
        let code = claim.code;
        if let Some(&id) = self.holdings.receipts.get(&code) {
            let is_theirs = self.purchases.get(&id).is_none_or(|purchase| claim.is_of(&purchase.user));
            return if is_theirs { Ok(Decision::Replayed(id)) } else { Err(PurchaseRefusal::CheckoutNotFound) };
        }
        match self.sale.window.status(now) {
            SaleStatus::Ended => return Err(PurchaseRefusal::Ended),
            _ if !self.carts.get(&code).is_some_and(|cart| claim.is_of(&cart.user)) => {
                return Err(PurchaseRefusal::CheckoutNotFound);
            }
            SaleStatus::Scheduled => return Err(PurchaseRefusal::NotStarted),
            SaleStatus::Open => {}
        }
        let cart = self.carts[&code].clone();
        if cart.lines.is_empty() {
            return Err(PurchaseRefusal::CartEmpty);
        }
        let (taken, missed) = self.split(&cart.lines);
        let wanted = if partial { units(&taken) } else { cart.units() };
        if self.owned(&cart.user) + wanted > self.sale.user_limit {
            return Err(PurchaseRefusal::UserLimitReached);
        }
        if taken.is_empty() || (!missed.is_empty() && !partial) {
            let ordinals = |lines: &[CartLine]| lines.iter().map(|line| line.ordinal).collect();
            let refusal = PurchaseRefusal::ItemsSold { unavailable: ordinals(&missed), available: ordinals(&taken) };
            self.carts.insert(code, Cart { lines: taken, ..cart });
            return Err(refusal);
        }
        let units = self.allot(&cart.user, &taken);
        Ok(Decision::New(Purchase { code, user: cart.user, request: None, units, missed }))
    }

    /// Decides a purchase without a cart, under `new_code`.
    pub fn buy_now(
        &self,
        now: DateTime<Utc>,
        user: &UserId,
        request: &RequestId,
        new_code: CheckoutCode,
        wanted: CartLine,
    ) -> Result<Decision, BuyNowRefusal> {
        if let Some(&id) = self.holdings.requests.get(&(user.clone(), request.clone())) {
            let same = self.purchases.get(&id).is_some_and(|purchase| purchase.lines() == [wanted]);
            return if same { Ok(Decision::Replayed(id)) } else { Err(BuyNowRefusal::RequestMismatch) };
        }
        match self.sale.window.status(now) {
            SaleStatus::Scheduled => return Err(BuyNowRefusal::NotStarted),
            SaleStatus::Ended => return Err(BuyNowRefusal::Ended),
            SaleStatus::Open => {}
        }
        if self.stock_of(wanted.ordinal) == 0 {
            return Err(BuyNowRefusal::ItemNotFound);
        }
        if self.free_units(wanted.ordinal) < wanted.quantity.get() {
            return Err(BuyNowRefusal::SoldOut);
        }
        if self.owned(user) + wanted.quantity.get() > self.sale.user_limit {
            return Err(BuyNowRefusal::UserLimitReached);
        }
        let units = self.allot(user, &[wanted]);
        Ok(Decision::New(Purchase {
            code: new_code,
            user: user.clone(),
            request: Some(request.clone()),
            units,
            missed: Vec::new(),
        }))
    }

    /// Decides a release. A purchase is released once, whatever the reason.
    pub fn release(&self, release: &Release) -> Result<(), ReleaseRefusal> {
        match self.holdings.released.get(&release.purchase) {
            Some(before) => Err(ReleaseRefusal::ReleasedBefore(*before)),
            None if self.sale.closed && release.reason.is_of_committed() => Err(ReleaseRefusal::SaleClosed),
            None if self.purchases.contains_key(&release.purchase) => Ok(()),
            None => Err(ReleaseRefusal::NotBought),
        }
    }

    /// Applies a ledger entry. Applying it again changes nothing.
    pub fn apply(&mut self, entry: &LedgerEntry) {
        match &entry.event {
            LedgerEvent::Opened | LedgerEvent::Unreadable(_) => {}
            LedgerEvent::Sold(purchase) => self.apply_sold(entry.id, purchase),
            LedgerEvent::Released(release) => self.apply_release(entry.id, release),
        }
    }

    fn apply_sold(&mut self, id: LedgerId, purchase: &Purchase) {
        if self.purchases.contains_key(&id) {
            return;
        }
        for unit in &purchase.units {
            // The archive rejects an entry with a unit that does not exist, so the entry adds none.
            if unit.unit <= self.stock_of(unit.ordinal) {
                self.holdings.units.entry(unit.ordinal).or_default().insert(unit.unit);
            }
            self.holdings.slots.entry(purchase.user.clone()).or_default().insert(unit.slot);
        }
        self.holdings.receipts.insert(purchase.code, id);
        if let Some(request) = &purchase.request {
            self.holdings.requests.insert((purchase.user.clone(), request.clone()), id);
        }
        self.carts.remove(&purchase.code);
        if self.codes.get(&purchase.user) == Some(&purchase.code) {
            self.codes.remove(&purchase.user);
        }
        self.purchases.insert(id, purchase.clone());
    }

    fn apply_release(&mut self, id: LedgerId, release: &Release) {
        if self.release(release).is_err() {
            return;
        }
        let purchase = self.purchases[&release.purchase].clone();
        for unit in &release.units {
            if let Some(sold) = self.holdings.units.get_mut(&unit.ordinal) {
                sold.remove(&unit.unit);
            }
        }
        if let Some(slots) = self.holdings.slots.get_mut(&purchase.user) {
            slots.retain(|slot| !release.slots.contains(slot));
        }
        if release.reason.is_of_committed() {
            self.holdings.released.insert(release.purchase, id);
            self.releases.insert(id, release.clone());
        } else {
            self.undo(release.purchase, purchase);
        }
    }

    /// Forgets a purchase, so that its code and its request may buy again.
    fn undo(&mut self, id: LedgerId, purchase: Purchase) {
        self.purchases.remove(&id);
        self.holdings.receipts.remove(&purchase.code);
        if let Some(request) = purchase.request {
            self.holdings.requests.remove(&(purchase.user, request));
        }
    }

    /// Returns the first unit of a purchase that does not exist or is sold, or whose slot does not exist or is filled.
    fn first_broken(&self, purchase: &Purchase) -> Option<SoldUnit> {
        let filled = self.holdings.slots.get(&purchase.user);
        let is_free = |unit: &SoldUnit| {
            (1..=self.stock_of(unit.ordinal)).contains(&unit.unit) && !self.is_sold(unit.ordinal, unit.unit)
        };
        let fits = |unit: &SoldUnit| {
            (1..=self.sale.user_limit).contains(&unit.slot) && !filled.is_some_and(|filled| filled.contains(&unit.slot))
        };
        let mut units = BTreeSet::new();
        let mut slots = BTreeSet::new();
        let mut is_new = |unit: &SoldUnit| units.insert((unit.ordinal, unit.unit)) && slots.insert(unit.slot);
        purchase.units.iter().find(|unit| !(is_free(unit) && fits(unit) && is_new(unit))).copied()
    }

    /// Splits lines into units that are left and units that are sold.
    fn split(&self, lines: &[CartLine]) -> (Vec<CartLine>, Vec<CartLine>) {
        let (mut taken, mut missed) = (Vec::new(), Vec::new());
        for line in lines {
            let left = self.free_units(line.ordinal).min(line.quantity.get());
            // No quantity is zero: a part without units is no line.
            let part = |quantity| Quantity::try_from(quantity).ok().map(|quantity| CartLine { quantity, ..*line });
            taken.extend(part(left));
            missed.extend(part(line.quantity.get() - left));
        }
        (taken, missed)
    }

    /// Allots the lowest free units of each line and the lowest empty slots of the user, in order.
    fn allot(&self, user: &UserId, lines: &[CartLine]) -> Vec<SoldUnit> {
        let filled = self.holdings.slots.get(user);
        let slots = (1..).filter(|slot| !filled.is_some_and(|filled| filled.contains(slot)));
        let units = lines.iter().flat_map(|line| {
            let free = (1..=self.stock_of(line.ordinal)).filter(|unit| !self.is_sold(line.ordinal, *unit));
            free.take(line.quantity.get() as usize).map(|unit| (line.ordinal, unit))
        });
        let allotted: Vec<SoldUnit> =
            units.zip(slots).map(|((ordinal, unit), slot)| SoldUnit { ordinal, unit, slot }).collect();
        assert_eq!(allotted.len() as u32, self::units(lines), "units were decided that are not free");
        allotted
    }

    /// Returns the units of an item, sold or not; 0 for one that the sale does not have.
    fn stock_of(&self, ordinal: Ordinal) -> u32 {
        self.stocks.get(ordinal.index()).copied().unwrap_or(0)
    }

    /// Counts the free units of an item.
    fn free_units(&self, ordinal: Ordinal) -> u32 {
        let sold = self.holdings.units.get(&ordinal).map_or(0, |sold| sold.len() as u32);
        self.stock_of(ordinal).saturating_sub(sold)
    }

    fn is_sold(&self, ordinal: Ordinal, unit: u32) -> bool {
        self.holdings.units.get(&ordinal).is_some_and(|sold| sold.contains(&unit))
    }

    fn owned(&self, user: &UserId) -> u32 {
        self.holdings.slots.get(user).map_or(0, |slots| slots.len() as u32)
    }
}

fn units(lines: &[CartLine]) -> u32 {
    lines.iter().map(|line| line.quantity.get()).sum()
}

#[cfg(test)]
mod tests {
    use crate::domain::sale::{ReleaseReason, Window};
    use crate::domain::shared::SaleId;

    use super::*;

    fn purchase(sale: &Sale, user: &str, units: &[(u32, u32, u32)]) -> Purchase {
        let unit = |(item, unit, slot): &(u32, u32, u32)| SoldUnit {
            ordinal: (*item).try_into().unwrap(),
            unit: *unit,
            slot: *slot,
        };
        let (code, units) = (CheckoutCode::new(sale.id, units[0].0.into()), units.iter().map(unit).collect());
        Purchase { code, user: user.parse().unwrap(), request: None, units, missed: Vec::new() }
    }

    #[test]
    fn a_state_is_never_made_of_purchases_that_contradict_each_other() {
        let start: DateTime<Utc> = "2026-11-20T09:00:00Z".parse().unwrap();
        let catalog = Catalog::generated(5).unwrap();
        let sale = Sale::new(SaleId::hourly(start), Window::new(start, start).unwrap(), 2, &catalog);
        let with = |last: (&str, &[(u32, u32, u32)])| {
            let purchases = [("ann", &[(1, 1, 1)][..]), last].map(|(user, units)| purchase(&sale, user, units));
            let sold = |(id, purchase): (i64, Purchase)| LedgerEntry {
                id: id.try_into().unwrap(),
                event: LedgerEvent::Sold(purchase),
            };
            let entries = (1..).zip(purchases).map(sold);
            Stock::with_entries(sale.clone(), &catalog, entries).map_err(|broken| broken.unit.ordinal.get())
        };
        let stock = with(("ann", &[(2, 1, 2)])).unwrap();
        assert_eq!((stock.free_units(3.try_into().unwrap()), stock.purchases.len()), (1, 2));
        for (user, units, broken) in [
            ("bob", &[(2, 1, 1), (1, 1, 2)][..], 1),
            ("bob", &[(2, 1, 1), (2, 1, 2)], 2),
            ("bob", &[(2, 2, 1)], 2),
            ("bob", &[(6, 1, 1)], 6),
            ("ann", &[(2, 1, 1)], 2),
            ("bob", &[(2, 1, 1), (3, 1, 1)], 3),
            ("bob", &[(2, 1, 3)], 2),
        ] {
            assert_eq!(with((user, units)).err(), Some(broken), "{units:?}");
        }
    }

    fn stock(user_limit: u32) -> (Sale, Catalog) {
        let start: DateTime<Utc> = "2026-11-20T09:00:00Z".parse().unwrap();
        let catalog = Catalog::generated(5).unwrap();
        let window = Window::new(start, start + chrono::TimeDelta::hours(1)).unwrap();
        (Sale::new(SaleId::hourly(start), window, user_limit, &catalog), catalog)
    }

    #[test]
    fn a_committed_purchase_is_released_once_and_keeps_its_receipt_and_request() {
        let (sale, catalog) = stock(2);
        let id = |number: i64| LedgerId::try_from(number).unwrap();
        let user: UserId = "ann".parse().unwrap();
        for reason in [ReleaseReason::Void, ReleaseReason::Cancelled, ReleaseReason::Expired] {
            let bought = purchase(&sale, "ann", &[(1, 1, 1), (2, 1, 2)]);
            let bought = Purchase { request: Some("r".parse().unwrap()), ..bought };
            let release = Release::of(id(1), &bought, reason);
            let other = Purchase { code: CheckoutCode::new(sale.id, 9), ..purchase(&sale, "bob", &[(1, 1, 1)]) };
            let entries = [
                LedgerEntry { id: id(1), event: LedgerEvent::Sold(bought.clone()) },
                LedgerEntry { id: id(2), event: LedgerEvent::Released(release.clone()) },
                // Its unit is sold again, and stays sold after another release.
                LedgerEntry { id: id(3), event: LedgerEvent::Sold(other) },
                LedgerEntry { id: id(4), event: LedgerEvent::Released(release.clone()) },
            ];
            let mut stock = Stock::with_entries(sale.clone(), &catalog, entries.clone()).unwrap();
            assert_eq!(stock.release(&release), Err(ReleaseRefusal::ReleasedBefore(id(2))));
            assert_eq!((stock.owned(&user), stock.is_sold(Ordinal::try_from(1).unwrap(), 1)), (0, true));
            assert_eq!(stock.free_units(Ordinal::try_from(2).unwrap()), 1);
            assert_eq!(stock.holdings.receipts[&bought.code], id(1));
            assert_eq!(stock.holdings.requests.values().collect::<Vec<_>>(), [&id(1)]);
            assert_eq!(stock.entries(), entries[..3]);
            stock.sale.closed = true;
            let late = Release { purchase: id(3), ..release };
            assert_eq!(stock.release(&late), Err(ReleaseRefusal::SaleClosed));
        }
    }

    #[test]
    fn a_rejected_purchase_is_undone_completely() {
        let (sale, catalog) = stock(2);
        let id = |number: i64| LedgerId::try_from(number).unwrap();
        let bought = purchase(&sale, "ann", &[(1, 1, 1)]);
        let release = Release::of(id(1), &bought, ReleaseReason::Rejected);
        let entries = [
            LedgerEntry { id: id(1), event: LedgerEvent::Sold(bought) },
            LedgerEntry { id: id(2), event: LedgerEvent::Released(release.clone()) },
        ];
        let stock = Stock::with_entries(sale, &catalog, entries).unwrap();
        assert_eq!(stock.holdings.count(), 0);
        assert_eq!(stock.release(&release), Err(ReleaseRefusal::NotBought));
        assert_eq!(stock.entries(), []);
    }
}
