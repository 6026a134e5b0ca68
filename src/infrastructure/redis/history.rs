//! The history that a Redis writes. It branches when a replica becomes the primary: the new primary may lack the last
//! writes of the old one, although it has the scripts and the state of every sale.

use std::sync::{Mutex, PoisonError};

use crate::application::shared::StoreError;
use crate::domain::shared::Epoch;

/// The history in which an epoch began, as far as this instance has seen.
#[derive(Debug, Default)]
pub struct History(Mutex<Option<(Epoch, String)>>);

impl History {
    /// Records that an epoch begins in this history.
    pub fn begin(&self, epoch: Epoch, replication: &Replication) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((epoch, replication.id.clone()));
    }

    /// Returns true if Redis still writes the history of the epoch. What this instance sees first in an epoch counts as
    /// its history.
    pub fn is_of(&self, epoch: Epoch, replication: &Replication) -> bool {
        let mut history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*history {
            Some((begun, id)) if *begun == epoch => *id == replication.id,
            _ => {
                *history = Some((epoch, replication.id.clone()));
                true
            }
        }
    }
}

/// The section `replication` of `INFO`, of a primary.
#[derive(Debug)]
pub struct Replication {
    /// Changes with each change of the primary, and with each restart.
    id: String,
}

impl Replication {
    /// Reads the section. Fails with [`StoreError::Busy`] if this Redis is a replica.
    pub fn read(text: &str) -> Result<Self, StoreError> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        match (field("role:"), field("master_replid:")) {
            (Some("master"), Some(id)) => Ok(Replication { id: id.to_owned() }),
            (Some("slave"), _) => Err(StoreError::Busy("this Redis is a replica")),
            _ => Err(StoreError::corrupt(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replication(id: &str) -> Replication {
        Replication::read(&format!("# Replication\r\nrole:master\r\nmaster_replid:{id}\r\n")).unwrap()
    }

    #[test]
    fn another_primary_is_not_the_history_of_the_epoch() {
        let history = History::default();
        history.begin(Epoch(1), &replication("a"));
        assert!(history.is_of(Epoch(1), &replication("a")));
        assert!(!history.is_of(Epoch(1), &replication("b")));
        // Another instance has restored Redis since.
        assert!(history.is_of(Epoch(2), &replication("b")));
        assert!(!history.is_of(Epoch(2), &replication("a")));
    }

    #[test]
    fn a_replica_has_no_history() {
        let replica = Replication::read("role:slave\r\nmaster_replid:a\r\n");
        assert!(matches!(replica, Err(StoreError::Busy(_))));
    }
}
