//! The real server, as a process, spoken to over its sockets.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod access;
mod bounds;
mod crash;
mod life;
mod lifecycle;
mod logs;
mod money;
mod pages;
mod prices;
mod race;
mod rating_page;
mod readme;
mod session;
mod settings;
mod support;
mod tls;
mod upgrade;
mod users;
mod watching;
