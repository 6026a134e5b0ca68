//! What is in `monitoring/`: whether the files are right, and whether they work on the real thing.

mod alarms;
mod dashboards;
mod expressions;
mod figures;
mod rules;
mod watched;
