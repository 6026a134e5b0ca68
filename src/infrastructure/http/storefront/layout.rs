//! The parts that all pages have.

use crate::infrastructure::http::web::assets::{self, Asset};

/// The frame around the content of a page.
pub struct Layout {
    pub title: String,
    pub style: &'static Asset,
    pub script: &'static Asset,
    pub icon: &'static Asset,
    /// Seconds after which a browser without scripts loads the page again.
    pub refresh: Option<u64>,
}

impl Layout {
    /// The frame of a page with this title.
    pub fn titled(title: impl Into<String>) -> Self {
        Layout {
            title: title.into(),
            style: &assets::STYLE,
            script: &assets::SCRIPT,
            icon: &assets::ICON,
            refresh: None,
        }
    }
}
