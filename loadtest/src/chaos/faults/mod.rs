//! The kinds of faults. Each breaks something, proves that it did, and heals it.

mod clock;
mod disk;
mod filter;
mod kills;
mod links;
mod logic;
mod payments;
mod points;
mod postgres;
mod processes;
mod recovery;
mod redis;

use std::rc::Rc;
use std::time::Duration;

use ::rand::RngExt;
use ::rand::rngs::SmallRng;
use tokio::time::Instant;

use super::Error;
use super::crowd::Crowd;
use super::kind::Kind;
use super::plan::Plan;
use super::purchase::Purchase;
use super::world::World;

/// Attempts to learn what became of a purchase that is made for a fault.
const ATTEMPTS: usize = 20;

/// A fault that took effect and is healed.
pub struct Struck {
    /// The proof that it took effect, in words.
    pub proof: String,
    /// The time from which recovery counts: the end of the fault, or its begin if it does not end by itself.
    pub since: Instant,
    /// Selling goes on with this fault. It is over when `flashsale verify` finds nothing.
    pub is_drift: bool,
    /// It is over when orders are paid again.
    pub is_of_payments: bool,
}

impl Struck {
    /// A fault that ended right now.
    fn now(proof: String) -> Self {
        Struck::at(Instant::now(), proof)
    }

    fn at(since: Instant, proof: String) -> Self {
        Struck { proof, since, is_drift: false, is_of_payments: false }
    }

    /// A fault of payments that ended right now.
    fn paying(proof: String) -> Self {
        Struck::now(proof).and_pays()
    }

    fn and_pays(self) -> Self {
        Struck { is_of_payments: true, ..self }
    }
}

/// Everything that a fault works with.
pub struct Scene<'a> {
    pub world: &'a mut World,
    pub crowd: &'a Rc<Crowd>,
    pub plan: &'a Plan,
    pub rng: SmallRng,
}

impl Scene<'_> {
    /// Returns the place of a random instance.
    fn any_instance(&mut self) -> usize {
        self.rng.random_range(0..self.world.instances.len())
    }

    /// Begins a purchase in the long sale through an instance, where little may be left for the shoppers.
    fn begin_purchase(&self, place: usize) {
        let (crowd, item) = (self.crowd.clone(), format!("{}-00001", self.world.long_sale));
        tokio::task::spawn_local(async move {
            let (user, client) = (crowd.new_name(), crowd.clients[place].clone());
            let purchase = Purchase::of_item(&user, &item, user.clone());
            purchase.until_known(|| client.clone(), &crowd.history, ATTEMPTS).await
        });
    }

    /// Waits for a random time.
    pub async fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.rng.random_range(milliseconds))).await;
    }
}

/// Breaks something of this kind, and heals it.
pub async fn strike(kind: Kind, scene: &mut Scene<'_>) -> Result<Struck, Error> {
    match kind {
        Kind::InstanceKilled => processes::instance_killed(scene).await,
        Kind::InstanceStopped => processes::instance_stopped(scene).await,
        Kind::RollingRestart => processes::rolling_restart(scene).await,
        Kind::RedisKilled => processes::redis_killed(scene).await,
        Kind::RedisStopped => processes::redis_stopped(scene).await,
        Kind::PostgresKilled => processes::postgres_killed(scene).await,
        Kind::PostgresStopped => processes::postgres_stopped(scene).await,
        Kind::BackendKilled => processes::backend_killed(scene).await,
        Kind::LockHolderStopped => processes::lock_holder_stopped(scene).await,
        Kind::TwoRecoverers => recovery::two_recoverers(scene).await,
        Kind::KilledBeforeScript => kills::before_script(scene).await,
        Kind::KilledAfterScript => kills::after_script(scene).await,
        Kind::KilledBeforeCommit => kills::before_commit(scene).await,
        Kind::KilledAfterCommit => kills::after_commit(scene).await,
        Kind::KilledInRecovery => kills::in_recovery(scene).await,
        Kind::KilledCreatingASale => kills::creating_a_sale(scene).await,
        Kind::RedisEmptied => redis::emptied(scene).await,
        Kind::RedisOldCopy => redis::old_copy(scene).await,
        Kind::RedisCut => redis::cut(scene).await,
        Kind::FlushAll => redis::flushed(scene).await,
        Kind::ScriptFlush => redis::scripts_flushed(scene).await,
        Kind::KeyDeleted => redis::key_deleted(scene).await,
        Kind::FieldChanged => redis::field_changed(scene).await,
        Kind::RedisFailover => redis::failover(scene).await,
        Kind::PostgresDown => postgres::down(scene).await,
        Kind::PostgresSlow => postgres::slow(scene).await,
        Kind::PostgresReadOnly => postgres::read_only(scene).await,
        Kind::PostgresConnections => postgres::out_of_connections(scene).await,
        Kind::PostgresDiskFull => disk::full(scene).await,
        Kind::PostgresFailover => postgres::failover(scene).await,
        Kind::RedisRepliesLost => links::redis_replies_lost(scene).await,
        Kind::PostgresRepliesLost => links::postgres_replies_lost(scene).await,
        Kind::RedisHalfOpen => links::redis_half_open(scene).await,
        Kind::PostgresHalfOpen => links::postgres_half_open(scene).await,
        Kind::RedisReset => links::redis_reset(scene).await,
        Kind::PostgresReset => links::postgres_reset(scene).await,
        Kind::RedisSlow => links::redis_slow(scene).await,
        Kind::ProviderKilled => payments::provider_killed(scene).await,
        Kind::ProviderStopped => payments::provider_stopped(scene).await,
        Kind::ProviderDown => payments::provider_down(scene).await,
        Kind::ProviderHalfOpen => payments::provider_half_open(scene).await,
        Kind::ProviderReset => payments::provider_reset(scene).await,
        Kind::ProviderRepliesLost => payments::provider_replies_lost(scene).await,
        Kind::WebhooksLost => payments::webhooks_lost(scene).await,
        Kind::KilledCharging => payments::killed_charging(scene).await,
        Kind::KilledSettling => payments::killed_settling(scene).await,
        Kind::KilledEndingOrders => payments::killed_ending_orders(scene).await,
        Kind::KilledReturningStock => payments::killed_returning_stock(scene).await,
        Kind::KilledArchivingReleases => payments::killed_archiving_releases(scene).await,
        Kind::RedisEmptiedReturning => payments::emptied_while_returning(scene).await,
        Kind::ExpirerStopped => payments::expirer_stopped(scene).await,
        Kind::OneCode => logic::one_code(scene).await,
        Kind::HourBoundary => logic::hour_boundary(scene).await,
        Kind::ClockStep => clock::step_of_redis(scene).await,
        Kind::PostgresClockStep => clock::step_of_postgres(scene).await,
        Kind::InstanceClockStep => clock::step_of_instance(scene).await,
        Kind::FilterFlipped => filter::flipped(scene).await,
        Kind::PoisonEntry => logic::poison_entry(scene).await,
    }
}
