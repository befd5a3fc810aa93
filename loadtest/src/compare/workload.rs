//! What every server is asked to do, and how it is written and read in its own protocol.

use std::net::TcpStream;

use anyhow::Result;
use bytes::BytesMut;

/// What every wallet has at the start, in whole units.
pub(crate) const MONEY: u64 = 1_000_000_000_000;
/// What is authorized.
pub(crate) const ESTIMATE: u64 = 3;
/// What is captured of it; the rest is released.
pub(crate) const USED: u64 = 2;

/// One command of the workload. The hold's id, and so both idempotency keys, come of the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) kind: Kind,
    pub(crate) wallet: u32,
    pub(crate) number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Authorize,
    Capture,
}

impl Op {
    /// What is said of it in all protocols.
    pub(crate) fn texts(self) -> Texts {
        let (amount, id) = match self.kind {
            Kind::Authorize => (ESTIMATE, format!("h{}", self.number)),
            Kind::Capture => (USED, format!("c{}", self.number)),
        };
        Texts {
            wallet: wallet(self.wallet),
            hold: format!("h{}", self.number),
            amount: amount.to_string(),
            id,
        }
    }
}

/// A command's words.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) wallet: String,
    pub(crate) hold: String,
    pub(crate) amount: String,
    /// The idempotency key; of an authorization the hold's.
    pub(crate) id: String,
}

impl Kind {
    /// What a right answer says.
    pub(crate) const fn status(self) -> &'static [u8] {
        match self {
            Self::Authorize => b"held",
            Self::Capture => b"captured",
        }
    }
}

/// The first reply of some bytes, while it lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    pub(crate) length: usize,
    /// What it says of the operation; none: it is an error, or no receipt.
    pub(crate) status: Option<&'a [u8]>,
}

/// The protocol of a server.
pub(crate) trait Dialect {
    /// Opens a connection that commands can be sent on.
    fn connect(&self) -> Result<TcpStream>;

    fn write(&self, op: Op, out: &mut BytesMut) -> Result<()>;

    /// The first reply, or nothing while it is not all here.
    fn read<'a>(&self, bytes: &'a [u8]) -> Result<Option<Reply<'a>>>;
}

/// The wallet of that number.
pub(crate) fn wallet(number: u32) -> String {
    format!("w:{number:012}")
}

/// The money of all wallets together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) available: u64,
    pub(crate) held: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, available: u64, held: u64) {
        self.available = self.available.saturating_add(available);
        self.held = self.held.saturating_add(held);
    }

    /// What must be there when so many authorizations were captured, and no hold is left.
    pub(crate) fn after(wallets: u32, captures: u64) -> Self {
        let money = u64::from(wallets).saturating_mul(MONEY);
        Self { available: money.saturating_sub(captures.saturating_mul(USED)), held: 0 }
    }
}
