//! The requests to the stores at which a fault may begin.

use crate::chaos::fleet::Instance;
use crate::chaos::proxy::Proxy;

/// A request, by the store that it goes to and by a part of its text.
pub struct Point<'a> {
    pub name: &'static str,
    pub proxy: fn(&Instance) -> &Proxy,
    pub mark: &'a str,
}

pub const REDIS: fn(&Instance) -> &Proxy = |instance| &instance.redis;
pub const POSTGRES: fn(&Instance) -> &Proxy = |instance| &instance.postgres;

/// The statement that archives a batch of the ledger. It commits by itself.
pub const COMMIT: Point<'static> = Point {
    name: "the commit of a batch",
    proxy: POSTGRES,
    mark: include_str!("../../../../src/infrastructure/postgres/queries/persist.sql"),
};

/// The steps of a recovery.
pub const RECOVERY: [Point<'static>; 5] = [
    Point {
        name: "the begin of the epoch",
        proxy: POSTGRES,
        mark: include_str!("../../../../src/infrastructure/postgres/queries/begin_epoch.sql"),
    },
    Point {
        name: "fence_sale",
        proxy: REDIS,
        mark: include_str!("../../../../src/infrastructure/redis/lua/fence_sale.lua"),
    },
    Point {
        name: "restore_sale",
        proxy: REDIS,
        mark: include_str!("../../../../src/infrastructure/redis/lua/restore_sale.lua"),
    },
    // Only a recovery loads it.
    Point { name: "the load of the witness", proxy: REDIS, mark: "return 'flashsale epoch" },
    Point { name: "the end of the restoration", proxy: POSTGRES, mark: "SET is_restoring = false" },
];

/// The steps of the creation of a sale that ends in this millisecond, which `open_sale` gets.
pub fn creation(ends_at_ms: &str) -> [Point<'_>; 3] {
    let insert = include_str!("../../../../src/infrastructure/postgres/queries/create_sale.sql");
    [
        Point { name: "the insertion of the sale", proxy: POSTGRES, mark: insert },
        Point { name: "the commit of the sale", proxy: POSTGRES, mark: "COMMIT" },
        Point { name: "open_sale", proxy: REDIS, mark: ends_at_ms },
    ]
}

/// The call of `purchase` or `buy_now` with this [`decision_mark`].
pub fn decision(mark: &str) -> Point<'_> {
    Point { name: "the deciding script", proxy: REDIS, mark }
}

/// Returns what only the scripts that sell in this sale are called with: two of their keys, one after the other.
pub fn decision_mark(sale: &str) -> String {
    let ledger = format!("{{{sale}}}:ledger");
    format!("{{{sale}}}:receipts\r\n${}\r\n{ledger}\r\n", ledger.len())
}
