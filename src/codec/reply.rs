//! What a wallet answers, as reply frames.

mod error_code;
pub use error_code::ErrorCode;
