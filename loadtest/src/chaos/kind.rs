//! The kinds of faults.

use std::fmt;

/// One kind of fault, by the name that `KINDS` selects it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    InstanceKilled,
    InstanceStopped,
    RollingRestart,
    RedisKilled,
    RedisStopped,
    PostgresKilled,
    PostgresStopped,
    BackendKilled,
    LockHolderStopped,
    TwoRecoverers,
    KilledBeforeScript,
    KilledAfterScript,
    KilledBeforeCommit,
    KilledAfterCommit,
    KilledInRecovery,
    KilledCreatingASale,
    RedisEmptied,
    RedisOldCopy,
    RedisCut,
    FlushAll,
    ScriptFlush,
    KeyDeleted,
    FieldChanged,
    RedisFailover,
    PostgresDown,
    PostgresSlow,
    PostgresReadOnly,
    PostgresConnections,
    PostgresDiskFull,
    PostgresFailover,
    RedisRepliesLost,
    PostgresRepliesLost,
    RedisHalfOpen,
    PostgresHalfOpen,
    RedisReset,
    PostgresReset,
    RedisSlow,
    ProviderKilled,
    ProviderStopped,
    ProviderDown,
    ProviderHalfOpen,
    ProviderReset,
    ProviderRepliesLost,
    WebhooksLost,
    KilledCharging,
    KilledSettling,
    KilledEndingOrders,
    KilledReturningStock,
    KilledArchivingReleases,
    RedisEmptiedReturning,
    ExpirerStopped,
    OneCode,
    HourBoundary,
    ClockStep,
    PostgresClockStep,
    InstanceClockStep,
    FilterFlipped,
    PoisonEntry,
}

/// A group of kinds, whose name selects all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Processes,
    Points,
    RedisForgets,
    Postgres,
    Links,
    Payments,
    Logic,
}

const GROUPS: [Group; 7] = [
    Group::Processes,
    Group::Points,
    Group::RedisForgets,
    Group::Postgres,
    Group::Links,
    Group::Payments,
    Group::Logic,
];

impl Group {
    fn name(self) -> &'static str {
        match self {
            Group::Processes => "processes",
            Group::Points => "points",
            Group::RedisForgets => "redis-forgets",
            Group::Postgres => "postgres",
            Group::Links => "links",
            Group::Payments => "payments",
            Group::Logic => "logic",
        }
    }
}

