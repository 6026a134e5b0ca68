//! The CPU time and the memory of processes, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::io;

use serde::Serialize;

use super::Error;
use crate::private_service::State;

/// The processes of a private service.
#[derive(Debug, Clone)]
pub struct Processes {
    pub service: Vec<u32>,
    redis: u32,
    postmaster: u32,
}

/// CPU time in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CpuTimes {
    pub service: f64,
    pub redis: f64,
    pub postgres: f64,
    pub client: f64,
}

/// The figures of one process in `/proc/<pid>/stat`, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    parent: u32,
    own: u64,
    /// Time of children that have ended and were waited for.
    ended_children: u64,
}

impl Processes {
    pub fn new(state: &State) -> Self {
        Processes { service: vec![state.service.pid], redis: state.redis.pid, postmaster: state.postgres.pid }
    }

    /// Returns the CPU time since the start of these processes. The service is the parent of the stores, so only its own
    /// time counts. PostgreSQL has a process for each connection, and the postmaster inherits the time of those that end.
    pub fn cpu_times(&self) -> Result<CpuTimes, Error> {
        let all = all_processes()?;
        let own = |pid: &u32| all.get(pid).map_or(0, |stat| stat.own);
        let backends = all.values().filter(|stat| stat.parent == self.postmaster).map(|stat| stat.own).sum::<u64>();
        let reaped = all.get(&self.postmaster).map_or(0, |stat| stat.ended_children);
        let micros = |ticks: u64| ticks as f64 * 1e6 / rustix::param::clock_ticks_per_second() as f64;
        Ok(CpuTimes {
            service: micros(self.service.iter().map(own).sum()),
            redis: micros(own(&self.redis)),
            postgres: micros(own(&self.postmaster) + backends + reaped),
            client: micros(own(&std::process::id())),
        })
    }

    /// Returns the resident memory of the service in MB.
    pub fn service_memory_mb(&self) -> Result<f64, Error> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.service[0]))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        let kib: f64 = kib.ok_or_else(|| io::Error::other("the kernel shows no resident memory of the service"))?;
        Ok(kib * 1024.0 / 1e6)
    }
}

impl CpuTimes {
    /// Returns the time of each request since `before`.
    pub fn per_request(self, before: CpuTimes, requests: u64) -> CpuTimes {
        let each = |after: f64, before: f64| (after - before) / requests.max(1) as f64;
        CpuTimes {
            service: each(self.service, before.service),
            redis: each(self.redis, before.redis),
            postgres: each(self.postgres, before.postgres),
            client: each(self.client, before.client),
        }
    }

    /// Returns the time since `before`.
    pub fn since(self, before: CpuTimes) -> CpuTimes {
        self.per_request(before, 1)
    }

    /// Returns the time of the service and its stores together.
    pub fn without_client(self) -> f64 {
        self.service + self.redis + self.postgres
    }
}

fn all_processes() -> io::Result<HashMap<u32, Stat>> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end meanwhile.
        if let Some(stat) = fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|text| parse(&text)) {
            all.insert(pid, stat);
        }
    }
    Ok(all)
}

fn parse(stat: &str) -> Option<Stat> {
    // The name of the program is in parentheses and may contain any character.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat { parent: number(1)? as u32, own: number(11)? + number(12)?, ended_children: number(13)? + number(14)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_of_the_program() {
        let line = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 11 22 33 44 20 0 1 0 5 6 7";
        assert_eq!(parse(line), Some(Stat { parent: 7, own: 33, ended_children: 77 }));
        assert_eq!(parse("42 (a"), None);
    }

    #[test]
    fn the_time_of_a_request_is_the_difference() {
        let times = |service| CpuTimes { service, redis: 10.0, ..CpuTimes::default() };
        let each = times(50.0).per_request(times(10.0), 4);
        assert_eq!((each.service, each.redis, each.without_client()), (10.0, 0.0, 10.0));
    }
}
