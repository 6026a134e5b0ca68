//! The wait until selling works again.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Error;
use super::crowd::Crowd;
use super::purchase::{Answer, Purchase};
use super::world::World;
use crate::client::{Client, Request};
use crate::outcome::{Operation, Outcome};

/// No fault takes this long to recover from.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait for the answer to a probe, which is then sent again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

/// Waits until every instance shows the current sale and acknowledges a new purchase, except for those at these places,
/// which are kept from selling. Returns the time since then.
pub async fn sells_again(
    world: &mut World,
    crowd: &Rc<Crowd>,
    since: Instant,
    except: &[usize],
) -> Result<Duration, Error> {
    let deadline = Instant::now() + PATIENCE;
    for place in 0..world.instances.len() {
        if except.contains(&place) {
            continue;
        }
        while !sells(&world.instances[place].client, crowd).await {
            if Instant::now() > deadline {
                let what = format!("{} sells again", world.instances[place].name);
                return Err(Error::TimedOut { what, patience: PATIENCE, logs: world.logs.clone() });
            }
            world.revive()?;
            sleep(POLL).await;
        }
    }
    Ok(since.elapsed())
}

async fn sells(client: &Client, crowd: &Rc<Crowd>) -> bool {
    let probing = async {
        let sale = client.send(Operation::Look, &Request::get("/sales/active"), Instant::now()).await;
        let user = crowd.new_name();
        let item = format!("{}-00001", crowd.long_sale);
        let purchase = Purchase::of_item(&user, &item, user.clone());
        sale.outcome == Outcome::Done && matches!(purchase.ask(client, &crowd.history).await, Answer::Receipt)
    };
    timeout(ANSWER_TIMEOUT, probing).await.unwrap_or(false)
}
