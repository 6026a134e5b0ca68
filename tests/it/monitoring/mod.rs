//! The files in `monitoring/`: their content, and their effect on a real Prometheus that watches the real service.

mod alerts;
mod dashboards;
mod expressions;
mod monitored_service;
mod rules;
mod values;
