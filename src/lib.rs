//! purser: a real-time balance engine for the billing of AI apps.

pub mod codec;
pub mod domain;

/// The allocator of the server and its tools.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
