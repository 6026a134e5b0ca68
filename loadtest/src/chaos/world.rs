//! Everything that a run starts.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Error;
use super::fleet::{Instance, SALE_EVERY, Upstreams};
use super::kind::Kind;
use super::plan::Plan;
use super::postgres_pair::PostgresPair;
use super::provider::Provider;
use super::redis_pair::RedisPair;
use crate::private_service::bare_command;
use crate::verify::{self, Findings};

/// The processes of a run.
pub struct World {
    pub instances: Vec<Instance>,
    pub redis: RedisPair,
    pub postgres: PostgresPair,
    pub provider: Provider,
    /// A sale that lasts longer than the run.
    pub long_sale: String,
    /// Another one, whose purchases must be paid.
    pub order_sale: String,
    /// Instances that ended without being killed.
    pub unplanned_ends: u32,
    pub logs: PathBuf,
    program: PathBuf,
    _data: TempDir,
}

impl World {
    /// Starts what the plan needs.
    pub async fn start(program: &Path, logs: &Path, plan: &Plan) -> Result<Self, Error> {
        let data = tempfile::Builder::new().prefix("flashsale-chaos-").tempdir()?;
        // PostgreSQL runs as another user, which must be able to pass.
        std::fs::set_permissions(data.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        let redis = RedisPair::start(data.path(), plan.kinds.contains(&Kind::ClockStep)).await?;
        let postgres = PostgresPair::start(data.path(), plan.kinds.contains(&Kind::PostgresClockStep)).await?;
        let mut world = World {
            instances: Vec::new(),
            redis,
            postgres,
            provider: Provider::new(program, logs, data.path())?,
            long_sale: String::new(),
            order_sale: String::new(),
            unplanned_ends: 0,
            logs: logs.to_owned(),
            program: program.to_owned(),
            _data: data,
        };
        for number in 1..=plan.instances {
            let upstreams = Upstreams {
                redis: &world.redis.primary.url,
                postgres: &world.postgres.primary.url,
                provider: &format!("http://{}", world.provider.address),
            };
            world.instances.push(Instance::start(number, program, logs, upstreams).await?);
        }
        let origin = world.instances[0].origin();
        world.provider.start(&origin).await?;
        Ok(world)
    }

    /// Starts every instance that has ended by itself.
    pub fn revive(&mut self) -> Result<(), Error> {
        for instance in &mut self.instances {
            self.unplanned_ends += u32::from(instance.revive()?);
        }
        Ok(())
    }

    /// Ends what a fault may have left when it failed.
    pub async fn heal(&mut self) -> Result<(), Error> {
        self.instances.iter().for_each(Instance::heal);
        self.provider.heal()?;
        for clock in [&self.redis.clock, &self.postgres.clock].into_iter().flatten() {
            clock.step(0)?;
        }
        self.redis.primary.store.revive().await?;
        self.postgres.primary.store.revive().await
    }

    /// Returns the place of the instance that PostgreSQL sees at this port.
    pub fn instance_at(&self, port: i32) -> Option<usize> {
        self.instances
            .iter()
            .position(|instance| u16::try_from(port).is_ok_and(|port| instance.postgres.has_port(port)))
    }

    /// Leads all instances to the present primary of Redis.
    pub fn redirect_redis(&self) {
        self.instances.iter().for_each(|instance| instance.redis.redirect(&self.redis.primary.url));
    }

    /// Leads all instances to the present primary of PostgreSQL.
    pub fn redirect_postgres(&self) {
        self.instances.iter().for_each(|instance| instance.postgres.redirect(&self.postgres.primary.url));
    }

    /// Compares the stores with `flashsale verify`.
    pub async fn verify(&self) -> Result<Findings, String> {
        let mut command = bare_command(&self.program);
        command.args(["verify", "--json", "--sale-every", SALE_EVERY]);
        command.env("REDIS_URL", &self.redis.primary.url).env("DATABASE_URL", &self.postgres.primary.url);
        verify::run(&mut command).await
    }

    /// Stops the instances; the stores end when this is dropped.
    pub async fn stop(&mut self) {
        for instance in &mut self.instances {
            instance.stop().await;
        }
        self.provider.stop().await;
    }
}
