//! Bytes to domain and back: pure functions, no files, no sockets, no clock.
//!
//! [`resp`] cuts requests out of a byte stream and writes reply frames; [`request`] turns the
//! arguments of one request into what the domain is asked; [`reply`] turns its answer into frames;
//! [`commands`] is what the server tells clients about itself; [`record`], [`value`] and
//! [`snapshot`] are what lies on the disk, `window` what they share; [`glob`] is how names are
//! chosen by a pattern.

pub mod commands;
pub mod glob;
pub mod record;
pub mod reply;
pub mod request;
pub mod resp;
pub mod snapshot;
pub mod value;
mod window;
