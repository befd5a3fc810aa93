//! What the commands of the engine take: positional arguments and options, as one table.

/// Which command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Authorize,
    Balance,
    Capture,
    Charge,
    Extend,
    HoldGet,
    HoldList,
    Ledger,
    OpGet,
    Refund,
    TopUp,
    Reverse,
    Revoke,
    Void,
    Close,
    Freeze,
    Get,
    Open,
    Scan,
    Set,
    Unfreeze,
    Withdraw,
}

/// An argument that is told by its place, after the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Positional {
    /// A hold that the wallet knows.
    Hold,
    /// An operation that the wallet knows.
    Op,
    /// An amount above zero.
    Amount,
    /// An amount, zero included.
    AmountOrZero,
}

macro_rules! options {
    ($($variant:ident = $word:literal),+ $(,)?) => {
        /// An option, in alphabetical order: the order in which a request is hashed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Opt {
            $($variant),+
        }

        impl Opt {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$variant),+];

            /// The keyword, in upper case.
            pub(super) const fn keyword(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

options! {
    After = "AFTER",
    Amount = "AMOUNT",
    Before = "BEFORE",
    Count = "COUNT",
    CreditLimit = "CREDITLIMIT",
    Currency = "CURRENCY",
    DebtLimit = "DEBTLIMIT",
    Expires = "EXPIRES",
    Force = "FORCE",
    From = "FROM",
    Hold = "HOLD",
    Id = "ID",
    Keep = "KEEP",
    Kind = "KIND",
    // Of rows, where `Kind` is of money.
    RowKind = "KIND",
    Match = "MATCH",
    Min = "MIN",
    Note = "NOTE",
    Overage = "OVERAGE",
    Plan = "PLAN",
    Priority = "PRIORITY",
    Sent = "SENT",
    Strict = "STRICT",
    Tag = "TAG",
    To = "TO",
    Ttl = "TTL",
    Tz = "TZ",
}

/// What one command takes. Every one also takes `SENT`.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) verb: Verb,
    /// In upper case.
    pub(super) name: &'static str,
    /// What follows the wallet; `WALLET.SCAN` alone has a cursor in the wallet's place.
    pub(super) positionals: &'static [Positional],
    pub(super) options: &'static [Opt],
    /// The option that must be there.
    pub(super) required: Option<Opt>,
}

impl Spec {
    /// The command of this name, in any case, and its place in the table.
    pub(super) fn named(name: &[u8]) -> Option<(usize, &'static Self)> {
        let is = |spec: &Self| spec.name.as_bytes().eq_ignore_ascii_case(name);
        SPECS.iter().enumerate().find(|(_, spec)| is(spec))
    }

    /// The option of this keyword, in any case, if the command takes it.
    pub(super) fn option(&self, keyword: &[u8]) -> Option<Opt> {
        let mut taken = self.options.iter().chain(&[Opt::Sent]).copied();
        taken.find(|option| option.keyword().as_bytes().eq_ignore_ascii_case(keyword))
    }
}

const fn spec(
    verb: Verb,
    name: &'static str,
    positionals: &'static [Positional],
    options: &'static [Opt],
    required: Option<Opt>,
) -> Spec {
    Spec { verb, name, positionals, options, required }
}

const ID: Option<Opt> = Some(Opt::Id);

/// The commands of the engine, the busiest first.
pub(super) static SPECS: [Spec; 22] = {
    use Opt::{
        After, Amount, Before, Count, CreditLimit, Currency, DebtLimit, Expires, Force, From, Hold,
        Id, Keep, Kind, Match, Min, Note, Overage, Plan, Priority, RowKind, Strict, Tag, To, Ttl,
        Tz,
    };
    use Positional as P;
    [
        spec(Verb::Authorize, "AUTHORIZE", &[P::AmountOrZero], &[Id, Min, Ttl, Overage, Tag], ID),
        spec(Verb::Capture, "CAPTURE", &[P::Hold, P::AmountOrZero], &[Id, Keep, Strict, Tag], ID),
        spec(Verb::Balance, "BALANCE", &[], &[], None),
        spec(Verb::Charge, "CHARGE", &[P::AmountOrZero], &[Id, Overage, Tag], ID),
        spec(Verb::Void, "VOID", &[P::Hold], &[Id, Note], None),
        spec(Verb::Extend, "EXTEND", &[P::Hold, P::AmountOrZero], &[Id, Min, Ttl], ID),
        spec(Verb::TopUp, "TOPUP", &[P::Amount], &[Id, Kind, Priority, Expires, Ttl, Note], ID),
        spec(Verb::Refund, "REFUND", &[P::Op, P::Amount], &[Id, Note], ID),
        spec(Verb::HoldGet, "HOLD.GET", &[P::Hold], &[], None),
        spec(Verb::HoldList, "HOLD.LIST", &[], &[After, Count], None),
        spec(Verb::OpGet, "OP.GET", &[P::Op], &[], None),
        spec(Verb::Ledger, "LEDGER", &[], &[Count, Before, From, To, RowKind, Hold], None),
        spec(Verb::Reverse, "TOPUP.REVERSE", &[P::Op], &[Id, Amount, Note], ID),
        spec(Verb::Revoke, "TOPUP.REVOKE", &[P::Op], &[Id, Note], ID),
        spec(Verb::Withdraw, "WITHDRAW", &[P::Amount], &[Id, Note], ID),
        spec(
            Verb::Open,
            "WALLET.OPEN",
            &[],
            &[Currency, CreditLimit, DebtLimit, Plan, Tz],
            Some(Currency),
        ),
        spec(Verb::Get, "WALLET.GET", &[], &[], None),
        spec(Verb::Set, "WALLET.SET", &[], &[Id, CreditLimit, DebtLimit, Plan, Tz], ID),
        spec(Verb::Freeze, "WALLET.FREEZE", &[], &[Note], None),
        spec(Verb::Unfreeze, "WALLET.UNFREEZE", &[], &[], None),
        spec(Verb::Close, "WALLET.CLOSE", &[], &[Force], None),
        spec(Verb::Scan, "WALLET.SCAN", &[], &[Match, Count], None),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_declared_in_the_order_of_their_keywords() {
        assert!(Opt::ALL.is_sorted_by_key(|option| option.keyword()));
    }
}
