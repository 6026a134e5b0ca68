//! The parts that all pages of the console have.

use crate::infrastructure::http::web::assets::{self, Asset};

/// The frame around the content of a page.
pub struct Layout {
    pub title: String,
    pub has_session: bool,
    pub styles: [&'static Asset; 2],
    pub icon: &'static Asset,
}

impl Layout {
    /// The frame of a page in a session.
    pub fn titled(title: impl Into<String>) -> Self {
        let styles = [&*assets::STYLE, &*assets::CONSOLE_STYLE];
        Layout { title: title.into(), has_session: true, styles, icon: &assets::ICON }
    }

    /// The frame of a page before a session begins.
    pub fn before_session(title: impl Into<String>) -> Self {
        Layout { has_session: false, ..Layout::titled(title) }
    }
}
