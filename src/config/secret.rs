//! The secrets of users, as keyed hashes: who reads the file learns no password.
//!
//! Secrets are random and long, so a fast hash is enough: nobody tries out 2^160 of them. The key is
//! random for each secret, so equal secrets do not look equal.

use std::fmt::{self, Write as _};

/// What stands in front of a hash.
const SCHEME: &str = "blake3:";
/// What secrets that purser makes begin with, so that scanners of leaks can find them.
pub const MARK: &str = "purser_";
/// How many random bytes a secret that purser makes has.
const PASSWORD_BYTES: usize = 20;

/// The keyed hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    key: [u8; blake3::KEY_LEN],
    hash: blake3::Hash,
}

impl Secret {
    /// The hash of a password under a new random key.
    pub fn of(password: &str) -> Result<Self, getrandom::Error> {
        let mut key = [0; blake3::KEY_LEN];
        getrandom::fill(&mut key)?;
        Ok(Self { key, hash: blake3::keyed_hash(&key, password.as_bytes()) })
    }

    /// Reads what [`Self::expose`] wrote.
    pub fn read(text: &str) -> Option<Self> {
        let (key, hash) = text.strip_prefix(SCHEME)?.split_once(':')?;
        let bytes = |hex: &str| blake3::Hash::from_hex(hex).ok();
        Some(Self { key: bytes(key)?.into(), hash: bytes(hash)? })
    }

    /// Whether the password is this one's. It takes as long for a wrong one.
    pub fn matches(&self, password: &[u8]) -> bool {
        // Hashes compare in constant time.
        blake3::keyed_hash(&self.key, password) == self.hash
    }

    /// What stands in the configuration.
    pub fn expose(&self) -> String {
        format!("{SCHEME}{}:{}", blake3::Hash::from(self.key).to_hex(), self.hash.to_hex())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// Makes a random password.
pub fn new_password() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    getrandom::fill(&mut bytes)?;
    let mut password = MARK.to_owned();
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(password, "{byte:02x}");
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_knows_its_password_and_shows_neither() {
        let password = new_password().unwrap();
        assert!(password.len() > 40);
        let secret = Secret::of(&password).unwrap();
        assert!(secret.matches(password.as_bytes()));
        assert!(!secret.matches(b"") && !secret.matches(password.to_uppercase().as_bytes()));
        assert_eq!(Secret::read(&secret.expose()).unwrap(), secret);
        assert_eq!(format!("{secret:?}"), "(redacted)");
        assert_ne!(Secret::of(&password).unwrap().expose(), secret.expose());
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let whole = Secret::of("x").unwrap().expose();
        for bad in ["", "x", "blake3:", "blake3:00:00", &whole[1..], &whole[..whole.len() - 1]] {
            assert!(Secret::read(bad).is_none(), "{bad}");
        }
    }
}
