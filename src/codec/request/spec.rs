//! What the commands of the engine take: positional arguments and options, as one table.

/// Which command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Authorize,
    Balance,
    Capture,
    Charge,
    Explain,
    Extend,
    HoldGet,
    HoldList,
    Ledger,
    OpGet,
    Price,
    PricesGet,
    PricesList,
    PricesReload,
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

impl Verb {
    /// Whether it asks for prices.
    pub(super) const fn is_about_prices(self) -> bool {
        matches!(self, Self::Price | Self::PricesGet | Self::PricesList | Self::PricesReload)
    }
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
    /// An amount, zero included, or `RATED` for one that the price book knows.
    AmountOrRated,
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
    At = "AT",
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
    Model = "MODEL",
    Note = "NOTE",
    Overage = "OVERAGE",
    Paid = "PAID",
    Plan = "PLAN",
    Prefix = "PREFIX",
    Priority = "PRIORITY",
    Qty = "QTY",
    Sent = "SENT",
    Strict = "STRICT",
    Tag = "TAG",
    To = "TO",
    Ttl = "TTL",
    Tz = "TZ",
    Variant = "VARIANT",
    Wallet = "WALLET",
}

/// What one command takes. Every one also takes `SENT`.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) verb: Verb,
    /// In upper case.
    pub(super) name: &'static str,
    /// What follows the wallet, in whose place `WALLET.SCAN` has a cursor, `PRICE` and `PRICES.GET`
    /// a model, and the others of `PRICES` nothing.
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

    /// How many arguments say whom or what the command asks.
    pub(super) const fn subjects(&self) -> usize {
        match self.verb {
            Verb::PricesList | Verb::PricesReload => 0,
            _ => 1,
        }
    }

    /// Whether the command takes an option only together with `RATED`.
    pub(super) fn is_for_usage(&self, option: Opt) -> bool {
        self.verb != Verb::Price && matches!(option, Opt::At | Opt::Model | Opt::Qty | Opt::Variant)
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
pub(super) static SPECS: [Spec; 27] = {
    use Opt::{
        After, Amount, At, Before, Count, CreditLimit, Currency, DebtLimit, Expires, Force, From,
        Hold, Id, Keep, Kind, Match, Min, Model, Note, Overage, Paid, Plan, Prefix, Priority, Qty,
        RowKind, Strict, Tag, To, Ttl, Tz, Variant, Wallet,
    };
    use Positional as P;
    [
        spec(
            Verb::Authorize,
            "AUTHORIZE",
            &[P::AmountOrRated],
            &[Id, Min, Ttl, Overage, Tag, Model, Variant, Qty],
            ID,
        ),
        spec(
            Verb::Capture,
            "CAPTURE",
            &[P::Hold, P::AmountOrRated],
            &[Id, Keep, Strict, Tag, Model, Variant, Qty],
            ID,
        ),
        spec(Verb::Balance, "BALANCE", &[], &[], None),
        spec(
            Verb::Charge,
            "CHARGE",
            &[P::AmountOrRated],
            &[Id, Overage, Tag, Model, Variant, Qty, At],
            ID,
        ),
        spec(Verb::Void, "VOID", &[P::Hold], &[Id, Note], None),
        spec(Verb::Extend, "EXTEND", &[P::Hold, P::AmountOrZero], &[Id, Min, Ttl], ID),
        spec(
            Verb::TopUp,
            "TOPUP",
            &[P::Amount],
            &[Id, Kind, Priority, Expires, Ttl, Paid, Currency, Note],
            ID,
        ),
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
        spec(Verb::Explain, "EXPLAIN", &[P::Op], &[], None),
        spec(Verb::Price, "PRICE", &[], &[Variant, Qty, Wallet, At], Some(Qty)),
        spec(Verb::PricesGet, "PRICES.GET", &[], &[], None),
        spec(Verb::PricesList, "PRICES.LIST", &[], &[Prefix], None),
        spec(Verb::PricesReload, "PRICES.RELOAD", &[], &[], None),
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
