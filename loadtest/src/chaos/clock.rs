//! A clock that can be stepped, for a process that loads libfaketime.

use std::fs;
use std::path::PathBuf;

use super::Error;

/// The directory below which Debian and its relatives have the library, in one for each architecture.
const LIBRARIES: &str = "/usr/lib";
const LIBRARY: &str = "faketime/libfaketime.so.1";

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

fn find() -> Option<PathBuf> {
    fs::read_dir(LIBRARIES).ok()?.filter_map(|entry| Some(entry.ok()?.path().join(LIBRARY))).find(|path| path.exists())
}
