//! What may be bought by whom: the consistency boundary of a sale.
//!
//! In production these decisions are made by the Redis scripts. This is the same thing in plain Rust: the
//! specification that property tests hold the scripts against, and what recovery and verification
//! compute the right state of Redis with.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::limits::CART_UNITS;
use super::{
    Cart, CartLine, Catalog, CheckoutCode, LedgerEntry, LedgerEvent, LedgerId, Ordinal, Quantity, Released, RequestId,
    Sale, SaleStatus, Sold, SoldUnit, UserId,
};

/// Why a checkout adds nothing to the cart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckoutRefusal {
    #[error("the sale has not started")]
    NotStarted,
    #[error("the sale has ended")]
    Ended,
    #[error("the sale has no item {0}")]
    ItemNotFound(Ordinal),
    /// Fewer units are left than were asked for.
    #[error("sold")]
    ItemSold(Vec<Ordinal>),
    #[error("the cart would hold too many units")]
    CartFull,
    #[error("the user would own too many units of the sale")]
    UserLimitReached,
}

/// Why an item stays in the cart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoveRefusal {
    #[error("there is no such cart")]
    CheckoutNotFound,
    #[error("the cart does not hold this item")]
    ItemNotInCart,
    #[error("the sale has ended")]
    Ended,
}

/// Why a purchase takes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurchaseRefusal {
    #[error("there is no such cart")]
    CheckoutNotFound,
    #[error("the sale has not started")]
    NotStarted,
    #[error("the sale has ended")]
    Ended,
    #[error("the user would own too many units of the sale")]
    UserLimitReached,
    /// Units of these items are gone and have left the cart; `available` is what the cart still holds.
    #[error("sold")]
    ItemsSold { unavailable: Vec<Ordinal>, available: Vec<Ordinal> },
}

/// Why buying without a cart takes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuyNowRefusal {
    #[error("the sale has not started")]
    NotStarted,
    #[error("the sale has ended")]
    Ended,
    #[error("the sale has no such item")]
    ItemNotFound,
    #[error("sold out")]
    SoldOut,
    #[error("the user would own too many units of the sale")]
    UserLimitReached,
    /// The user's request of this name bought something else.
    #[error("the request was made before with another item or quantity")]
    RequestMismatch,
}

/// A cart and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedOut {
    pub code: CheckoutCode,
    pub cart: Cart,
}

/// A purchase that goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// To be appended to the ledger.
    New(Sold),
    /// Bought before, under this ledger id.
    Replayed(LedgerId),
}

/// The state that follows from the ledger of a sale alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    /// The units of each item that nobody owns.
    pub free: BTreeMap<Ordinal, BTreeSet<u32>>,
    /// The slots of each user that are filled.
    pub slots: BTreeMap<UserId, BTreeSet<u32>>,
    /// Where the ledger has the purchase of each code.
    pub receipts: BTreeMap<CheckoutCode, LedgerId>,
    /// Where the ledger has the purchase of each named request.
    pub requests: BTreeMap<(UserId, RequestId), LedgerId>,
}

impl Holdings {
    /// How many units, slots, receipts and requests differ.
    pub fn drift(&self, other: &Holdings) -> u64 {
        let sets = |a: &BTreeSet<u32>, b: &BTreeSet<u32>| a.symmetric_difference(b).count() as u64;
        let ids = |a: &LedgerId, b: &LedgerId| u64::from(a != b);
        // An item that one side does not know differs even where nothing of it is free.
        let items = self.free.keys().filter(|item| !other.free.contains_key(item)).count()
            + other.free.keys().filter(|item| !self.free.contains_key(item)).count();
        items as u64
            + differences(&self.free, &other.free, sets)
            + differences(&self.slots, &other.slots, sets)
            + differences(&self.receipts, &other.receipts, ids)
            + differences(&self.requests, &other.requests, ids)
    }
}

fn differences<K: Ord, V: Default>(a: &BTreeMap<K, V>, b: &BTreeMap<K, V>, of: impl Fn(&V, &V) -> u64) -> u64 {
    let none = V::default();
    let in_a = a.iter().map(|(key, value)| of(value, b.get(key).unwrap_or(&none)));
    let only_in_b = b.iter().filter(|(key, _)| !a.contains_key(key)).map(|(_, value)| of(&none, value));
    in_a.chain(only_in_b).sum()
}

/// Everything that decides who may buy what in one sale.
#[derive(Debug, Clone)]
pub struct Stock {
    pub sale: Sale,
    pub holdings: Holdings,
    pub carts: BTreeMap<CheckoutCode, Cart>,
    /// The cart of each user that is not bought yet.
    pub codes: BTreeMap<UserId, CheckoutCode>,
    pub sold: BTreeMap<LedgerId, Sold>,
}

