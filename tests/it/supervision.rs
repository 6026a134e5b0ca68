//! Background tasks that end unexpectedly are restarted, and the service recovers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flashsale::application::sale::create_sale::{NewSale, Offer};
use flashsale::application::sale::live_sale::LiveSale;
use flashsale::application::shared::Tasks;
use flashsale::infrastructure::background::TaskName;
use sqlx::Executor;
use strum::VariantArray;
use tokio_util::task::AbortOnDropHandle;

use crate::harness::eventually;
use crate::harness::service::{Instance, World};

/// Ends the tasks of this name, as a fault would, until readiness reports it. Returns when all tasks run again.
async fn kill(shop: &Instance, task: TaskName) {
    let before = shop.shop.tasks.state(task.word()).restarts;
    eventually("readiness reports it", || async {
        shop.shop.tasks.abort(task.word());
        tokio::task::yield_now().await;
        let ready = shop.client.get("/health/ready").await;
        ready.status == 503 && ready.json()["services_status"]["app"] == "DOWN"
    })
    .await;
    eventually("all tasks run again", || async { shop.client.get("/health/ready").await.status == 200 }).await;
    let state = shop.shop.tasks.state(task.word());
    assert!(state.restarts > before && state.running > 0, "{task:?}: {state:?}");
}

/// Ends the tasks of this name again and again until the result is dropped.
fn keep_killing(shop: &Instance, task: TaskName) -> AbortOnDropHandle<()> {
    let tasks: Arc<Tasks> = shop.shop.tasks.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            tasks.abort(task.word());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }))
}

fn current(shop: &Instance) -> Arc<LiveSale> {
    shop.shop.current_sale().expect("a sale is open")
}

