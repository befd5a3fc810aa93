//! Bytes to domain and back: pure functions without files, sockets or actors.

pub mod record;
pub mod value;
