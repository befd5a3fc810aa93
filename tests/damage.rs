//! Damage: whatever happens to the journal, a start comes to the same wallets or says what is
//! missing; it never comes to less without a word.

#[cfg(test)]
mod files;
#[cfg(test)]
mod small;
#[cfg(test)]
mod values;
