//! Turns: a bound on operations that run at once, and on those that wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// A bound on operations that run at once, on operations that wait for their turn, and on their wait.
#[derive(Debug)]
pub struct Turns {
    running_max: usize,
    free: Arc<Semaphore>,
    waiting: Semaphore,
    patience: Duration,
}

/// The turn of one operation, which ends when this is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held until the end of the turn")] OwnedSemaphorePermit);

impl Turns {
    /// Turns for this many operations at once. Up to `waiting_max` others wait, for at most `patience`.
    pub fn new(running_max: usize, waiting_max: usize, patience: Duration) -> Self {
        let free = Arc::new(Semaphore::new(running_max));
        Turns { running_max, free, waiting: Semaphore::new(waiting_max), patience }
    }

    /// Waits for a turn. Returns `None` at once if too many wait already, and after the longest wait.
    pub async fn take(&self) -> Option<Turn> {
        let free = self.free.clone();
        if let Ok(turn) = free.clone().try_acquire_owned() {
            return Some(Turn(turn));
        }
        let _place = self.waiting.try_acquire().ok()?;
        timeout(self.patience, free.acquire_owned()).await.ok()?.ok().map(Turn)
    }

    /// Returns the number of operations that may run at once.
    pub fn running_max(&self) -> usize {
        self.running_max
    }

    /// Returns the number of operations that run.
    pub fn running(&self) -> usize {
        self.running_max - self.free.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn only_so_many_run_and_only_so_many_wait() {
        let turns = Turns::new(2, 1, LONG);
        let (first, _second) = (turns.take().await.unwrap(), turns.take().await.unwrap());
        assert_eq!(turns.running(), 2);
        let (waited, refused, ()) = tokio::join!(turns.take(), turns.take(), async { drop(first) });
        assert!(waited.is_some() && refused.is_none());
        assert_eq!(turns.running(), 2);
        drop(waited);
        assert_eq!(turns.running(), 1);
    }

    #[tokio::test]
    async fn the_wait_is_bounded_and_leaves_no_trace() {
        let turns = Turns::new(1, 1, Duration::from_millis(5));
        let only = turns.take().await.unwrap();
        assert!(turns.take().await.is_none());
        drop(only);
        let only = turns.take().await;
        let waiting = async { turns.take().await.is_some() };
        let (is_served, ()) = tokio::join!(waiting, async { drop(only) });
        assert!(is_served);
    }
}
