//! What may be bought by whom: the consistency boundary of a sale.
//!
//! In production the Redis scripts make these decisions. This is their specification in plain Rust: property tests
//! hold the scripts against it, and recovery and verification compute the right state of Redis with it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{CheckoutCode, LedgerId, Ordinal, RequestId, UserId};

use super::{
    BuyNowRefusal, Cart, CartLine, Catalog, CheckoutRefusal, Holdings, LedgerEntry, LedgerEvent, Purchase,
    PurchaseRefusal, Quantity, Release, RemoveRefusal, Sale, SaleStatus, SoldUnit,
};

/// A purchase that the rules allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A new purchase, to be appended to the ledger.
    New(Purchase),
    /// A purchase made before, with this ledger id.
    Replayed(LedgerId),
}

/// The state that decides who may buy what in one sale.
#[derive(Debug, Clone)]
pub struct Stock {
    pub sale: Sale,
    pub holdings: Holdings,
    pub carts: BTreeMap<CheckoutCode, Cart>,
    /// The code of each user's open cart.
    pub codes: BTreeMap<UserId, CheckoutCode>,
    pub purchases: BTreeMap<LedgerId, Purchase>,
}

impl Stock {
    /// A sale with nothing sold.
    pub fn new(sale: Sale, catalog: &Catalog) -> Self {
        let free = catalog.iter().map(|(ordinal, item)| (ordinal, (1..=item.stock()).collect())).collect();
        let holdings = Holdings { free, ..Holdings::default() };
        Stock { sale, holdings, carts: BTreeMap::new(), codes: BTreeMap::new(), purchases: BTreeMap::new() }
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
            SaleStatus::Scheduled => return Err(CheckoutRefusal::NotStarted),
            SaleStatus::Ended => return Err(CheckoutRefusal::Ended),
            SaleStatus::Open => {}
        }
        if let Some(unknown) = wanted.iter().find(|line| !self.holdings.free.contains_key(&line.ordinal)) {
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
        Ok(cart)
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
    pub fn purchase(
        &mut self,
        now: DateTime<Utc>,
        code: CheckoutCode,
        partial: bool,
    ) -> Result<Decision, PurchaseRefusal> {
        if let Some(&id) = self.holdings.receipts.get(&code) {
            return Ok(Decision::Replayed(id));
        }
        match self.sale.window.status(now) {
            SaleStatus::Ended => return Err(PurchaseRefusal::Ended),
            _ if !self.carts.contains_key(&code) => return Err(PurchaseRefusal::CheckoutNotFound),
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
        if !self.holdings.free.contains_key(&wanted.ordinal) {
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

    /// Applies a ledger entry. Applying it again changes nothing.
    pub fn apply(&mut self, entry: &LedgerEntry) {
        match &entry.event {
            LedgerEvent::Opened | LedgerEvent::Unreadable(_) => {}
            LedgerEvent::Sold(purchase) => self.apply_sold(entry.id, purchase),
            LedgerEvent::Released(release) => self.apply_release(release),
        }
    }

    fn apply_sold(&mut self, id: LedgerId, purchase: &Purchase) {
        for unit in &purchase.units {
            self.holdings.free.entry(unit.ordinal).or_default().remove(&unit.unit);
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

    fn apply_release(&mut self, release: &Release) {
        let Some(purchase) = self.purchases.remove(&release.purchase) else { return };
        for unit in &release.units {
            self.holdings.free.entry(unit.ordinal).or_default().insert(unit.unit);
        }
        if let Some(slots) = self.holdings.slots.get_mut(&purchase.user) {
            slots.retain(|slot| !release.slots.contains(slot));
        }
        self.holdings.receipts.remove(&purchase.code);
        if let Some(request) = purchase.request {
            self.holdings.requests.remove(&(purchase.user, request));
        }
    }

    /// Splits lines into units that are left and units that are sold.
    fn split(&self, lines: &[CartLine]) -> (Vec<CartLine>, Vec<CartLine>) {
        let (mut taken, mut missed) = (Vec::new(), Vec::new());
        for line in lines {
            let left = self.free_units(line.ordinal).min(line.quantity.get());
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
            let free = self.holdings.free.get(&line.ordinal).into_iter().flatten();
            free.take(line.quantity.get() as usize).map(|unit| (line.ordinal, *unit))
        });
        units.zip(slots).map(|((ordinal, unit), slot)| SoldUnit { ordinal, unit, slot }).collect()
    }

    fn free_units(&self, ordinal: Ordinal) -> u32 {
        self.holdings.free.get(&ordinal).map_or(0, |free| free.len() as u32)
    }

    fn owned(&self, user: &UserId) -> u32 {
        self.holdings.slots.get(user).map_or(0, |slots| slots.len() as u32)
    }
}

fn units(lines: &[CartLine]) -> u32 {
    lines.iter().map(|line| line.quantity.get()).sum()
}
