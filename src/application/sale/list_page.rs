//! Pages of lists.

/// Entries of one page of a list.
pub const LIST_PAGE: usize = 100;

/// One page of a list.
#[derive(Debug, Clone)]
pub struct ListPage<T, Cursor> {
    pub entries: Vec<T>,
    /// The place from which the next page continues; `None` on the last page.
    pub next: Option<Cursor>,
}

impl<T, Cursor> ListPage<T, Cursor> {
    /// A page of entries that were read with one more than fits.
    pub(super) fn new(mut entries: Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Self {
        let has_more = entries.len() > LIST_PAGE;
        entries.truncate(LIST_PAGE);
        let next = entries.last().filter(|_| has_more).map(cursor);
        ListPage { entries, next }
    }
}
