//! The background tasks of an instance, and their state.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// The state of the background tasks by name. Several tasks may have the same name: one for each live sale. The
/// supervisor writes it, readiness reads it.
#[derive(Debug, Default)]
pub struct Tasks {
    by_name: Mutex<BTreeMap<&'static str, Entry>>,
}

/// The state of the tasks of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskState {
    /// Tasks that run.
    pub running: usize,
    /// Tasks that ended unexpectedly and wait for their restart.
    pub down: usize,
    /// Unexpected ends so far.
    pub restarts: u64,
}

#[derive(Debug, Default)]
struct Entry {
    running: Vec<AbortHandle>,
    down: usize,
    restarts: u64,
}

impl Tasks {
    /// Returns true unless a task waits for its restart.
    pub fn all_run(&self) -> bool {
        self.lock().values().all(|entry| entry.down == 0)
    }

    /// Returns the state of the tasks of this name.
    pub fn state(&self, name: &str) -> TaskState {
        let by_name = self.lock();
        let state =
            |entry: &Entry| TaskState { running: entry.running.len(), down: entry.down, restarts: entry.restarts };
        by_name.get(name).map(state).unwrap_or_default()
    }

    /// Returns the tasks that have ended unexpectedly, each with the number of its ends so far.
    pub fn restarts(&self) -> Vec<(&'static str, u64)> {
        let by_name = self.lock();
        by_name.iter().map(|(name, entry)| (*name, entry.restarts)).filter(|(_, restarts)| *restarts > 0).collect()
    }

    /// Aborts the running tasks of this name, as a fault would end them: their supervisor restarts them.
    pub fn abort(&self, name: &str) {
        let by_name = self.lock();
        by_name.get(name).into_iter().flat_map(|entry| &entry.running).for_each(AbortHandle::abort);
    }

    /// Notes that a task runs, until the result is dropped.
    pub fn begin(&self, name: &'static str, task: AbortHandle) -> Running<'_> {
        self.entry(name, |entry| entry.running.push(task.clone()));
        Running { tasks: self, name, task }
    }

    fn entry(&self, name: &'static str, change: impl FnOnce(&mut Entry)) {
        change(self.lock().entry(name).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Entry>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that runs.
#[derive(Debug)]
pub struct Running<'a> {
    tasks: &'a Tasks,
    name: &'static str,
    task: AbortHandle,
}

impl<'a> Running<'a> {
    /// Notes that the task ended unexpectedly, and is down until the result is dropped.
    pub fn fail(self) -> Down<'a> {
        let (tasks, name) = (self.tasks, self.name);
        // Down before it counts as ended, so that no reader sees it in neither state.
        tasks.entry(name, |entry| {
            entry.down += 1;
            entry.restarts += 1;
        });
        Down { tasks, name }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let ended = self.task.id();
        self.tasks.entry(self.name, |entry| entry.running.retain(|task| task.id() != ended));
    }
}

/// A task that waits for its restart.
#[derive(Debug)]
pub struct Down<'a> {
    tasks: &'a Tasks,
    name: &'static str,
}

impl Drop for Down<'_> {
    fn drop(&mut self) {
        self.tasks.entry(self.name, |entry| entry.down -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_task_is_down_until_it_runs_again() {
        let tasks = Tasks::default();
        let task = || tokio::spawn(std::future::pending::<()>()).abort_handle();
        let (one, other) = (tasks.begin("follower", task()), tasks.begin("follower", task()));
        assert_eq!(tasks.state("follower"), TaskState { running: 2, down: 0, restarts: 0 });
        let down = one.fail();
        assert_eq!(tasks.state("follower"), TaskState { running: 1, down: 1, restarts: 1 });
        assert!(!tasks.all_run());
        drop((down, other));
        assert_eq!(tasks.state("follower"), TaskState { running: 0, down: 0, restarts: 1 });
        assert!(tasks.all_run());
        assert_eq!(tasks.state("writer"), TaskState::default());
        assert_eq!(tasks.restarts(), [("follower", 1)]);
    }
}
