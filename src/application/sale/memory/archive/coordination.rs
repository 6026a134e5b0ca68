//! Locks and epochs.

use async_trait::async_trait;

use crate::application::sale::ports::{Coordination, Lock, LockName, Probe};
use crate::application::shared::StoreError;
use crate::domain::shared::Epoch;

use super::{ArchiveCall, MemoryArchive};

#[async_trait]
impl Coordination for MemoryArchive {
    async fn try_lock(&self, name: LockName) -> Result<Option<Box<dyn Lock>>, StoreError> {
        self.run(ArchiveCall::TryLock, |state| {
            // Made only if it is free: dropping a lock releases it.
            let lock = || HeldLock { archive: self.clone(), name, connection: state.connection };
            Ok(state.locks.insert(name).then(|| Box::new(lock()) as Box<dyn Lock>))
        })
        .await
    }

    async fn epoch(&self) -> Result<Epoch, StoreError> {
        self.run(ArchiveCall::Epoch, |state| Ok(state.epoch)).await
    }

    async fn raise_epoch(&self) -> Result<Epoch, StoreError> {
        self.run(ArchiveCall::RaiseEpoch, |state| {
            state.epoch = Epoch(state.epoch.0 + 1);
            Ok(state.epoch)
        })
        .await
    }
}

#[async_trait]
impl Probe for MemoryArchive {
    async fn ping(&self) -> Result<(), StoreError> {
        self.run(ArchiveCall::Ping, |_| Ok(())).await
    }
}

struct HeldLock {
    archive: MemoryArchive,
    name: LockName,
    connection: u64,
}

#[async_trait]
impl Lock for HeldLock {
    async fn is_held(&mut self) -> bool {
        self.archive.state().connection == self.connection
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        let mut state = self.archive.state();
        if state.connection == self.connection {
            state.locks.remove(&self.name);
        }
    }
}
