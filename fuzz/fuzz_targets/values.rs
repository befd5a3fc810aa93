//! See `harness/mod.rs`.
#![no_main]

#[allow(dead_code, reason = "each target has a part of it")]
#[path = "../harness/mod.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    harness::rows::values(bytes);
});
