//! The real server, as a process, spoken to over its sockets.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod bounds;
mod crash;
mod life;
mod lifecycle;
mod money;
mod race;
mod readme;
mod session;
mod support;
