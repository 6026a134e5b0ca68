//! Redis forgets.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::RngExt;
use tokio::time::{Instant, sleep};

use super::{Scene, Struck};
use crate::chaos::Error;
use crate::chaos::recovery::sells_again;

/// Parts of a sale that are keys while it sells.
const PARTS: [&str; 5] = ["header", "units", "slots", "receipts", "ledger"];
/// Time for a purchase to be decided.
const DECIDED_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

pub async fn emptied(scene: &Scene<'_>) -> Result<Struck, Error> {
    let redis = &scene.world.redis.primary;
    let keys: u64 = redis.query(&["DBSIZE"]).await?;
    redis.store.kill().await;
    fs::remove_dir_all(redis.append_only_dir())?;
    redis.store.restart().await?;
    Ok(Struck::now(format!("it had {keys} keys")))
}

pub async fn old_copy(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let dir = scene.world.redis.primary.append_only_dir();
    let copy = dir.with_file_name("old-copy");
    copy_files(&dir, &copy)?;
    let old = size(&copy)?;
    scene.pause(1_000..3_000).await;
    let redis = &scene.world.redis.primary;
    redis.store.kill().await;
    let missing = size(&dir)?.saturating_sub(old);
    fs::remove_dir_all(&dir)?;
    fs::rename(&copy, &dir)?;
    redis.store.restart().await?;
    match missing {
        0 => Err(Error::NotFired("the copy lacks nothing".to_owned())),
        _ => Ok(Struck::now(format!("the copy lacks {missing} bytes"))),
    }
}

pub async fn cut(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    scene.world.redis.primary.store.kill().await;
    let file = newest(&scene.world.redis.primary.append_only_dir())?;
    let length = fs::metadata(&file)?.len();
    let cut = scene.rng.random_range(1..=20_000).min(length / 2);
    File::options().write(true).open(&file)?.set_len(length - cut)?;
    scene.world.redis.primary.store.restart().await?;
    match cut {
        0 => Err(Error::NotFired("the append-only file is empty".to_owned())),
        _ => Ok(Struck::now(format!("{cut} of {length} bytes are gone"))),
    }
}

pub async fn flushed(scene: &Scene<'_>) -> Result<Struck, Error> {
    let redis = &scene.world.redis.primary;
    let keys: u64 = redis.query(&["DBSIZE"]).await?;
    redis.query::<()>(&["FLUSHALL"]).await?;
    Ok(Struck::now(format!("it had {keys} keys")))
}

pub async fn scripts_flushed(scene: &Scene<'_>) -> Result<Struck, Error> {
    scene.world.redis.primary.query::<()>(&["SCRIPT", "FLUSH"]).await?;
    Ok(Struck::now("SCRIPT FLUSH was answered OK".to_owned()))
}

pub async fn key_deleted(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let sale = live_sale(scene).await?;
    let part = PARTS[scene.rng.random_range(0..PARTS.len())];
    let key = format!("{{{sale}}}:{part}");
    let deleted: u64 = scene.world.redis.primary.query(&["DEL", &key]).await?;
    match deleted {
        1 => Ok(Struck { is_drift: true, ..Struck::now(key) }),
        _ => Err(Error::NotFired(format!("there is no key {key}"))),
    }
}

pub async fn field_changed(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let sale = live_sale(scene).await?;
    let redis = &scene.world.redis.primary;
    let key = format!("{{{sale}}}:{}", ["units", "slots", "receipts"][scene.rng.random_range(0..3)]);
    let field: Option<String> = redis.query(&["HRANDFIELD", &key]).await?;
    let field = field.ok_or_else(|| Error::NotFired(format!("{key} has no field")))?;
    let removed: u64 = redis.query(&["HDEL", &key, &field]).await?;
    match removed {
        1 => Ok(Struck { is_drift: true, ..Struck::now(format!("{key} lost the field {field}")) }),
        _ => Err(Error::NotFired(format!("{key} had no field {field}"))),
    }
}

/// Leads the instances to a replica that lacks the last purchases, and back in the same way.
pub async fn failover(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let mut since = Instant::now();
    let mut lacked = Vec::new();
    for _way in ["there", "back"] {
        scene.world.redis.replicate().await?;
        scene.world.redis.part().await?;
        scene.pause(200..800).await;
        lacked.push(decided_alone(scene).await?);
        scene.world.redis.swap();
        since = Instant::now();
        scene.world.redirect_redis();
        sells_again(scene.world, scene.crowd, since, &[]).await?;
    }
    Ok(Struck::at(
        since,
        format!("the replica lacked {} entries of the long sale, and {} on the way back", lacked[0], lacked[1]),
    ))
}

/// Waits until the primary has decided in the long sale what the replica, which has parted, never learns. Returns the number
/// of ledger entries that it lacks.
async fn decided_alone(scene: &Scene<'_>) -> Result<usize, Error> {
    let sale = &scene.world.long_sale;
    let (header, ledger) = (format!("{{{sale}}}:header"), format!("{{{sale}}}:ledger"));
    let last: String = scene.world.redis.replica.query(&["HGET", &header, "last_id"]).await?;
    scene.begin_purchase(0);
    let deadline = Instant::now() + DECIDED_WITHIN;
    loop {
        let entries: Vec<(String, Vec<String>)> =
            scene.world.redis.primary.query(&["XRANGE", &ledger, &format!("({last}"), "+"]).await?;
        if !entries.is_empty() {
            return Ok(entries.len());
        }
        if Instant::now() > deadline {
            return Err(Error::NotFired(format!("nothing was decided after {last}, so the replica lacks nothing")));
        }
        sleep(POLL).await;
    }
}

/// Returns the id of a sale that sells: the current one or the long one.
async fn live_sale(scene: &mut Scene<'_>) -> Result<String, Error> {
    let hourly = "SELECT id FROM sales WHERE hourly AND now() BETWEEN starts_at AND ends_at - interval '2 s'";
    match scene.rng.random_bool(0.5) {
        true => Ok(scene.world.long_sale.clone()),
        false => {
            let current: Vec<String> = scene.world.postgres.primary.fetch_all(hourly).await?;
            Ok(current.into_iter().next().unwrap_or_else(|| scene.world.long_sale.clone()))
        }
    }
}

fn copy_files(from: &Path, to: &Path) -> Result<(), Error> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn size(dir: &Path) -> Result<u64, Error> {
    let lengths = fs::read_dir(dir)?.map(|entry| Ok(entry?.metadata()?.len()));
    lengths.sum::<std::io::Result<u64>>().map_err(Error::from)
}

/// Returns the part of the append-only file that Redis wrote to last.
fn newest(dir: &Path) -> Result<PathBuf, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".incr.aof") {
            files.push((fs::metadata(&path)?.modified()?, path));
        }
    }
    files.sort();
    files
        .pop()
        .map(|(_, path)| path)
        .ok_or_else(|| Error::NotFired(format!("no append-only file in {}", dir.display())))
}
