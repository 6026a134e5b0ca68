//! Draws and calls the places of waiting rooms.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::application::admission::WaitingRooms;

use super::metrics::{QUEUE_CALLED, QUEUE_JOINED, QUEUE_PASSES};
use super::{CHECK_EVERY, log};

/// Time between two ticks, and between checks for a sale with a waiting room.
const TICK: Duration = Duration::from_millis(200);

pub async fn run(rooms: Arc<WaitingRooms>) {
    loop {
        let result = rooms.tick_all().await;
        let has_room = *result.as_ref().unwrap_or(&true);
        log(result, "a waiting room could not be moved on and is tried again");
        let [joined, called, passes] = rooms.totals();
        for (gauge, value) in [(&QUEUE_JOINED, joined), (&QUEUE_CALLED, called), (&QUEUE_PASSES, passes)] {
            gauge.set(value as f64);
        }
        sleep(if has_room { TICK } else { CHECK_EVERY }).await;
    }
}
