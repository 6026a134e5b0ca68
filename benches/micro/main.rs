//! Micro benchmarks of what every request does in this process: `make microbench`.

mod filter;
mod ids;
mod receipt;

fn main() {
    divan::main();
}
