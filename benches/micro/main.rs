//! Micro benchmarks of what every request does in this process: `make microbench`.

mod filter;
mod ids;
mod ledger;
mod receipt;
mod request;
mod token;

fn main() {
    divan::main();
}
