//! THE table of error codes: the first word of every error line.

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// The first word of an error line, for programs to act on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant),+
        }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code as sent.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

codes! {
    /// Malformed: syntax, arity, unknown command or option.
    Err = "ERR",
    /// No such wallet.
    NoWallet = "NOWALLET",
    /// No such hold.
    NoHold = "NOHOLD",
    /// No such operation.
    NoOp = "NOOP",
    /// The hold is done.
    HoldDone = "HOLDDONE",
    /// A capture above the hold.
    OverCapture = "OVERCAPTURE",
    /// A refund above what is left to refund.
    OverRefund = "OVERREFUND",
    /// The op id belongs to a different request.
    IdReused = "IDREUSED",
    /// The wallet, opened with other parameters.
    Exists = "EXISTS",
    /// A change of a closed wallet.
    Closed = "CLOSED",
    /// Closing a wallet with money or debt.
    NotEmpty = "NOTEMPTY",
    /// A value out of range.
    Range = "RANGE",
    /// More than configured.
    TooMany = "TOOMANY",
    /// Older than the dedup window.
    TooLate = "TOOLATE",
    /// The price book does not know it.
    NoPrice = "NOPRICE",
    /// A rate card in another currency than the wallet's.
    Currency = "CURRENCY",
    /// A bounded queue is full.
    Busy = "BUSY",
    /// The store failed.
    Unavailable = "UNAVAILABLE",
    /// The journal is being read.
    Loading = "LOADING",
    /// The client must say who it is first.
    NoAuth = "NOAUTH",
    /// The user may not do that.
    NoPerm = "NOPERM",
    /// A wrong user or password.
    WrongPass = "WRONGPASS",
    /// A version of the protocol that is not spoken.
    NoProto = "NOPROTO",
}
