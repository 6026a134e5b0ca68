//! The queue of connections that wait to be accepted.

/// The most connections that Linux queues for a listener.
const LIMIT: &str = "/proc/sys/net/core/somaxconn";

/// The share of all connections that a crowd may open in the same moment: one of this many.
const AT_ONCE: usize = 4;

/// Logs a warning if the system queues fewer connections than a crowd may open at once. Those that find no room try again
/// only after a second.
pub fn check(connections: usize) {
    let limit = std::fs::read_to_string(LIMIT).ok().and_then(|text| text.trim().parse().ok());
    let needed = connections.div_ceil(AT_ONCE);
    if let Some(limit) = limit.filter(|limit: &usize| *limit < needed) {
        tracing::warn!(
            limit,
            "when a crowd connects at once, some wait for a second: the system queues too few connections. Raise it to \
             {needed} with `sysctl net.core.somaxconn={needed}` (Docker Compose: sysctls)",
        );
    }
}
