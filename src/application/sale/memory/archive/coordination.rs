//! Locks, epochs and the clock.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::application::sale::ports::{Coordination, Lock, LockName, Probe};
use crate::application::shared::StoreError;
use crate::domain::shared::{Epoch, SaleId};

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

    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        self.run(ArchiveCall::Now, |state| Ok(state.now.unwrap_or_else(Utc::now))).await
    }

    async fn begin_epoch(&self, above: Epoch, sales: &[SaleId]) -> Result<Epoch, StoreError> {
        self.run(ArchiveCall::BeginEpoch, |state| {
            let epoch = Epoch(state.epoch.max(above).0 + 1);
            state.epoch = epoch;
            for (_, sale) in state.sales.iter_mut().filter(|(id, _)| sales.contains(id)) {
                (sale.epoch, sale.is_restoring) = (epoch, true);
            }
            Ok(epoch)
        })
        .await
    }

    async fn end_restoration(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.run(ArchiveCall::EndRestoration, |state| {
            state.sales.values_mut().filter(|sale| sale.epoch == epoch).for_each(|sale| sale.is_restoring = false);
            Ok(())
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
