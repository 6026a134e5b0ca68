//! The disk of PostgreSQL is full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Scene, Struck};
use crate::chaos::Error;

/// Space for the write-ahead log of PostgreSQL beyond what it has.
const ROOM_MIB: u64 = 4;
const FULL_WITHIN: Duration = Duration::from_secs(30);
/// Fills half a segment of that log.
const FILL: &str = "SELECT pg_logical_emit_message(true, 'chaos', repeat('x', 500000))";

/// Moves the write-ahead log into a small file system in memory, until that is full, and back.
pub async fn full(scene: &Scene<'_>) -> Result<Struck, Error> {
    let postgres = &scene.world.postgres.primary;
    let (wal, log) = (postgres.dir().join("data/pg_wal"), postgres.dir().join("postgres.log"));
    let kept = wal.with_file_name("pg_wal.kept");
    postgres.store.stop().await;
    let logged = std::fs::metadata(&log)?.len();
    enter(&wal, &kept)?;
    postgres.store.restart().await?;
    let (mut was_full, deadline) = (false, Instant::now() + FULL_WITHIN);
    while !was_full && Instant::now() < deadline {
        // Fails when it is full.
        let _filled = postgres.execute(FILL).await;
        let said = std::fs::read(&log)?;
        was_full = String::from_utf8_lossy(&said[logged as usize..]).contains("No space left on device");
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_secs(2)).await;
    postgres.store.stop().await;
    leave(&wal, &kept)?;
    postgres.store.restart().await?;
    match was_full {
        true => Ok(Struck::now("PostgreSQL logged: No space left on device".to_owned())),
        false => Err(Error::NotFired("the disk was not full".to_owned())),
    }
}

/// Puts the files on a file system that has little room beyond them.
fn enter(wal: &Path, kept: &PathBuf) -> Result<(), Error> {
    let used = String::from_utf8_lossy(&run(Command::new("du").arg("-sm").arg(wal))?)
        .split_whitespace()
        .next()
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or(0);
    run(Command::new("cp").arg("-a").arg(wal).arg(kept))?;
    let size = format!("size={}m,mode=700", used + ROOM_MIB);
    run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(wal))?;
    run(Command::new("cp").arg("-a").arg(kept.join(".")).arg(wal))?;
    std::fs::remove_dir_all(kept)?;
    Ok(())
}

fn leave(wal: &Path, kept: &PathBuf) -> Result<(), Error> {
    run(Command::new("cp").arg("-a").arg(wal).arg(kept))?;
    run(Command::new("umount").arg(wal))?;
    std::fs::remove_dir_all(wal)?;
    std::fs::rename(kept, wal)?;
    Ok(())
}

fn run(command: &mut Command) -> Result<Vec<u8>, Error> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(Error::NotFired(format!("{:?}: {}", command.get_program(), said.trim())))
        }
    }
}
