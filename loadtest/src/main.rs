//! Shoppers for the flash-sale service. They shop as people do, by thinking and coming back, or all at once; in the
//! end what they were told is compared with what the service says, and a report is written.
//!
//! | where | what |
//! |---|---|
//! | `modes`, `profiles` | the tables: how much load, and what shoppers are like |
//! | `visit`, `cart`, `buying`, `choice` | what one shopper does |
//! | `drive` | closed loop (a crowd that thinks) and open loop (a rush that does not wait) |
//! | `client`, `outcome` | asking the service, and what answers are expected |
//! | `recorder`, `latency`, `told`, `watch` | what is measured and remembered meanwhile |
//! | `audit`, `verify`, `verdict` | asking afterwards, and PASS or FAIL |
//! | `report`, `html`, `plots`, `chart`, `machine` | what is left behind |

mod api;
mod audit;
mod buying;
mod cart;
mod chart;
mod choice;
mod cli;
mod client;
mod drive;
mod html;
mod latency;
mod machine;
mod modes;
mod outcome;
mod plots;
mod private;
mod profiles;
mod recorder;
mod report;
mod run;
mod told;
mod verdict;
mod verify;
mod visit;
mod watch;
mod world;

fn main() -> std::process::ExitCode {
    cli::run()
}
