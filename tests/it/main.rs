//! Every promise, against real Redis and PostgreSQL processes. One binary, one file a noun.

mod harness;
mod scripts;
