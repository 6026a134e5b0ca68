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
pub const PROVIDER: fn(&Instance) -> &Proxy = |instance| &instance.provider;
pub const POSTGRES: fn(&Instance) -> &Proxy = |instance| &instance.postgres;

/// The statement that archives a batch of the ledger. It commits by itself.
pub const COMMIT: Point<'static> = Point {
    name: "the commit of a batch",
    proxy: POSTGRES,
    mark: include_str!("../../../../src/infrastructure/postgres/queries/persist.sql"),
};

/// The request to the provider that charges.
pub const CHARGE: Point<'static> = Point { name: "the charge", proxy: PROVIDER, mark: "/confirm HTTP/1.1" };

/// The statement that settles a payment. It commits by itself.
pub const SETTLEMENT: Point<'static> = Point {
    name: "the settlement of a payment",
    proxy: POSTGRES,
    mark: include_str!("../../../../src/infrastructure/postgres/queries/settle_payment.sql"),
};

/// The statement that ends overdue orders. It commits by itself.
pub const END_OF_ORDERS: Point<'static> = Point {
    name: "the end of overdue orders",
    proxy: POSTGRES,
    mark: include_str!("../../../../src/infrastructure/postgres/queries/end_overdue_orders.sql"),
};

/// The statement that archives releases. It commits by itself.
pub const RELEASE_ARCHIVED: Point<'static> = Point {
    name: "the archive of releases",
    proxy: POSTGRES,
    mark: include_str!("../../../../src/infrastructure/postgres/queries/persist_releases.sql"),
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

/// The call of `release` with this [`release_mark`].
pub fn release(mark: &str) -> Point<'_> {
    Point { name: "the release of units", proxy: REDIS, mark }
}

/// Returns what only the scripts that sell in this sale are called with.
pub fn decision_mark(sale: &str) -> String {
    keys_mark(sale, "receipts")
}

/// Returns what only the release of units of this sale is called with.
pub fn release_mark(sale: &str) -> String {
    keys_mark(sale, "released")
}

/// Returns two keys of a call, one after the other: this one and the ledger.
fn keys_mark(sale: &str, part: &str) -> String {
    let ledger = format!("{{{sale}}}:ledger");
    format!("{{{sale}}}:{part}\r\n${}\r\n{ledger}\r\n", ledger.len())
}
