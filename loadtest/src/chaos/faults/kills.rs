//! Instances that are killed while a request of theirs is on its way to a store, or its reply on its way back.

use std::fmt;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use rand::RngExt;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::points::{COMMIT, Point, RECOVERY, creation, decision, decision_mark};
use super::{Scene, Struck};
use crate::chaos::Error;
use crate::chaos::fleet::ADMIN_TOKEN;
use crate::chaos::proxy::Fault;
use crate::client::Request;
use crate::outcome::Operation;

/// Time for the request to be sent.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(2);
/// Time for a store to run the request when the reply to an earlier one was the first to be held back.
const RUNS_WITHIN: Duration = Duration::from_millis(20);
/// Length of a sale whose creation is interrupted.
const SALE: TimeDelta = TimeDelta::seconds(20);

/// The moment of a kill.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// The store has not got the request.
    Before,
    /// The instance has not got the reply.
    After,
}

impl Moment {
    fn fault(self) -> Fault {
        match self {
            Moment::Before => Fault::BlackHole,
            Moment::After => Fault::LostAnswers,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Moment::Before => "before",
            Moment::After => "after",
        })
    }
}

pub async fn before_script(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    at_script(scene, Moment::Before).await
}

pub async fn after_script(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    at_script(scene, Moment::After).await
}

/// All instances sell: one of them is chosen.
async fn at_script(scene: &mut Scene<'_>, moment: Moment) -> Result<Struck, Error> {
    let (place, mark) = (scene.any_instance(), decision_mark(&scene.world.long_sale));
    let point = decision(&mark);
    let trap = Trap::set(scene, &point, moment, [place]);
    scene.begin_purchase(place);
    trap.kill(scene).await
}

pub async fn before_commit(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    set_for_all(scene, &COMMIT, Moment::Before).kill(scene).await
}

pub async fn after_commit(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    set_for_all(scene, &COMMIT, Moment::After).kill(scene).await
}

/// Empties Redis, and kills the instance that restores it.
pub async fn in_recovery(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let point = &RECOVERY[scene.rng.random_range(0..RECOVERY.len())];
    let moment = any_moment(scene);
    let trap = set_for_all(scene, point, moment);
    scene.world.redis.primary.query::<()>(&["FLUSHALL"]).await?;
    trap.kill(scene).await
}

/// Has an instance create a sale, and kills it meanwhile.
pub async fn creating_a_sale(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let ends_at = Utc::now() + SALE;
    let ends_at_ms = ends_at.timestamp_millis().to_string();
    let points = creation(&ends_at_ms);
    let point = &points[scene.rng.random_range(0..points.len())];
    let moment = any_moment(scene);
    let trap = set_for_all(scene, point, moment);
    let client = scene.crowd.clients[scene.any_instance()].clone();
    let body = json!({ "total_items": 10, "ended_at": ends_at.to_rfc3339() }).to_string();
    let request = Request::post("/admin/sales").json(body).bearer(ADMIN_TOKEN);
    // It may never be answered.
    tokio::task::spawn_local(async move { client.send(Operation::Look, &request, Instant::now()).await });
    trap.kill(scene).await
}

pub(super) fn any_moment(scene: &mut Scene<'_>) -> Moment {
    if scene.rng.random() { Moment::Before } else { Moment::After }
}

pub(super) fn set_for_all<'a>(scene: &Scene<'_>, point: &'a Point<'a>, moment: Moment) -> Trap<'a> {
    Trap::set(scene, point, moment, 0..scene.world.instances.len())
}

/// A point at which an instance is going to be killed.
pub(super) struct Trap<'a> {
    point: &'a Point<'a>,
    moment: Moment,
    /// The places of the instances, and the bytes that their proxies had swallowed before.
    swallowed: Vec<(usize, u64)>,
}

impl<'a> Trap<'a> {
    /// Sets it for the instances at these places.
    pub fn set(
        scene: &Scene<'_>,
        point: &'a Point<'a>,
        moment: Moment,
        places: impl IntoIterator<Item = usize>,
    ) -> Self {
        let set = |place: usize| {
            let proxy = (point.proxy)(&scene.world.instances[place]);
            proxy.strike_at(point.mark, moment.fault());
            (place, proxy.swallowed())
        };
        Trap { point, moment, swallowed: places.into_iter().map(set).collect() }
    }

    /// Waits until an instance is at the point, kills it, and starts it again.
    pub async fn kill(self, scene: &mut Scene<'_>) -> Result<Struck, Error> {
        let deadline = Instant::now() + SEEN_WITHIN;
        let place = loop {
            if let Some(place) = self.caught(scene) {
                break place;
            }
            if Instant::now() > deadline {
                return Err(Error::NotFired(format!("no instance sent {}", self.point.name)));
            }
            sleep(POLL).await;
        };
        if matches!(self.moment, Moment::After) {
            sleep(RUNS_WITHIN).await;
        }
        scene.world.instances.iter().for_each(|instance| (self.point.proxy)(instance).heal());
        let instance = &mut scene.world.instances[place];
        let pid = instance.kill().await?;
        // As the kernel does when a process ends.
        for proxy in [&instance.redis, &instance.postgres, &instance.provider] {
            proxy.strike_open(Fault::Cut);
        }
        instance.launch()?;
        Ok(Struck::now(format!("{} {}: {} had pid {pid}", self.moment, self.point.name, instance.name)))
    }

    /// Returns the place of the instance whose request or reply was swallowed.
    fn caught(&self, scene: &Scene<'_>) -> Option<usize> {
        let is_caught = |(place, before): &&(usize, u64)| {
            let proxy = (self.point.proxy)(&scene.world.instances[*place]);
            !proxy.is_armed() && proxy.swallowed() > *before
        };
        self.swallowed.iter().find(is_caught).map(|(place, _)| *place)
    }
}
