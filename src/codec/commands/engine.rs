//! The commands of the engine.

use super::{Access, Arg, ArgKind, Command, Role, choice, flag, integer, option, text};

const WALLET: Arg = Arg::new("wallet", ArgKind::Key);
const HOLD: Arg = text("hold");
const OP: Arg = text("op");
const AMOUNT: Arg = text("amount");
const ID: Arg = text("id").after("ID");
const SENT: Arg = option("SENT", "sent", ArgKind::Time);
const NOTE: Arg = option("NOTE", "note", ArgKind::Text);
const MIN: Arg = option("MIN", "min", ArgKind::Text);
const TTL: Arg = option("TTL", "ttl-ms", ArgKind::Integer);
const COUNT: Arg = option("COUNT", "count", ArgKind::Integer);
const CREDIT_LIMIT: Arg = option("CREDITLIMIT", "credit-limit", ArgKind::Text);
const DEBT_LIMIT: Arg = option("DEBTLIMIT", "debt-limit", ArgKind::Text);
const PLAN: Arg = option("PLAN", "plan", ArgKind::Text);
const ZONE: Arg = option("TZ", "zone", ArgKind::Text);
const TAG: Arg = option("TAG", "tag", ArgKind::Block(&[text("key"), text("value")])).multiple();
const OVERAGE: Arg = option(
    "OVERAGE",
    "overage",
    ArgKind::OneOf(&[choice("debt", "debt"), choice("cap", "cap"), choice("reject", "reject")]),
);
const KIND: Arg = option(
    "KIND",
    "kind",
    ArgKind::OneOf(&[
        choice("paid", "paid"),
        choice("promo", "promo"),
        choice("allowance", "allowance"),
    ]),
);
const VARIANT: Arg = option("VARIANT", "variant", ArgKind::Text);
const QTY: Arg =
    Arg::new("qty", ArgKind::Block(&[text("unit"), text("quantity")])).after("QTY").multiple();
const AT: Arg = option("AT", "at", ArgKind::Time);
/// An amount that is known, or usage that is rated.
const WORTH: Arg = Arg::new(
    "worth",
    ArgKind::OneOf(&[
        AMOUNT,
        Arg::new(
            "usage",
            ArgKind::Block(&[
                Arg::new("rated", ArgKind::Flag).after("RATED"),
                text("model").after("MODEL"),
                VARIANT,
                QTY,
            ]),
        ),
    ]),
);
const PAID: Arg = Arg::new(
    "paid",
    ArgKind::Block(&[text("paid").after("PAID"), text("currency").after("CURRENCY")]),
)
.optional();
const EXPIRY: Arg = Arg::new(
    "expiry",
    ArgKind::OneOf(&[
        Arg::new("expires", ArgKind::Time).after("EXPIRES"),
        Arg::new("ttl-ms", ArgKind::Integer).after("TTL"),
    ]),
)
.optional();

const fn command(
    (access, role): (Access, Role),
    name: &'static str,
    arity: i32,
    summary: &'static str,
    args: &'static [Arg],
) -> Command {
    let flags: &[&str] = match access {
        Access::Read => &["readonly", "fast"],
        Access::Write => &["write", "fast"],
    };
    let categories: &[&str] = match role {
        Role::Anybody | Role::Read => &["@read", "@fast"],
        Role::Spend => &["@write", "@fast", "@spend"],
        Role::Admin => &["@admin", "@write", "@fast"],
    };
    let wallet = Some(access);
    Command {
        name,
        arity,
        flags,
        categories,
        summary,
        group: "module",
        args,
        wallet,
        role,
        subcommands: &[],
    }
}

/// A change that only administrators may make.
const fn change(
    name: &'static str,
    arity: i32,
    summary: &'static str,
    args: &'static [Arg],
) -> Command {
    command((Access::Write, Role::Admin), name, arity, summary, args)
}

/// A change that spends money, or gives back what was reserved for it.
const fn spend(
    name: &'static str,
    arity: i32,
    summary: &'static str,
    args: &'static [Arg],
) -> Command {
    command((Access::Write, Role::Spend), name, arity, summary, args)
}

const fn read(
    name: &'static str,
    arity: i32,
    summary: &'static str,
    args: &'static [Arg],
) -> Command {
    command((Access::Read, Role::Read), name, arity, summary, args)
}

/// A command that asks the price book, no wallet.
const fn prices(
    name: &'static str,
    arity: i32,
    summary: &'static str,
    args: &'static [Arg],
) -> Command {
    Command { wallet: None, ..read(name, arity, summary, args) }
}

