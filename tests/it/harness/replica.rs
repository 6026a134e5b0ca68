//! A replica of the Redis of a test.

use redis::aio::MultiplexedConnection;

use super::eventually;
use super::service::World;
use super::stores::Redis;

/// A replica of the Redis of a test.
pub struct Replica {
    pub redis: Redis,
    pub primary: MultiplexedConnection,
    connection: MultiplexedConnection,
}

/// The host, port and password of `redis://default:<password>@<host>:<port>/`.
fn address(url: &str) -> (&str, &str, &str) {
    let (credentials, address) = url.trim_end_matches('/').rsplit_once('@').expect("a password");
    let (_, password) = credentials.rsplit_once(':').expect("a password");
    let (host, port) = address.split_once(':').expect("a port");
    (host, port, password)
}

/// Runs a command.
pub async fn run(connection: &mut MultiplexedConnection, words: &[&str]) -> redis::Value {
    redis::cmd(words[0]).arg(&words[1..]).query_async(connection).await.expect("Redis obeys")
}

/// Makes this Redis a replica of the one with this URL, and waits until it has all data.
pub async fn follow(follower: &mut MultiplexedConnection, url: &str) {
    let (host, port, password) = address(url);
    run(follower, &["CONFIG", "SET", "masterauth", password]).await;
    run(follower, &["CONFIG", "SET", "repl-diskless-sync-delay", "0"]).await;
    run(follower, &["REPLICAOF", host, port]).await;
    let is_synced = || {
        let mut follower = follower.clone();
        async move {
            let info: String = redis::cmd("INFO").arg("replication").query_async(&mut follower).await.expect("INFO");
            info.contains("master_link_status:up")
        }
    };
    eventually("the replica has all data", is_synced).await;
}

impl Replica {
    /// Starts a replica of the Redis of a world.
    pub async fn of(world: &World) -> Self {
        let redis = Redis::start();
        let client = redis::Client::open(redis.url()).expect("the URL is valid");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
        let mut primary = world.redis_connection().await;
        // A primary gives its data to a replica at once; by default it waits five seconds for others.
        run(&mut primary, &["CONFIG", "SET", "repl-diskless-sync-delay", "0"]).await;
        follow(&mut connection, &world.redis.url()).await;
        Replica { redis, primary, connection }
    }

    /// Makes it a primary: it learns nothing more.
    pub async fn part(&mut self) {
        run(&mut self.connection, &["REPLICAOF", "NO", "ONE"]).await;
    }

    /// Lets in the service with the password of the primary.
    pub async fn let_in(&mut self, service_url: &str) {
        let (_, _, password) = address(service_url);
        run(&mut self.connection, &["ACL", "SETUSER", "flashsale", &format!(">{password}")]).await;
    }

    /// Demotes the primary, which takes over the data of this Redis, and promotes it again.
    pub async fn replace(&mut self) {
        follow(&mut self.primary, &self.redis.url()).await;
        run(&mut self.primary, &["REPLICAOF", "NO", "ONE"]).await;
    }
}
