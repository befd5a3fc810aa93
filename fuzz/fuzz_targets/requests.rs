//! Any bytes from a client: no panic, no more memory than allowed, the same in whatever pieces.
#![no_main]

#[path = "../harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::requests(bytes));
