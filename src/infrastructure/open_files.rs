//! The limit of open files of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that are not connections of clients: connections to the stores, refused connections that still get their
/// answer, listeners, and logs.
const OTHER_FILES: u64 = 512;

/// Raises the soft limit of open files to the hard limit. Returns how many of `connections` fit into it, and how many of
/// `streams` besides them, and logs a warning if these are fewer.
pub fn make_room_for(connections: usize, streams: usize) -> (usize, usize) {
    let Some(limit) = raise() else { return (connections, streams) };
    let fitting = fitting(limit, connections + streams);
    let room = (connections.min(fitting), fitting.saturating_sub(connections));
    for (setting, wanted, fitting) in [("MAX_CONNECTIONS", connections, room.0), ("MAX_STREAMS", streams, room.1)] {
        if fitting < wanted {
            tracing::warn!(
                limit,
                "{setting} is lowered from {wanted} to {fitting}: the limit of open files is too low. Raise it to {} with \
                 `ulimit -n` (systemd: LimitNOFILE=, Docker Compose: ulimits), or set {setting}={fitting}",
                (connections + streams) as u64 + OTHER_FILES,
            );
        }
    }
    room
}

/// Returns the limit in effect; `None` if there is none.
fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            current
        }
    }
}

fn fitting(limit: u64, wanted: usize) -> usize {
    let others = OTHER_FILES.min(limit / 2);
    wanted.min(usize::try_from(limit - others).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        assert_eq!(fitting(20_000, 10_000), 10_000);
        assert_eq!(fitting(10_512, 10_000), 10_000);
        assert_eq!(fitting(10_511, 10_000), 9_999);
        assert_eq!(fitting(1_024, 10_000), 512);
        assert_eq!(fitting(100, 10_000), 50);
    }
}
