//! Pages of the list of sales. A page is read once a second at most, however many requests ask for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::application::shared::StoreError;
use crate::domain::sale::{Sale, SaleStatus};
use crate::domain::shared::SaleId;

use super::list_page::ListPage;

/// Time for which a page is shown before it is read again.
const SHOWN_FOR: Duration = Duration::from_secs(1);

/// Pages in memory. A request for another page reads it.
const PAGES_MAX: usize = 64;

/// The sales that a page shows: their status, and the sale that precedes them in the list.
pub type PageKey = (Option<SaleStatus>, Option<SaleId>);

/// The pages that were read last.
#[derive(Debug, Default)]
pub struct SaleLists {
    pages: Mutex<HashMap<PageKey, Arc<Page>>>,
}

/// A page; `None` if it could not be read.
type Read = Option<Arc<ListPage<Sale, SaleId>>>;

#[derive(Debug, Default)]
struct Page {
    /// Locked while it is read, so that others wait for that.
    last: tokio::sync::Mutex<Option<(Instant, Read)>>,
}

impl SaleLists {
    /// Returns a page from memory, or reads it. A failure to read counts for as long as a page.
    pub async fn page(
        &self,
        key: PageKey,
        read: impl Future<Output = Result<ListPage<Sale, SaleId>, StoreError>>,
    ) -> Result<Arc<ListPage<Sale, SaleId>>, StoreError> {
        let Some(page) = self.kept(key) else { return read.await.map(Arc::new) };
        let mut last = page.last.lock().await;
        if let Some((at, page)) = last.as_ref()
            && at.elapsed() < SHOWN_FOR
        {
            return page.clone().ok_or(StoreError::Busy("the list of sales could not be read"));
        }
        let read = read.await.map(Arc::new);
        *last = Some((Instant::now(), read.as_ref().ok().cloned()));
        read
    }

    /// Forgets all pages, after a change that they must show.
    pub fn forget(&self) {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the place of a page in memory; `None` if there is no room for it.
    fn kept(&self, key: PageKey) -> Option<Arc<Page>> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if !pages.contains_key(&key) && pages.len() >= PAGES_MAX {
            pages.retain(|_, page| page.is_current());
        }
        let has_room = pages.len() < PAGES_MAX || pages.contains_key(&key);
        has_room.then(|| pages.entry(key).or_default().clone())
    }
}

impl Page {
    /// Returns true while the page is shown, or is being read.
    fn is_current(&self) -> bool {
        self.last.try_lock().map_or(true, |last| last.as_ref().is_some_and(|(at, _)| at.elapsed() < SHOWN_FOR))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    #[derive(Default)]
    struct Source(AtomicUsize);

    impl Source {
        async fn read(&self) -> Result<ListPage<Sale, SaleId>, StoreError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(ListPage { entries: Vec::new(), next: None })
        }

        async fn fail(&self) -> Result<ListPage<Sale, SaleId>, StoreError> {
            self.read().await?;
            Err(StoreError::Unreachable("gone".into()))
        }

        fn reads(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn after(number: u32) -> PageKey {
        let start = chrono::DateTime::from_timestamp(1_795_165_200 + 3_600 * i64::from(number), 0).unwrap();
        (None, Some(SaleId::hourly(start)))
    }

    #[tokio::test]
    async fn many_requests_for_a_page_are_one_read_until_a_change() {
        let (lists, source) = (SaleLists::default(), Source::default());
        let ask = || join_all((0..100).map(|_| lists.page((None, None), source.read())));
        assert!(ask().await.iter().all(Result::is_ok));
        assert_eq!(source.reads(), 1);
        lists.page((Some(SaleStatus::Open), None), source.read()).await.unwrap();
        assert_eq!(source.reads(), 2);
        lists.forget();
        ask().await;
        assert_eq!(source.reads(), 3);
    }

    #[tokio::test]
    async fn a_failure_is_shared_as_well() {
        let (lists, source) = (SaleLists::default(), Source::default());
        let answers = join_all((0..100).map(|_| lists.page((None, None), source.fail()))).await;
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(source.reads(), 1);
    }

    #[tokio::test]
    async fn any_number_of_pages_takes_bounded_memory() {
        let (lists, source) = (SaleLists::default(), Source::default());
        for number in 0..200 {
            lists.page(after(number), source.read()).await.unwrap();
        }
        assert_eq!((source.reads(), lists.pages.lock().unwrap().len()), (200, PAGES_MAX));
    }
}