/// By name. The arity counts what must be there by its place; `ID` and `CURRENCY` are asked for
/// by name instead, in an error that says so.
pub(super) static COMMANDS: [Command; 27] = [
    spend(
        "authorize",
        -3,
        "Reserves money before the work that it pays",
        &[WALLET, WORTH, ID, MIN, TTL, OVERAGE, TAG, SENT],
    ),
    read("balance", -2, "Shows the money of a wallet", &[WALLET, SENT]),
    spend(
        "capture",
        -4,
        "Settles what was used against a hold",
        &[WALLET, HOLD, WORTH, ID, flag("KEEP", "keep"), flag("STRICT", "strict"), TAG, SENT],
    ),
    spend(
        "charge",
        -3,
        "Charges at once, or states usage that has happened",
        &[WALLET, WORTH, ID, OVERAGE, AT, TAG, SENT],
    ),
    Command {
        flags: &["readonly"],
        categories: &["@read", "@slow"],
        ..read("explain", -3, "Shows why an operation cost what it cost", &[WALLET, OP, SENT])
    },
    spend(
        "extend",
        -4,
        "Adds money or time to a hold",
        &[WALLET, HOLD, AMOUNT, ID, MIN, TTL, SENT],
    ),
    read("hold.get", -3, "Shows a hold", &[WALLET, HOLD, SENT]),
    read(
        "hold.list",
        -2,
        "Shows the open holds of a wallet",
        &[WALLET, option("AFTER", "hold", ArgKind::Text), COUNT, SENT],
    ),
    Command {
        // It reads the disk.
        flags: &["readonly"],
        categories: &["@read", "@slow"],
        ..read(
            "ledger",
            -2,
            "Shows what happened to a wallet, the newest first",
            &[
                WALLET,
                COUNT,
                option("BEFORE", "seq", ArgKind::Integer),
                option("FROM", "from", ArgKind::Time),
                option("TO", "to", ArgKind::Time),
                option("KIND", "kind", ArgKind::Text),
                option("HOLD", "hold", ArgKind::Text),
                SENT,
            ],
        )
    },
    read("op.get", -3, "Shows what became of an operation", &[WALLET, OP, SENT]),
    prices(
        "price",
        -2,
        "Shows what usage costs, line by line",
        &[text("model"), VARIANT, QTY, option("WALLET", "wallet", ArgKind::Text), AT, SENT],
    ),
    prices("prices.get", -2, "Shows the rate card of a model", &[text("model"), SENT]),
    prices(
        "prices.list",
        -1,
        "Lists the models that have a price",
        &[option("PREFIX", "prefix", ArgKind::Text), SENT],
    ),
    Command {
        flags: &["admin"],
        categories: &["@admin", "@slow"],
        role: Role::Admin,
        ..prices("prices.reload", -1, "Reads the price book again", &[SENT])
    },
    change(
        "refund",
        -4,
        "Gives back part or all of a capture or charge",
        &[WALLET, OP, AMOUNT, ID, NOTE, SENT],
    ),
    change(
        "topup",
        -3,
        "Adds money: repays debt first, the rest becomes a grant",
        &[
            WALLET,
            AMOUNT,
            ID,
            KIND,
            option("PRIORITY", "priority", ArgKind::Integer),
            EXPIRY,
            PAID,
            NOTE,
            SENT,
        ],
    ),
    change(
        "topup.reverse",
        -3,
        "Takes a top-up back; what was spent of it becomes debt",
        &[WALLET, OP, ID, option("AMOUNT", "amount", ArgKind::Text), NOTE, SENT],
    ),
    change(
        "topup.revoke",
        -3,
        "Takes back what is left unpinned of a grant",
        &[WALLET, OP, ID, NOTE, SENT],
    ),
    spend(
        "void",
        -3,
        "Releases what a hold still holds",
        &[WALLET, HOLD, option("ID", "id", ArgKind::Text), NOTE, SENT],
    ),
    change("wallet.close", -2, "Closes a wallet", &[WALLET, flag("FORCE", "force"), SENT]),
    change("wallet.freeze", -2, "Stops new spends of a wallet", &[WALLET, NOTE, SENT]),
    read("wallet.get", -2, "Shows everything known of a wallet", &[WALLET, SENT]),
    change(
        "wallet.open",
        -2,
        "Opens a wallet",
        &[WALLET, text("currency").after("CURRENCY"), CREDIT_LIMIT, DEBT_LIMIT, PLAN, ZONE, SENT],
    ),
    Command {
        wallet: None,
        ..read(
            "wallet.scan",
            -2,
            "Walks the ids of all wallets",
            &[integer("cursor"), option("MATCH", "pattern", ArgKind::Pattern), COUNT, SENT],
        )
    },
    change(
        "wallet.set",
        -2,
        "Changes the terms of a wallet",
        &[WALLET, ID, CREDIT_LIMIT, DEBT_LIMIT, PLAN, ZONE, SENT],
    ),
    change("wallet.unfreeze", -2, "Lets a wallet spend again", &[WALLET, SENT]),
    change("withdraw", -3, "Pays out unpinned paid money", &[WALLET, AMOUNT, ID, NOTE, SENT]),
];
