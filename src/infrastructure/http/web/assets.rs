//! The files that pages load, compiled in. Their names contain a hash of their bytes, so browsers keep them for good.

use std::io::Write;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// A file.
pub struct Asset {
    /// The path on the service.
    pub path: String,
    pub media_type: &'static str,
    pub plain: Bytes,
    pub gzipped: Bytes,
}

/// The style sheet.
pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("shop", "css", "text/css; charset=utf-8", include_str!("static/shop.css")));

/// The style sheet that the console adds to it.
pub static CONSOLE_STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("console", "css", "text/css; charset=utf-8", include_str!("static/console.css")));

/// The script, which every page can do without.
pub static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("shop", "js", "text/javascript; charset=utf-8", include_str!("static/shop.js")));

/// The script of the waiting room, which can do without it as well.
pub static QUEUE_SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("queue", "js", "text/javascript; charset=utf-8", include_str!("static/queue.js")));

/// The icon.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("static/icon.svg")));

/// Returns the file with this path.
pub fn find(path: &str) -> Option<&'static Asset> {
    [&STYLE, &SCRIPT, &QUEUE_SCRIPT, &ICON, &CONSOLE_STYLE]
        .into_iter()
        .map(LazyLock::force)
        .find(|asset| asset.path == path)
}

/// Compresses bytes.
pub fn gzip(bytes: &[u8], level: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), level);
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_else(|error| unreachable!("memory takes all bytes: {error}")).into()
}

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, text: &'static str) -> Self {
        let hash: String = Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Asset {
            path: format!("/static/{name}.{hash}.{extension}"),
            media_type,
            plain: Bytes::from_static(text.as_bytes()),
            gzipped: gzip(text.as_bytes(), Compression::best()),
        }
    }
}
