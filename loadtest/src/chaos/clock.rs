//! A clock that can be stepped, for a process that loads libfaketime.

use std::fs;
use std::path::{Path, PathBuf};

use super::Error;

/// The directory below which Debian and its relatives have the library, in one for each architecture.
const LIBRARIES: &str = "/usr/lib";
const LIBRARY: &str = "faketime/libfaketime.so.1";

/// The directory of the shared memory of all processes.
const SHARED_MEMORY: &str = "/dev/shm";

/// The wall clock of a process. The monotonic clock stays as it is.
#[derive(Clone)]
pub struct SteppedClock {
    library: PathBuf,
    /// The file from which the library reads the difference to the real time.
    difference: PathBuf,
}

impl SteppedClock {
    /// Prepares a clock that shows the real time, with a file of its own.
    pub fn new(difference: PathBuf) -> Result<Self, Error> {
        let library = find().ok_or_else(|| {
            Error::Failed(format!(
                "{LIBRARIES}/*/{LIBRARY} is missing: run `make chaos`, or install the package libfaketime"
            ))
        })?;
        remove_leftovers();
        let clock = SteppedClock { library, difference };
        clock.step(0)?;
        Ok(clock)
    }

    /// Makes the clock differ from the real time by this many seconds, within a second.
    pub fn step(&self, seconds: i64) -> Result<(), Error> {
        Ok(fs::write(&self.difference, format!("{seconds:+}"))?)
    }

    /// Returns the environment of the process.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        // The C library comes before jemalloc, which asks for the time while the library starts.
        let preload = format!("{} libc.so.6", self.library.display());
        [
            ("LD_PRELOAD", preload),
            ("FAKETIME_TIMESTAMP_FILE", self.difference.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

/// Removes the shared memory of processes that were killed: libfaketime names it by their ids, which are used again, and
/// refuses to start where the name exists.
pub fn remove_leftovers() {
    for entry in fs::read_dir(SHARED_MEMORY).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = ["faketime_shm_", "sem.faketime_sem_"].iter().find_map(|prefix| name.strip_prefix(prefix));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another run may do the same.
            let _removed = fs::remove_file(entry.path());
        }
    }
}

fn find() -> Option<PathBuf> {
    fs::read_dir(LIBRARIES).ok()?.filter_map(|entry| Some(entry.ok()?.path().join(LIBRARY))).find(|path| path.exists())
}
