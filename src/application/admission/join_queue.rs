//! The users who are joining a waiting room. While a statement is under way, others wait and go with the next one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::application::shared::{BatchTime, StoreError};
use crate::domain::shared::{SaleId, UserId};

use super::ports::RoomArchive;

/// Users of one statement.
const BATCH_MAX: usize = 1_024;

/// Users who wait at most, whatever the time of a batch is.
const WAITING_MAX: usize = 50_000;

/// The answer to a user who cannot join.
const TOO_SLOW: StoreError = StoreError::Busy("users cannot join the waiting room fast enough at the moment");

/// The queue of those who are joining.
#[derive(Debug)]
pub struct JoinQueue {
    waiting: Mutex<Waiting>,
    batch_time: BatchTime,
}

#[derive(Debug, Default)]
struct Waiting {
    /// A task writes batches.
    is_running: bool,
    joins: Vec<Join>,
}

#[derive(Debug)]
struct Join {
    user: UserId,
    number: oneshot::Sender<u64>,
}

impl Default for JoinQueue {
    fn default() -> Self {
        JoinQueue { waiting: Mutex::default(), batch_time: BatchTime::new(BATCH_MAX) }
    }
}

impl JoinQueue {
    /// Adds a user. Returns the number to come, and true if the caller has to start a task that writes batches.
    fn add(&self, user: UserId) -> Result<(oneshot::Receiver<u64>, bool), StoreError> {
        let mut waiting = self.lock();
        if waiting.joins.len() >= WAITING_MAX || self.batch_time.is_too_long_after(waiting.joins.len()) {
            return Err(TOO_SLOW);
        }
        let (number, joined) = oneshot::channel();
        waiting.joins.push(Join { user, number });
        Ok((joined, !std::mem::replace(&mut waiting.is_running, true)))
    }

    /// Takes the next batch; without one the task has to end.
    fn take(&self) -> Vec<Join> {
        let mut waiting = self.lock();
        let later = waiting.joins.len().min(BATCH_MAX);
        let later = waiting.joins.split_off(later);
        let batch = std::mem::replace(&mut waiting.joins, later);
        waiting.is_running = !batch.is_empty();
        batch
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that writes batches. If it ends early, those who wait learn it, and the next user starts another one.
struct Running {
    queue: Arc<JoinQueue>,
    is_over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            *self.queue.lock() = Waiting::default();
        }
    }
}

/// Returns the number of a user in a room.
pub async fn join(
    archive: &Arc<dyn RoomArchive>,
    queue: &Arc<JoinQueue>,
    sale: SaleId,
    user: UserId,
) -> Result<u64, StoreError> {
    let (joined, is_first) = queue.add(user)?;
    if is_first {
        tokio::spawn(write(archive.clone(), Running { queue: queue.clone(), is_over: false }, sale));
    }
    joined.await.map_err(|_| StoreError::Busy("the number of a user could not be kept"))
}

async fn write(archive: Arc<dyn RoomArchive>, mut running: Running, sale: SaleId) {
    let queue = running.queue.clone();
    loop {
        let batch = queue.take();
        if batch.is_empty() {
            running.is_over = true;
            return;
        }
        let (users, places) = distinct(&batch);
        let begun = Instant::now();
        let numbers = archive.join(sale, &users).await;
        queue.batch_time.note(begun.elapsed());
        match numbers {
            Ok(numbers) => {
                for (join, place) in batch.into_iter().zip(places) {
                    // A client that has gone has joined all the same.
                    let _gone = join.number.send(numbers[place]);
                }
            }
            Err(error) => tracing::warn!(%sale, %error, users = batch.len(), "users could not join the waiting room"),
        }
    }
}

/// Returns the users, each once, and the position of the user of each join among them.
fn distinct(batch: &[Join]) -> (Vec<UserId>, Vec<usize>) {
    let (mut users, mut known) = (Vec::with_capacity(batch.len()), HashMap::with_capacity(batch.len()));
    let places = batch
        .iter()
        .map(|join| {
            *known.entry(&join.user).or_insert_with(|| {
                users.push(join.user.clone());
                users.len() - 1
            })
        })
        .collect();
    (users, places)
}