/// The restarts of a task, as `/metrics` counts them for all instances of this process.
async fn counted_restarts(shop: &Instance, task: TaskName) -> u64 {
    let text = String::from_utf8(shop.client.get("/metrics").await.expect(200).body.to_vec()).expect("it is text");
    let series = format!("flashsale_task_restarts_total{{task=\"{}\"}} ", task.word());
    let value = text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok());
    value.unwrap_or_else(|| panic!("{series} is missing"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_is_restarted_and_counted_and_readiness_reports_it() {
    let world = World::new().await;
    let shop = world.start().await;
    eventually("it is ready", || async { shop.client.get("/health/ready").await.status == 200 }).await;
    for task in TaskName::VARIANTS {
        let before = counted_restarts(&shop, *task).await;
        kill(&shop, *task).await;
        assert!(counted_restarts(&shop, *task).await > before, "{task:?}");
    }
    shop.client.get("/health/live").await.expect(200);
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    shop.assert_sound(1).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_normal_stop_is_no_restart() {
    let world = World::new().await;
    let shop = world.start().await;
    let service = shop.shop.clone();
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    shop.stop().await;
    for task in TaskName::VARIANTS {
        let state = service.tasks.state(task.word());
        assert_eq!((state.running, state.down, state.restarts), (0, 0, 0), "{task:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_follower_or_writer_a_sale_sells_again_soon() {
    let world = World::new().await;
    let shop = world.start().await;
    kill(&shop, TaskName::Follower).await;
    shop.client.buy_now("ann", "r1", "1").await.expect(200);
    let first = 1.try_into().expect("1 is an ordinal");
    eventually("the filter learns it", || async { current(&shop).is_sold(first) }).await;
    kill(&shop, TaskName::Writer).await;
    shop.client.buy_now("ann", "r2", "2").await.expect(200);
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_of_recovery_a_loss_is_still_recovered() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r1", "1").await.expect(200);
    kill(&shop, TaskName::Recovery).await;
    let epoch = shop.epoch();
    let mut redis = world.redis_connection().await;
    let () = redis::cmd("FLUSHALL").query_async(&mut redis).await.expect("Redis answers");
    eventually("it is restored", || async { shop.epoch() > epoch }).await;
    shop.client.buy_now("bob", "r1", "1").await.expect_problem(410, "sold_out");
    shop.client.buy_now("bob", "r2", "2").await.expect(200);
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_of_the_schedule_the_next_sale_still_opens() {
    let world = World::new().await.with(|world| {
        world.settings.sale_every = Duration::from_secs(2);
        world.settings.sale_lead = Duration::from_secs(1);
    });
    let shop = world.start().await;
    kill(&shop, TaskName::Schedule).await;
    let before = shop.sale();
    let is_next = || async { shop.shop.current_sale().is_ok_and(|sale| sale.id().to_string() > before) };
    eventually("the next sale is open", is_next).await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_of_the_sales_task_every_sale_has_its_tasks_again() {
    let world = World::new().await;
    let shop = world.start().await;
    kill(&shop, TaskName::Sales).await;
    let offer = NewSale {
        starts_at: None,
        ends_at: None,
        offer: Offer::Generated(5),
        user_limit: None,
        payment_window: None,
        waiting_room: false,
    };
    let special = shop.shop.create_sale(offer).await.expect("it can be created").id;
    shop.client.buy_now("ann", "r1", &format!("{special}-00005")).await.expect(200);
    shop.client.buy_now("ann", "r2", "1").await.expect(200);
    let running = |task: TaskName| shop.shop.tasks.state(task.word()).running;
    eventually("the tasks of the old one have ended", || async {
        let live = shop.shop.sales.all_live().len();
        (running(TaskName::Follower), running(TaskName::Writer)) == (live, live)
    })
    .await;
}

/// Two instances: the one that writes the ledger, and the other.
async fn writer_and_other(world: &World) -> (Instance, Instance) {
    let (one, two) = (world.start().await, world.start().await);
    eventually("one writes", || async { current(&one).is_audited_here() || current(&two).is_audited_here() }).await;
    if current(&one).is_audited_here() { (one, two) } else { (two, one) }
}

#[tokio::test(flavor = "multi_thread")]
async fn either_way_to_hear_of_a_commit_on_another_instance_is_enough_after_a_restart() {
    let world = World::new().await;
    let (_writer, other) = writer_and_other(&world).await;
    for (task, missing) in [(TaskName::Watermarks, TaskName::CatchUp), (TaskName::CatchUp, TaskName::Watermarks)] {
        kill(&other, task).await;
        let killing = keep_killing(&other, missing);
        other.client.buy_now("ann", missing.word(), &(missing as u32).to_string()).await.expect(200);
        drop(killing);
        eventually("all run", || async { other.shop.tasks.all_run() }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_attempts_are_counted_and_refusals_archived() {
    let world = World::new().await;
    let shop = world.start().await;
    kill(&shop, TaskName::Attempts).await;
    kill(&shop, TaskName::Refusals).await;
    let mut freeze = world.database.begin().await.expect("PostgreSQL answers");
    freeze.execute("LOCK TABLE checkout_attempts IN EXCLUSIVE MODE").await.expect("it can be locked");
    shop.client.cart("ann", &["1"]).await;
    let pending = || async { current(&shop).attempts_pending.load(Ordering::Relaxed) == 1 };
    eventually("the attempt is counted", pending).await;
    freeze.rollback().await.expect("PostgreSQL answers");
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    shop.client.checkout("bob", "1").await.expect_problem(409, "item_sold");
    let counted =
        || async { world.count("SELECT count(*) FROM refused_attempts WHERE reason = 'item_sold'").await == 1 };
    eventually("the refusal is archived", counted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_sales_are_audited() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    kill(&shop, TaskName::Auditor).await;
    let found = || async {
        let findings = current(&shop).last_audit.load_full().and_then(|audit| audit.findings);
        findings.is_some_and(|findings| findings.sold == 1 && findings.is_sound())
    };
    eventually("the sale is audited", found).await;
}
