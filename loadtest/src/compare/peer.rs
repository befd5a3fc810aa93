//! What a server must offer to be measured.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::workload::{Dialect, Totals};

/// A server that can be started as often as it is measured, always with fresh wallets.
pub(crate) trait Peer {
    fn about(&self) -> &About;

    /// Starts it, alone on the machine as far as we are concerned, with wallets that have money,
    /// and ready for so many connections.
    fn start(&self, dir: Option<&Path>, wallets: u32, connections: u16)
    -> Result<Box<dyn Running>>;
}

/// A server that was started. Dropping it stops it.
pub(crate) trait Running {
    fn dialect(&self) -> &dyn Dialect;

    /// Its process; children of it are counted with it.
    fn pid(&self) -> u32;

    /// The money of all wallets, as the server has it.
    fn totals(&self, wallets: u32) -> Result<Totals>;

    /// How `redis-benchmark` reaches and asks it; none if it cannot.
    fn benchmark(&self, wallets: u32) -> Option<(u16, Vec<String>)>;

    /// Stops it in good order.
    fn stop(self: Box<Self>) -> Result<()>;
}

/// Which server was measured, and how it was set up.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) settings: Vec<String>,
}
