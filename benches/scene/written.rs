//! A record that was written, with all that it takes to write it again.

use super::{Wallets, batch, requests, wallets};
use purser::codec::record::{self, Record, RecordRef};
use purser::domain::grant::GrantTerms;
use purser::domain::memory::Role;
use std::sync::Arc;

/// A record and its bytes.
pub(crate) struct Written {
    /// Its frame.
    pub(crate) frame: Vec<u8>,
    record: Record,
    burned: Vec<Arc<GrantTerms>>,
}

impl Written {
    /// The record of the last request, made by a wallet that has money.
    pub(crate) fn by<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Self {
        let mut batch = batch();
        let mut wallets: Wallets = wallets(1).open(&mut batch);
        for request in &requests(lines) {
            batch.seal(Vec::new());
            wallets.execute(0, request, &mut batch);
        }
        let frame = batch.seal(Vec::new()).unwrap().batch.frames;
        let (record, length) = record::decode(&frame).unwrap();
        assert_eq!(length, frame.len(), "one record");
        let memory = wallets.all().first().unwrap().wallet().unwrap().memory();
        let op = record.event.op.as_ref().and_then(|op| memory.get(op));
        let burned = match op.map(|op| &op.role) {
            Some(Role::Spend(spend)) => {
                spend.slices.iter().map(|(terms, _)| terms.clone()).collect()
            }
            _ => Vec::new(),
        };
        let written = Self { frame, record, burned };
        let mut again = Vec::new();
        written.encode(&mut again);
        assert_eq!(again, written.frame, "encoded again it is the same");
        written
    }

    /// Encodes it behind others.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let Record { wallet, seq, previous, event, sums, status, .. } = &self.record;
        let (seq, previous, sums, status) = (*seq, *previous, *sums, *status);
        let burned = self.burned.as_slice();
        record::encode(&RecordRef { wallet, seq, previous, event, sums, status, burned }, out)
            .unwrap();
    }
}