impl Stock {
    /// A sale of which nothing is sold.
    pub fn new(sale: Sale, catalog: &Catalog) -> Self {
        let free = catalog.iter().map(|(ordinal, item)| (ordinal, (1..=item.stock()).collect())).collect();
        let holdings = Holdings { free, ..Holdings::default() };
        Stock { sale, holdings, carts: BTreeMap::new(), codes: BTreeMap::new(), sold: BTreeMap::new() }
    }

    /// The cart of `user`, holding at least what is wanted. A new cart gets `new_code`.
    pub fn checkout(
        &mut self,
        now: DateTime<Utc>,
        user: &UserId,
        new_code: CheckoutCode,
        wanted: &[CartLine],
    ) -> Result<CheckedOut, CheckoutRefusal> {
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
        let mut cart = self.carts.get(&code).cloned().unwrap_or_else(|| Cart { user: user.clone(), lines: Vec::new() });
        if wanted.iter().filter(|line| cart.hold(**line)).count() == 0 {
            return Ok(CheckedOut { code, cart });
        }
        if cart.units() > CART_UNITS {
            return Err(CheckoutRefusal::CartFull);
        }
        if self.owned(user) + cart.units() > self.sale.user_limit {
            return Err(CheckoutRefusal::UserLimitReached);
        }
        self.codes.insert(user.clone(), code);
        self.carts.insert(code, cart.clone());
        Ok(CheckedOut { code, cart })
    }

    /// Takes every unit of the item out of the cart.
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

    /// Decides the purchase of a cart: all of it, or with `partial` what is left of it.
    ///
    /// Where units are gone, they leave the cart, so that buying again buys the rest.
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
        let (taken, missed) = self.split(&cart.lines);
        let wanted = if partial { units(&taken) } else { cart.units() };
        if self.owned(&cart.user) + wanted > self.sale.user_limit {
            return Err(PurchaseRefusal::UserLimitReached);
        }
        if taken.is_empty() || (!missed.is_empty() && !partial) {
            let ordinals = |lines: &[CartLine]| lines.iter().map(|line| line.ordinal).collect();
            let refusal = PurchaseRefusal::ItemsSold { unavailable: ordinals(&missed), available: ordinals(&taken) };
            self.carts.insert(code, Cart { user: cart.user, lines: taken });
            return Err(refusal);
        }
        let units = self.allot(&cart.user, &taken);
        Ok(Decision::New(Sold { code, user: cart.user, request: None, units, missed }))
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
            let same = self.sold.get(&id).is_some_and(|sold| sold.lines() == [wanted]);
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
        Ok(Decision::New(Sold {
            code: new_code,
            user: user.clone(),
            request: Some(request.clone()),
            units,
            missed: Vec::new(),
        }))
    }

    /// Takes over what the ledger says. Applying an entry again changes nothing.
    pub fn apply(&mut self, entry: &LedgerEntry) {
        match &entry.event {
            LedgerEvent::Opened | LedgerEvent::Unreadable(_) => {}
            LedgerEvent::Sold(sold) => self.apply_sold(entry.id, sold),
            LedgerEvent::Released(released) => {
                self.undo(released);
            }
        }
    }

    fn apply_sold(&mut self, id: LedgerId, sold: &Sold) {
        for unit in &sold.units {
            self.holdings.free.entry(unit.ordinal).or_default().remove(&unit.unit);
            self.holdings.slots.entry(sold.user.clone()).or_default().insert(unit.slot);
        }
        self.holdings.receipts.insert(sold.code, id);
        if let Some(request) = &sold.request {
            self.holdings.requests.insert((sold.user.clone(), request.clone()), id);
        }
        self.carts.remove(&sold.code);
        if self.codes.get(&sold.user) == Some(&sold.code) {
            self.codes.remove(&sold.user);
        }
        self.sold.insert(id, sold.clone());
    }

    /// Takes a purchase back from its owner.
    fn undo(&mut self, released: &Released) {
        let Some(sold) = self.sold.remove(&released.sold) else { return };
        for unit in &released.units {
            self.holdings.free.entry(unit.ordinal).or_default().insert(unit.unit);
        }
        if let Some(slots) = self.holdings.slots.get_mut(&sold.user) {
            slots.retain(|slot| !released.slots.contains(slot));
        }
        self.holdings.receipts.remove(&sold.code);
        if let Some(request) = sold.request {
            self.holdings.requests.remove(&(sold.user, request));
        }
    }

    /// Divides lines into what is left and what is gone.
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

    /// The lowest free units of each line, and the lowest free slots of the user, in order.
    fn allot(&self, user: &UserId, lines: &[CartLine]) -> Vec<SoldUnit> {
        let filled = self.holdings.slots.get(user);
        let mut slots = (1..).filter(|slot| !filled.is_some_and(|filled| filled.contains(slot)));
        let units = lines.iter().flat_map(|line| {
            let free = self.holdings.free.get(&line.ordinal).into_iter().flatten();
            free.take(line.quantity.get() as usize).map(|unit| (line.ordinal, *unit))
        });
        units.map(|(ordinal, unit)| SoldUnit { ordinal, unit, slot: slots.next().unwrap_or_default() }).collect()
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