/// Every kind with its name, its group, and true if a smoke run has it: each of these takes a few seconds at most.
const TABLE: [(Kind, &str, Group, bool); 58] = [
    (Kind::InstanceKilled, "instance-killed", Group::Processes, true),
    (Kind::InstanceStopped, "instance-stopped", Group::Processes, true),
    (Kind::RollingRestart, "rolling-restart", Group::Processes, true),
    (Kind::RedisKilled, "redis-killed", Group::Processes, true),
    (Kind::RedisStopped, "redis-stopped", Group::Processes, true),
    (Kind::PostgresKilled, "postgres-killed", Group::Processes, true),
    (Kind::PostgresStopped, "postgres-stopped", Group::Processes, false),
    (Kind::BackendKilled, "backend-killed", Group::Processes, true),
    (Kind::LockHolderStopped, "lock-holder-stopped", Group::Processes, true),
    (Kind::TwoRecoverers, "two-recoverers", Group::Processes, false),
    (Kind::KilledBeforeScript, "killed-before-script", Group::Points, true),
    (Kind::KilledAfterScript, "killed-after-script", Group::Points, true),
    (Kind::KilledBeforeCommit, "killed-before-commit", Group::Points, true),
    (Kind::KilledAfterCommit, "killed-after-commit", Group::Points, true),
    (Kind::KilledInRecovery, "killed-in-recovery", Group::Points, true),
    (Kind::KilledCreatingASale, "killed-creating-a-sale", Group::Points, true),
    (Kind::RedisEmptied, "redis-emptied", Group::RedisForgets, true),
    (Kind::RedisOldCopy, "redis-old-copy", Group::RedisForgets, true),
    (Kind::RedisCut, "redis-cut", Group::RedisForgets, true),
    (Kind::FlushAll, "flushall", Group::RedisForgets, true),
    (Kind::ScriptFlush, "script-flush", Group::RedisForgets, true),
    (Kind::KeyDeleted, "key-deleted", Group::RedisForgets, true),
    (Kind::FieldChanged, "field-changed", Group::RedisForgets, true),
    (Kind::RedisFailover, "redis-failover", Group::RedisForgets, true),
    (Kind::PostgresDown, "postgres-down", Group::Postgres, false),
    (Kind::PostgresSlow, "postgres-slow", Group::Postgres, true),
    (Kind::PostgresReadOnly, "postgres-read-only", Group::Postgres, true),
    (Kind::PostgresConnections, "postgres-connections", Group::Postgres, true),
    (Kind::PostgresDiskFull, "postgres-disk-full", Group::Postgres, false),
    (Kind::PostgresFailover, "postgres-failover", Group::Postgres, true),
    (Kind::RedisRepliesLost, "redis-replies-lost", Group::Links, true),
    (Kind::PostgresRepliesLost, "postgres-replies-lost", Group::Links, true),
    (Kind::RedisHalfOpen, "redis-half-open", Group::Links, true),
    (Kind::PostgresHalfOpen, "postgres-half-open", Group::Links, true),
    (Kind::RedisReset, "redis-reset", Group::Links, true),
    (Kind::PostgresReset, "postgres-reset", Group::Links, true),
    (Kind::RedisSlow, "redis-slow", Group::Links, true),
    (Kind::ProviderKilled, "provider-killed", Group::Payments, true),
    (Kind::ProviderStopped, "provider-stopped", Group::Payments, false),
    (Kind::ProviderDown, "provider-down", Group::Payments, false),
    (Kind::ProviderHalfOpen, "provider-half-open", Group::Payments, false),
    (Kind::ProviderReset, "provider-reset", Group::Payments, true),
    (Kind::ProviderRepliesLost, "provider-replies-lost", Group::Payments, false),
    (Kind::WebhooksLost, "webhooks-lost", Group::Payments, false),
    (Kind::KilledCharging, "killed-charging", Group::Payments, true),
    (Kind::KilledSettling, "killed-settling", Group::Payments, false),
    (Kind::KilledEndingOrders, "killed-ending-orders", Group::Payments, false),
    (Kind::KilledReturningStock, "killed-returning-stock", Group::Payments, true),
    (Kind::KilledArchivingReleases, "killed-archiving-releases", Group::Payments, false),
    (Kind::RedisEmptiedReturning, "redis-emptied-returning", Group::Payments, false),
    (Kind::ExpirerStopped, "expirer-stopped", Group::Payments, false),
    (Kind::OneCode, "one-code", Group::Logic, true),
    (Kind::HourBoundary, "hour-boundary", Group::Logic, true),
    (Kind::ClockStep, "clock-step", Group::Logic, true),
    (Kind::PostgresClockStep, "postgres-clock-step", Group::Logic, false),
    (Kind::InstanceClockStep, "instance-clock-step", Group::Logic, false),
    (Kind::FilterFlipped, "filter-flipped", Group::Logic, false),
    (Kind::PoisonEntry, "poison-entry", Group::Logic, true),
];

impl Kind {
    /// Returns every kind.
    pub fn all() -> Vec<Kind> {
        TABLE.iter().map(|(kind, ..)| *kind).collect()
    }

    /// Returns the kinds of a smoke run.
    pub fn quick() -> Vec<Kind> {
        TABLE.iter().filter(|(.., is_quick)| *is_quick).map(|(kind, ..)| *kind).collect()
    }

    /// Returns the kinds that a name selects: one kind, or a group.
    pub fn find(name: &str) -> Result<Vec<Kind>, String> {
        let is_meant = |row: &&(Kind, &str, Group, bool)| row.1 == name || row.2.name() == name;
        let found: Vec<Kind> = TABLE.iter().filter(is_meant).map(|(kind, ..)| *kind).collect();
        if found.is_empty() {
            let mut names: Vec<&str> = TABLE.iter().map(|(_, name, ..)| *name).collect();
            names.extend(GROUPS.map(Group::name));
            return Err(format!("must be one of {}", names.join(", ")));
        }
        Ok(found)
    }

    /// Returns true if Redis may lose carts: nothing else holds them.
    pub fn forgets_carts(self) -> bool {
        matches!(
            self,
            Kind::RedisEmptied
                | Kind::RedisOldCopy
                | Kind::RedisCut
                | Kind::FlushAll
                | Kind::RedisFailover
                | Kind::RedisEmptiedReturning
                | Kind::KilledInRecovery
                | Kind::TwoRecoverers
        )
    }

    fn name(self) -> &'static str {
        TABLE.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, ..)| name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_selects_a_kind_and_the_name_of_a_group_all_of_its_kinds() {
        assert_eq!(Kind::find("flushall"), Ok(vec![Kind::FlushAll]));
        assert_eq!(Kind::find("links").map(|kinds| kinds.len()), Ok(7));
        assert!(Kind::find("earthquake").unwrap_err().contains("redis-cut, flushall"));
    }
}
