//! Everything that pages for browsers have in common: their answers and headers, the files that they load, and their words
//! for amounts and times.

pub mod accept;
pub mod asset;
pub mod assets;
pub mod cookies;
pub mod html;
pub mod number;
