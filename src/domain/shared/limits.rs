//! Every number that is a rule. Scripts get them as arguments, tables as checks, messages as text.

/// Units that one cart holds, and therefore the most that one purchase takes.
pub const CART_UNITS: u32 = 10;

/// Units of one sale that a user may own, unless the sale says otherwise.
pub const USER_UNITS: u32 = 10;

/// The highest limit per user that a sale may set. Slots are kept as one character each.
pub const USER_UNITS_MAX: u32 = 100;

/// Items of one sale.
pub const SALE_ITEMS_MAX: u32 = 1_000_000;

/// Units of one item.
pub const ITEM_STOCK_MAX: u32 = 100_000;

/// Units of one whole sale: each of them may become a ledger entry that is kept in Redis.
pub const SALE_UNITS_MAX: u32 = 1_000_000;

/// Days from the start of a sale to its end.
pub const SALE_DAYS_MAX: u32 = 366;

/// Seconds from a purchase until its order must be paid: a day. Until then its sale is not closed.
pub const PAYMENT_WINDOW_SECONDS_MAX: u32 = 86_400;

/// Payments of an order that may be declined. The last one cancels it.
pub const PAYMENT_ATTEMPTS: u32 = 3;

/// Attempts to pay an order in which a means of payment that the provider does not know costs nothing. Later it counts as
/// declined, so the attempts of an order have an end.
pub const PAYMENT_MISTAKES: u32 = 7;

/// Characters of the words of a person who cancels an order.
pub const NOTE_CHARS_MAX: usize = 500;

/// Sales that may be live, that is not closed, at once. The writer of each holds a connection to PostgreSQL.
pub const LIVE_SALES_MAX: usize = 60;

/// Carts of one sale that may be open at once. Beyond it new carts are refused, so that made-up
/// user ids cannot fill the memory of Redis.
pub const OPEN_CARTS_MAX: u32 = 1_000_000;

/// The same for the carts that are not idle.
pub const RECENT_CARTS_MAX: u32 = OPEN_CARTS_MAX / 2;

/// Users with a checkout after which all carts become idle, and those that were idle are forgotten. The next ones find
/// room until that has happened.
pub const CROWD: u32 = RECENT_CARTS_MAX / 5 * 4;

/// Groups of checkout attempts of one sale that may wait to be written to PostgreSQL.
pub const ATTEMPTS_BACKLOG_MAX: u32 = 200_000;

/// Ledger entries of one sale that may wait for their commit before new purchases are refused.
pub const WAITING_PURCHASES_MAX: usize = 20_000;

/// Ledger entries of one sale that an instance keeps in memory for its writer and its follower, who read older ones from
/// the ledger.
pub const TAIL_MAX: usize = 2 * WAITING_PURCHASES_MAX;

/// Archived ledger entries of one sale that an instance knows by their ids. A purchase that is older or that another
/// instance archived unheard is looked up in PostgreSQL.
pub const CONFIRMED_MAX: usize = 100_000;

/// Characters of a user id, a request id, or a name that the payment provider gives.
pub const ID_CHARS_MAX: usize = 128;

/// Characters of an item's name.
pub const NAME_CHARS_MAX: usize = 200;

/// Characters of an image URL.
pub const IMAGE_URL_CHARS_MAX: usize = 2_000;

/// Ledger entries that are written to PostgreSQL in one statement.
/// 256 to 1,024 rows is where larger batches stop paying.
pub const LEDGER_BATCH: usize = 512;

/// Checkout attempts that are written to PostgreSQL in one statement.
pub const ATTEMPTS_BATCH: usize = 2_048;

const _: () = assert!(USER_UNITS <= USER_UNITS_MAX);
const _: () = assert!(CART_UNITS <= USER_UNITS_MAX);
const _: () = assert!(ITEM_STOCK_MAX <= SALE_UNITS_MAX);
const _: () = assert!(SALE_ITEMS_MAX <= SALE_UNITS_MAX);
const _: () = assert!(ATTEMPTS_BATCH < ATTEMPTS_BACKLOG_MAX as usize);
