//! The parts of the rules that an operator may set.

use super::time::Span;

/// What an operator may set of the rules. They judge new commands only: what happened stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How long a hold lives when its `AUTHORIZE` does not say.
    pub hold_ttl: Span,
    /// How long after a grant's expiry money that a hold releases may still return to it.
    pub lapse_grace: Span,
    /// The most open holds in a wallet.
    pub holds_max: usize,
    /// The most grants with money in a wallet.
    pub grants_max: usize,
    /// Usage that is stated later than this after it happened is refused.
    pub late_window: Span,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            hold_ttl: Span::from_millis(15 * 60_000),
            lapse_grace: Span::ZERO,
            holds_max: 2_000_000,
            grants_max: 1_000,
            late_window: Span::from_millis(12 * 3_600_000),
        }
    }
}
