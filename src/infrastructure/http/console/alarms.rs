//! Everything that needs the attention of an operator now, as far as this instance knows it.

use std::sync::Arc;

use crate::application::payment::ports::CircuitState;
use crate::application::sale::live_sale::LiveSale;
use crate::infrastructure::http::platform::Context;
use crate::infrastructure::http::platform::readiness::Services;

/// Returns the alarms of this instance, in words.
pub fn of(context: &Context, services: Services, live: &[Arc<LiveSale>]) -> Vec<String> {
    let shop = &context.shop;
    let mut alarms = Vec::new();
    let mut add = |is_raised: bool, text: &str| {
        if is_raised {
            alarms.push(text.to_owned());
        }
    };
    add(!services.redis, "Redis does not answer.");
    add(!services.database, "PostgreSQL does not answer.");
    add(!shop.tasks.all_run(), "A background task has failed and waits for its restart.");
    add(!shop.clock.is_trusted(), "The clock of Redis is not known well enough to sell.");
    add(shop.current_sale().is_err(), "No hourly sale is open on this instance.");
    add(
        context.payments.circuit() == Some(CircuitState::Open),
        "The payment provider does not answer, and is left alone.",
    );
    for (task, restarts) in shop.tasks.restarts() {
        let times = if restarts == 1 { "once".to_owned() } else { format!("{restarts} times") };
        alarms.push(format!("The task {task} has failed {times} since the start of this instance."));
    }
    alarms.extend(live.iter().flat_map(|sale| of_sale(sale, shop.settings.lag_limit)));
    alarms
}

fn of_sale(sale: &LiveSale, lag_limit: std::time::Duration) -> Vec<String> {
    let (id, lag) = (sale.id(), sale.confirmations.lag());
    let mut alarms = Vec::new();
    if sale.fence.epoch().is_none() {
        alarms.push(format!("Sale {id} waits for recovery: nothing is sold."));
    }
    if lag > lag_limit {
        alarms.push(format!("Purchases of sale {id} have waited for PostgreSQL for {} s.", lag.as_secs()));
    }
    if let Some(audit) = sale.last_audit.load_full()
        && let Some(findings) = audit.findings.filter(|findings| !findings.is_sound())
    {
        alarms.push(format!("The audit of sale {id} at {} found {findings}.", audit.at.format("%H:%M:%S UTC")));
    }
    alarms
}
