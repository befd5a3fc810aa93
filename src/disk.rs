//! Watches the room that is left where the data directory lies, and warns before there is none.

use crate::server::Context;
use rustix::fs::statvfs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How often it warns while there is too little.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// Looks as long as the server runs.
pub(crate) async fn watch(context: Arc<Context>) {
    let mut warned: Option<Instant> = None;
    loop {
        let data = context.config.data.clone();
        // A file system that does not answer must not hold up anything else.
        let looked = tokio::task::spawn_blocking(move || room(&data)).await;
        if let Ok(Some((free, total))) = looked {
            context.figures.disk_free.set(free);
            context.figures.disk_total.set(total);
            let wanted = context.live().config.disk_free_warn_bytes;
            warned = judge(free, wanted, warned);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Says when there is too little, or enough again; answers when it last said that there is too little.
fn judge(free: u64, wanted: u64, warned: Option<Instant>) -> Option<Instant> {
    if free < wanted {
        if warned.is_some_and(|warned| warned.elapsed() < WARN_EVERY) {
            return warned;
        }
        tracing::warn!(
            free,
            "the disk of the data directory is nearly full: fewer than disk_free_warn_bytes = {wanted} \
             bytes are free. When it is full, purser stops"
        );
        return Some(Instant::now());
    }
    if warned.is_some() {
        tracing::info!(free, "the disk of the data directory has room again");
    }
    None
}

/// The bytes that are free for this process, and all that there are.
fn room(path: &Path) -> Option<(u64, u64)> {
    let stat = statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some((bytes(stat.f_bavail), bytes(stat.f_blocks)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warns_once_in_a_while_and_says_when_there_is_room_again() {
        assert!(judge(10, 10, None).is_none());
        let warned = judge(9, 10, None);
        assert!(warned.is_some());
        assert_eq!(judge(9, 10, warned), warned);
        assert!(judge(10, 10, warned).is_none());
        assert!(judge(0, 0, None).is_none());
    }

    #[test]
    fn the_room_of_a_file_system_is_known() {
        let (free, total) = room(Path::new("/")).unwrap();
        assert!(total > 0 && free <= total);
        assert!(room(Path::new("/nowhere/at/all")).is_none());
    }
}
