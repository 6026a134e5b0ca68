//! The units that users may have: bought, in a cart, or wanted by a request whose outcome is not known.

use std::collections::HashMap;

use tokio::time::Instant;

/// A user in a sale.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    pub sale: String,
    pub user: String,
}

impl Account {
    /// Returns the account of a user in the sale of an item or a cart, whose id begins with that of the sale.
    pub fn of(user: &str, id: &str) -> Self {
        let sale = id.rsplit_once('-').map_or(id, |(sale, _)| sale);
        Account { sale: sale.to_owned(), user: user.to_owned() }
    }
}

/// The claims of all users, by the name of a request.
#[derive(Debug, Default)]
pub struct Claims(HashMap<Account, HashMap<String, Claim>>);

#[derive(Debug)]
struct Claim {
    units: u64,
    /// Requests of this name that were not refused.
    open: u32,
    closed_at: Option<Instant>,
}

impl Claims {
    /// Records that a request for so many units is sent. Several may have one name: they buy once.
    pub fn open(&mut self, account: &Account, name: &str, units: u64) {
        let claims = self.0.entry(account.clone()).or_default();
        let claim = claims.entry(name.to_owned()).or_insert(Claim { units, open: 0, closed_at: None });
        claim.open += 1;
    }

    /// Records that a request was refused, and has no units.
    pub fn close(&mut self, account: &Account, name: &str) {
        if let Some(claim) = self.0.get_mut(account).and_then(|claims| claims.get_mut(name)) {
            claim.open -= 1;
            claim.closed_at = Some(Instant::now());
        }
    }

    /// Returns the largest number of units that the user may have had since then. A unit that an order gave back counts.
    pub fn units_since(&self, account: &Account, since: Instant) -> u64 {
        let was_held = |claim: &&Claim| claim.open > 0 || claim.closed_at.is_some_and(|closed| closed >= since);
        let claims = self.0.get(account).into_iter().flat_map(HashMap::values);
        claims.filter(was_held).map(|claim| claim.units).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_claim_counts_until_each_of_its_requests_is_refused() {
        let (mut claims, ann) = (Claims::default(), Account::of("ann", "20261120T09-00042"));
        assert_eq!(ann.sale, "20261120T09");
        let start = Instant::now();
        claims.open(&ann, "cart", 4);
        claims.open(&ann, "r-1", 1);
        claims.open(&ann, "r-1", 1);
        assert_eq!(claims.units_since(&ann, start), 5);
        claims.close(&ann, "r-1");
        assert_eq!(claims.units_since(&ann, Instant::now() + Duration::from_secs(1)), 5);
        claims.close(&ann, "r-1");
        assert_eq!(claims.units_since(&ann, Instant::now() + Duration::from_secs(1)), 4);
        // A request that was sent before the refusal may have met the unit.
        assert_eq!(claims.units_since(&ann, start), 5);
        assert_eq!(claims.units_since(&Account::of("bob", "20261120T09-00042"), start), 0);
    }
}
