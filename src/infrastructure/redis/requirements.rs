//! The requirements on a Redis server.

use std::io;

use redis::RedisError;

/// Oldest supported major version. Before it, Redis kept scripts in its data set, so a restart would go unnoticed.
const VERSION_MIN: u32 = 7;

/// A Redis that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("REDIS_URL is not a Redis URL such as redis://127.0.0.1:6379")]
    Url(#[source] RedisError),
    #[error("the file {0}, which REDIS_URL names as sslrootcert, cannot be read")]
    RootCertificate(String, #[source] io::Error),
    #[error("Redis cannot be reached")]
    Unreachable(#[source] RedisError),
    #[error("the certificate of Redis is not trusted: check `sslrootcert` and the host name in REDIS_URL")]
    Untrusted(#[source] RedisError),
    #[error("Redis is {0}: use version {VERSION_MIN}.0 or later")]
    Old(String),
    #[error(
        "Redis has the maxmemory-policy {0}, with which it forgets sold items when its memory is full: \
         set `maxmemory-policy noeviction`"
    )]
    Evicting(String),
    #[error(
        "Redis has no append-only file, so a restart forgets open carts and the last decisions: set `appendonly yes`"
    )]
    Forgetful,
}

/// The error of a first command.
pub(super) fn unreachable(error: RedisError) -> ConnectError {
    // The driver hides the error of rustls, but not its text.
    let is_untrusted = error.to_string().contains("invalid peer certificate");
    if is_untrusted { ConnectError::Untrusted(error) } else { ConnectError::Unreachable(error) }
}

/// Fails if the server is too old, evicts keys, or forgets everything in a restart. `info` is the reply to `INFO`.
pub(super) fn check(info: &str) -> Result<(), ConnectError> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let version = field("redis_version").unwrap_or("of no known version");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < VERSION_MIN) {
        return Err(ConnectError::Old(version.to_owned()));
    }
    match field("maxmemory_policy") {
        Some("noeviction") => {}
        policy => return Err(ConnectError::Evicting(policy.unwrap_or("of no known name").to_owned())),
    }
    match field("aof_enabled") {
        Some("1") => Ok(()),
        _ => Err(ConnectError::Forgetful),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(version: &str, policy: &str, aof: &str) -> Option<String> {
        let info = format!(
            "# Server\r\nredis_version:{version}\r\n\r\n# Memory\r\nmaxmemory_policy:{policy}\r\n\r\n\
             # Persistence\r\naof_enabled:{aof}\r\n"
        );
        check(&info).err().map(|error| error.to_string())
    }

    #[test]
    fn a_server_that_may_forget_is_refused() {
        for version in ["7.0.0", "7.0.15", "8.10.2", "10.0"] {
            assert_eq!(refusal(version, "noeviction", "1"), None);
        }
        let refused = |version, policy, aof, remedy: &str| {
            let message = refusal(version, policy, aof).expect("it is refused");
            assert!(message.contains(remedy), "{message}");
        };
        refused("6.2.14", "noeviction", "1", "Redis is 6.2.14: use version 7.0 or later");
        refused("", "noeviction", "1", "use version 7.0 or later");
        refused("7.0.0", "allkeys-lru", "1", "set `maxmemory-policy noeviction`");
        refused("7.0.0", "noeviction", "0", "set `appendonly yes`");
        assert!(check("# Server\r\nredis_version:7.0.0\r\n").is_err());
    }
}
