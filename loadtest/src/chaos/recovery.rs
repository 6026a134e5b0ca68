//! The wait until selling works again.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Error;
use super::crowd::Crowd;
use super::order::OK;
use super::purchase::{Answer, Purchase};
use super::world::World;
use crate::api::Sale;
use crate::client::{Client, Request};
use crate::outcome::{Operation, Outcome};

/// No fault takes this long to recover from.
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait for the answer to a probe, which is then sent again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

/// Waits until every instance decides in the current sale and acknowledges a new purchase, except for those at these places,
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

/// Waits until an order is paid through each instance. Returns the time since then.
pub async fn pays_again(world: &World, crowd: &Rc<Crowd>, since: Instant) -> Result<Duration, Error> {
    let deadline = Instant::now() + PATIENCE;
    for instance in &world.instances {
        while !pays(&instance.client, crowd).await {
            if Instant::now() > deadline {
                let what = format!("{} takes payments again", instance.name);
                return Err(Error::TimedOut { what, patience: PATIENCE, logs: world.logs.clone() });
            }
            sleep(POLL).await;
        }
    }
    Ok(since.elapsed())
}

async fn pays(client: &Rc<Client>, crowd: &Rc<Crowd>) -> bool {
    let user = crowd.new_name();
    let purchase = Purchase::of_item(&user, &format!("{}-00300", crowd.order_sale), user.clone());
    if !matches!(purchase.ask(client, &crowd.history).await, Answer::Receipt) {
        return false;
    }
    let order = crowd.history.borrow().order_of(&user);
    match order {
        Some(order) => order.pay(OK, || client.clone(), &crowd.history).await,
        None => false,
    }
}

async fn sells(client: &Client, crowd: &Rc<Crowd>) -> bool {
    let probing = async {
        let user = crowd.new_name();
        if !takes_carts(client, &user).await {
            return false;
        }
        let item = format!("{}-00001", crowd.long_sale);
        let purchase = Purchase::of_item(&user, &item, user.clone());
        matches!(purchase.ask(client, &crowd.history).await, Answer::Receipt)
    };
    timeout(ANSWER_TIMEOUT, probing).await.unwrap_or(false)
}

/// Returns true if the current sale decides, whether or not anything of it is left.
pub async fn takes_carts(client: &Client, user: &str) -> bool {
    let shown = client.send(Operation::Look, &Request::get("/sales/active"), Instant::now()).await;
    let Ok(sale) = serde_json::from_slice::<Sale>(&shown.body) else { return false };
    // One of the last items, so that the filter of sold items seldom answers.
    let item = sale.item(sale.total_items - 1);
    let request = Request::post(format!("/checkout?user_id={user}&id={item}"));
    let answer = client.send(Operation::Checkout, &request, Instant::now()).await;
    matches!(answer.outcome, Outcome::Done | Outcome::Refused(_))
}
