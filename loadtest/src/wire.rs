//! The commands of the protocol that a run needs, and what their replies say.

use purser::domain::amount::Amount;

use crate::resp::{Reply, encode};

pub(crate) fn open(wallet: &str, currency: &str) -> Vec<u8> {
    encode(&["WALLET.OPEN", wallet, "CURRENCY", currency])
}

pub(crate) fn top_up(wallet: &str, amount: Amount, id: &str) -> Vec<u8> {
    encode(&["TOPUP", wallet, &amount.to_string(), "ID", id])
}

pub(crate) fn authorize(wallet: &str, worth: &[String], hold: &str, ttl_ms: u64) -> Vec<u8> {
    let ttl = ttl_ms.to_string();
    let mut words = vec!["AUTHORIZE", wallet];
    words.extend(worth.iter().map(String::as_str));
    words.extend(["ID", hold, "TTL", &ttl]);
    encode(&words)
}

pub(crate) fn capture(wallet: &str, hold: &str, worth: &[String], id: &str) -> Vec<u8> {
    let mut words = vec!["CAPTURE", wallet, hold];
    words.extend(worth.iter().map(String::as_str));
    words.extend(["ID", id]);
    encode(&words)
}

pub(crate) fn balance(wallet: &str) -> Vec<u8> {
    encode(&["BALANCE", wallet])
}

/// A map reply: a receipt, or the state of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields of a reply; an error in words when it is an error or no map.
    pub(crate) fn of(reply: Reply) -> Result<Self, String> {
        let items = match reply {
            Reply::Error(error) => return Err(error),
            Reply::Array(items) => items,
            Reply::Text(_) | Reply::Integer(_) | Reply::Null => {
                return Err(format!("not a map: {reply:?}"));
            }
        };
        let mut fields = Vec::with_capacity(items.len() / 2);
        let mut items = items.into_iter();
        while let Some(name) = items.next() {
            match (name, items.next()) {
                (Reply::Text(name), Some(Reply::Text(value))) => fields.push((name, value)),
                (Reply::Text(name), Some(Reply::Integer(value))) => {
                    fields.push((name, value.to_string()));
                }
                // What is absent, or a list, is nothing that a run looks at.
                (Reply::Text(_), Some(_)) => {}
                (name, value) => return Err(format!("not a map: {name:?} {value:?}")),
            }
        }
        Ok(Self(fields))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn status(&self) -> &str {
        self.get("status").unwrap_or("without a status")
    }

    /// Whether a mark such as `late 1` is there.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.get(name) == Some("1")
    }

    /// An amount that must be there.
    pub(crate) fn amount(&self, name: &str) -> Result<Amount, String> {
        let text = self.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
        signed(text).ok_or_else(|| format!("`{name}` is no amount: {text}"))
    }

    /// An amount that is left out when it is nothing.
    pub(crate) fn amount_or_zero(&self, name: &str) -> Result<Amount, String> {
        if self.get(name).is_some() { self.amount(name) } else { Ok(Amount::ZERO) }
    }
}

/// What is available may be negative; `Amount` reads only what a caller may state.
fn signed(text: &str) -> Option<Amount> {
    match text.strip_prefix('-') {
        Some(magnitude) => Amount::ZERO.minus(magnitude.parse().ok()?).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Reply {
        Reply::Text(text.to_owned())
    }

    #[test]
    fn reads_receipts() {
        let fields = Fields::of(Reply::Array(vec![
            text("status"),
            text("captured"),
            text("available"),
            text("-0.5"),
            text("late"),
            Reply::Integer(1),
            text("plan"),
            Reply::Null,
        ]))
        .unwrap();
        assert_eq!(fields.status(), "captured");
        assert_eq!(fields.amount("available"), Ok(Amount::from_pico(-500_000_000_000)));
        assert!(fields.is_set("late"));
        assert!(!fields.is_set("replayed"));
        assert_eq!(fields.amount_or_zero("debt"), Ok(Amount::ZERO));
        assert!(fields.amount("debt").is_err());
    }

    #[test]
    fn an_error_is_passed_on_in_its_own_words() {
        let error = Fields::of(Reply::Error("NOWALLET open it first".to_owned()));
        assert_eq!(error, Err("NOWALLET open it first".to_owned()));
    }
}
