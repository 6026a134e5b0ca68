//! Endpoints about the service itself: health, metrics and documentation.

pub mod docs;
pub mod docs_folder;
pub mod document;
pub mod health;
mod health_body;
pub mod live;
pub mod metrics;
pub mod ready;
pub mod swagger_ui;

/// The group of the endpoints that monitoring uses.
pub const OPERATIONS: &str = "Operations";

/// The group of the endpoints that describe the interface.
pub const DOCUMENTATION: &str = "Documentation";

/// The page to which the documentation redirects.
pub const DOCS_PAGE: &str = "/docs/index.html";
