//! The Redis of a private service, for what only Redis knows: its slow commands and its latency events.

use redis::{Connection, RedisResult, cmd};
use serde::Serialize;

/// Commands and events from this time on are recorded.
const THRESHOLD_MS: u64 = 2;
/// Slow commands that are shown.
const SHOWN: usize = 3;

/// A connection to Redis.
pub struct RedisServer(Connection);

/// The commands and events that held Redis longer than the threshold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pauses {
    pub slow_commands: u64,
    /// The slowest of them.
    pub samples: Vec<String>,
    /// The events of `LATENCY LATEST`, with the longest time of each.
    pub events: Vec<String>,
}

impl RedisServer {
    /// Connects, and records pauses from now on.
    pub fn connect(url: &str) -> RedisResult<Self> {
        let mut server = RedisServer(redis::Client::open(url)?.get_connection()?);
        server.set("slowlog-log-slower-than", THRESHOLD_MS * 1_000)?;
        server.set("latency-monitor-threshold", THRESHOLD_MS)?;
        server.forget_pauses()?;
        Ok(server)
    }

    fn set(&mut self, setting: &str, value: u64) -> RedisResult<()> {
        cmd("CONFIG").arg("SET").arg(setting).arg(value).exec(&mut self.0)
    }

    pub fn pauses(&mut self) -> RedisResult<Pauses> {
        type Command = (i64, i64, u64, Vec<String>, String, String);
        let slow_commands = cmd("SLOWLOG").arg("LEN").query(&mut self.0)?;
        let mut slow: Vec<Command> = cmd("SLOWLOG").arg("GET").arg(-1).query(&mut self.0)?;
        slow.sort_by_key(|(_, _, micros, ..)| std::cmp::Reverse(*micros));
        let latest: Vec<(String, i64, u64, u64)> = cmd("LATENCY").arg("LATEST").query(&mut self.0)?;
        let ms = |micros: u64| micros as f64 / 1e3;
        let sample = |(_, _, micros, words, ..): &Command| {
            let words = words.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(" ");
            format!("{words} {:.1} ms", ms(*micros))
        };
        let event = |(name, _, _, longest_ms): &(String, _, _, u64)| format!("{name} {longest_ms} ms");
        Ok(Pauses {
            slow_commands,
            samples: slow.iter().take(SHOWN).map(sample).collect(),
            events: latest.iter().map(event).collect(),
        })
    }

    pub fn forget_pauses(&mut self) -> RedisResult<()> {
        cmd("SLOWLOG").arg("RESET").exec(&mut self.0)?;
        cmd("LATENCY").arg("RESET").exec(&mut self.0)
    }

    /// Deletes all data, as the loss of Redis would.
    pub fn lose_everything(&mut self) -> RedisResult<()> {
        cmd("FLUSHALL").exec(&mut self.0)
    }
}
