//! The supervisor: restarts a background task that panics or ends unexpectedly.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::application::shared::Tasks;
use crate::application::shared::blocking::result_of;
use crate::infrastructure::backoff::Backoff;

use super::metrics::TASK_RESTARTS;
use super::task_name::TaskName;

/// Supervises background tasks until they are stopped. Clones supervise together.
#[derive(Debug, Clone)]
pub struct Supervisor {
    tasks: Arc<Tasks>,
    stop: CancellationToken,
    /// Everything to wait for at shutdown.
    running: TaskTracker,
    /// Cancelled when a task has lost its supervision.
    failed: CancellationToken,
}

impl Supervisor {
    /// A supervisor without tasks. It keeps `tasks` up to date, and ends its tasks at `stop`.
    pub fn new(tasks: Arc<Tasks>, stop: CancellationToken) -> Self {
        Supervisor { tasks, stop, running: TaskTracker::new(), failed: CancellationToken::new() }
    }

    /// Runs the task that `make` returns until the supervisor is stopped. Whenever it ends before, it is made again.
    pub fn start<T>(&self, name: TaskName, make: impl Fn() -> T + Send + Sync + 'static)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        self.start_until(self.stop.clone(), name, make);
    }

    /// Does the same until `stop`.
    pub fn start_until<T>(&self, stop: CancellationToken, name: TaskName, make: impl Fn() -> T + Send + Sync + 'static)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let tasks = self.tasks.clone();
        let supervision = Supervision { name, failed: self.failed.clone(), is_over: false };
        self.running.spawn(async move {
            keep_running(name, &tasks, stop, Arc::new(make)).await;
            supervision.end();
        });
    }

    /// Runs blocking work on a thread of its own. A panic of the work is a panic of the caller.
    pub async fn run_blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        result_of(self.running.spawn_blocking(work)).await
    }

    /// Waits until a task has lost its supervision, so that nothing would restart it.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Returns true if a task has lost its supervision.
    pub fn has_failed(&self) -> bool {
        self.failed.is_cancelled()
    }

    /// Ends all tasks, and waits for their end.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
    }
}

/// The supervision of one task. Dropped before it is over, it reports a failure of the supervisor.
struct Supervision {
    name: TaskName,
    failed: CancellationToken,
    is_over: bool,
}

impl Supervision {
    fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        if !self.is_over {
            tracing::error!(task = self.name.word(), "the supervisor of a background task ended unexpectedly");
            self.failed.cancel();
        }
    }
}

async fn keep_running<T>(
    name: TaskName,
    tasks: &Tasks,
    stop: CancellationToken,
    make: Arc<impl Fn() -> T + Send + Sync + 'static>,
) where
    T: Future<Output = ()> + Send + 'static,
{
    let mut backoff = Backoff::default();
    loop {
        let (make, stopped) = (make.clone(), stop.clone());
        let task = tokio::spawn(async move { stopped.run_until_cancelled(make()).await });
        let running = tasks.begin(name.word(), task.abort_handle());
        let ended = AbortOnDropHandle::new(task).await;
        if stop.is_cancelled() {
            return;
        }
        let _down = running.fail();
        TASK_RESTARTS.of(name).increment(1);
        let (cause, pause) = (cause(ended.err()), backoff.pause(Instant::now()));
        tracing::error!(task = name.word(), cause, ?pause, "a background task ended unexpectedly: restarting it");
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
    }
}

fn cause(error: Option<JoinError>) -> String {
    match error.map(JoinError::try_into_panic) {
        None => "it returned".to_owned(),
        Some(Err(_aborted)) => "it was aborted".to_owned(),
        Some(Ok(panic)) => format!("it panicked: {}", message(panic.as_ref())),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    fn supervisor() -> Supervisor {
        Supervisor::new(Arc::default(), CancellationToken::new())
    }

    async fn eventually(is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it happens within 10 s");
    }

    /// A task that ends in this way the first two times.
    fn start_failing(supervisor: &Supervisor, name: TaskName, fail: fn()) -> Arc<AtomicU64> {
        let runs = Arc::new(AtomicU64::new(0));
        let counted = runs.clone();
        supervisor.start(name, move || {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                if run < 2 {
                    fail();
                    return;
                }
                std::future::pending::<()>().await;
            }
        });
        runs
    }

    #[tokio::test]
    async fn a_task_that_panics_or_returns_is_restarted_and_is_down_meanwhile() {
        for (name, fail) in [(TaskName::Recovery, (|| panic!("number {}", 7)) as fn()), (TaskName::Schedule, || {})] {
            let supervisor = supervisor();
            let runs = start_failing(&supervisor, name, fail);
            eventually(|| !supervisor.tasks.all_run()).await;
            eventually(|| supervisor.tasks.state(name.word()).running == 1 && runs.load(Ordering::SeqCst) == 3).await;
            assert!(supervisor.tasks.all_run());
            assert_eq!(supervisor.tasks.state(name.word()).restarts, 2);
            supervisor.stop().await;
            assert_eq!(supervisor.tasks.state(name.word()).running, 0);
            assert_eq!((supervisor.tasks.state(name.word()).restarts, supervisor.has_failed()), (2, false));
        }
    }

    #[tokio::test]
    async fn a_task_whose_making_panics_is_restarted() {
        let supervisor = supervisor();
        let runs = Arc::new(AtomicU64::new(0));
        let counted = runs.clone();
        supervisor.start(TaskName::Pools, move || {
            assert!(counted.fetch_add(1, Ordering::SeqCst) > 0, "the first time fails");
            std::future::pending()
        });
        eventually(|| runs.load(Ordering::SeqCst) == 2).await;
        supervisor.stop().await;
    }

    #[tokio::test]
    async fn a_panic_in_blocking_work_restarts_the_task() {
        let supervisor = supervisor();
        let inner = supervisor.clone();
        supervisor.start(TaskName::Auditor, move || {
            let inner = inner.clone();
            async move { inner.run_blocking(|| panic!("in a thread")).await }
        });
        eventually(|| supervisor.tasks.state("auditor").restarts == 2).await;
        supervisor.stop().await;
    }

    #[tokio::test]
    async fn only_the_tasks_of_a_stopped_token_end() {
        let (supervisor, sale) = (supervisor(), CancellationToken::new());
        supervisor.start_until(sale.clone(), TaskName::Follower, std::future::pending);
        supervisor.start(TaskName::Writer, std::future::pending);
        eventually(|| supervisor.tasks.state("follower").running + supervisor.tasks.state("writer").running == 2).await;
        sale.cancel();
        eventually(|| supervisor.tasks.state("follower").running == 0).await;
        assert_eq!(supervisor.tasks.state("writer").running, 1);
        assert_eq!(supervisor.tasks.state("follower").restarts, 0);
    }

    #[tokio::test]
    async fn a_task_that_loses_its_supervision_is_a_failure_of_the_supervisor() {
        let supervisor = supervisor();
        let supervision = || Supervision { name: TaskName::Sales, failed: supervisor.failed.clone(), is_over: false };
        supervision().end();
        assert!(!supervisor.has_failed());
        drop(supervision());
        supervisor.failed().await;
        assert!(supervisor.has_failed());
    }

    #[test]
    fn the_cause_of_an_end_is_named() {
        let panics: [Box<dyn Any + Send>; 3] = [Box::new("text"), Box::new("owned".to_owned()), Box::new(7)];
        assert_eq!(panics.map(|panic| message(panic.as_ref()).to_owned()), ["text", "owned", "(no message)"]);
        assert_eq!(cause(None), "it returned");
    }
}
