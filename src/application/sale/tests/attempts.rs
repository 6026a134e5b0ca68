use super::*;
use crate::application::sale::attempts::AttemptsWriter;
use crate::application::sale::memory::{ArchiveCall, Fault, StoreCall};

#[tokio::test]
async fn attempts_are_archived_once_and_trimmed_only_when_they_are() {
    let world = World::open().await;
    let (sale, mut writer) = (world.sale(), AttemptsWriter::default());
    assert_eq!(writer.step(&world.shop, &sale).await.unwrap(), Progress::Idle);
    world.cart("zoe", &[4]).await;
    assert_eq!(writer.step(&world.shop, &sale).await.unwrap(), Progress::Idle);
    world.cart("ann", &[1]).await;
    world.cart("bob", &[2]).await;
    let pending = async || {
        world.shop.count_attempts(&sale).await.unwrap();
        sale.attempts_pending.load(std::sync::atomic::Ordering::Relaxed)
    };
    world.archive.calls().fail_next(ArchiveCall::PersistAttempts, Fault::Unreachable);
    writer.step(&world.shop, &sale).await.unwrap_err();
    assert_eq!((pending().await, world.archive.attempts_in(sale.id()).len()), (2, 1));
    // Archived, and the answer is lost: the writer reads its position again.
    world.archive.calls().fail_next(ArchiveCall::PersistAttempts, Fault::AnswerLost);
    writer.step(&world.shop, &sale).await.unwrap_err();
    assert_eq!((pending().await, world.archive.attempts_in(sale.id()).len()), (2, 3));
    world.cart("cat", &[3]).await;
    writer.step(&world.shop, &sale).await.unwrap();
    let archived: Vec<_> =
        world.archive.attempts_in(sale.id()).iter().map(|attempt| attempt.user.to_string()).collect();
    assert_eq!((pending().await, archived), (0, vec!["zoe".into(), "ann".into(), "bob".into(), "cat".into()]));
}

#[tokio::test]
async fn a_trim_that_failed_is_made_up_for() {
    let world = World::open().await;
    let (sale, mut writer) = (world.sale(), AttemptsWriter::default());
    world.cart("ann", &[1]).await;
    world.store.calls().fail_next(StoreCall::TrimAttempts, Fault::Unreachable);
    writer.step(&world.shop, &sale).await.unwrap_err();
    world.cart("bob", &[2]).await;
    writer.step(&world.shop, &sale).await.unwrap();
    assert_eq!(world.archive.attempts_in(sale.id()).len(), 2);
    world.shop.count_attempts(&sale).await.unwrap();
    assert_eq!(sale.attempts_pending.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_unreadable_attempt_stops_no_other() {
    let world = World::open().await;
    let (sale, mut writer) = (world.sale(), AttemptsWriter::default());
    world.store.append_unreadable_attempt(sale.id());
    world.cart("ann", &[1]).await;
    world.store.append_unreadable_attempt(sale.id());
    writer.step(&world.shop, &sale).await.unwrap();
    assert_eq!(world.archive.attempts_in(sale.id()).len(), 1);
    world.shop.count_attempts(&sale).await.unwrap();
    assert_eq!(sale.attempts_pending.load(std::sync::atomic::Ordering::Relaxed), 0);
}
