//! `loadtest streams`: many streams of live stock while a sale sells out, and readers who read nothing.
//!
//! | modules | contents |
//! |---|---|
//! | `cli` | the command |
//! | `run` | three sales with the same rush: without streams, with many, and with readers who read nothing |
//! | `reader` | one stream |
//! | `results` | the results, and what is expected of them |

pub mod cli;
mod reader;
mod results;
mod run;
