//! A load test for the flash-sale service. Shoppers think and come back, or arrive all at once. Afterwards the test
//! compares what the service acknowledged to them with what it shows, and writes a report.
//!
//! | modules | contents |
//! |---|---|
//! | `modes`, `profiles` | tables: the load, and how shoppers behave |
//! | `visit`, `cart`, `purchase`, `order`, `popularity` | the behaviour of one shopper |
//! | `load_generator` | closed loop (realistic tests) and open loop (rush) |
//! | `client`, `api`, `outcome` | requests to the service, and the expected responses |
//! | `context`, `recorder`, `latency`, `acknowledgements`, `monitor` | measurements and state during a run |
//! | `audit`, `order_audit`, `verify`, `verdict` | checks after a run: PASS or FAIL |
//! | `report`, `html`, `plots`, `chart`, `machine` | the report |
//! | `cli`, `run`, `private_service` | the command, one run, and a service started for it |
//! | `chaos` | another program: real processes under faults, `loadtest chaos` |
//! | `bench` | another program: peak throughput and its cost, `loadtest bench` |
//! | `streams` | another program: many streams of live stock during a rush, `loadtest streams` |

mod acknowledgements;
mod api;
mod audit;
mod bench;
mod cart;
mod chaos;
mod chart;
mod cli;
mod client;
mod context;
mod html;
mod latency;
mod load_generator;
mod machine;
mod modes;
mod monitor;
mod order;
mod order_audit;
mod outcome;
mod plots;
mod popularity;
mod private_service;
mod profiles;
mod purchase;
mod recorder;
mod report;
mod run;
mod streams;
mod verdict;
mod verify;
mod visit;

fn main() -> std::process::ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(bench::cli::NAME) => bench::cli::run(),
        Some(chaos::cli::NAME) => chaos::cli::run(),
        Some(streams::cli::NAME) => streams::cli::run(),
        Some(bench::bare_server::NAME) => bench::bare_server::run(),
        _ => cli::run(),
    }
}
