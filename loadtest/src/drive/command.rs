//! Commands, written straight into a connection's buffer.

use purser::domain::amount::Amount;

/// A command in the making: an array of as many bulk strings as it was begun with.
pub(crate) struct Command<'a> {
    out: &'a mut Vec<u8>,
    digits: itoa::Buffer,
    /// For words that are put together; kept for its memory.
    word: &'a mut Vec<u8>,
}

impl<'a> Command<'a> {
    /// Begins a command of so many words, with a scratch buffer for them.
    pub(crate) fn new(words: usize, out: &'a mut Vec<u8>, word: &'a mut Vec<u8>) -> Self {
        let mut command = Self { out, digits: itoa::Buffer::new(), word };
        command.head(b'*', words);
        command
    }

    fn head(&mut self, kind: u8, length: usize) {
        self.out.push(kind);
        self.out.extend_from_slice(self.digits.format(length).as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    pub(crate) fn word(mut self, word: &[u8]) -> Self {
        self.head(b'$', word.len());
        self.out.extend_from_slice(word);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// A name that is made of a prefix, a letter and a number.
    pub(crate) fn name(mut self, prefix: &str, letter: &str, number: u64) -> Self {
        let digits = self.digits.format(number).len();
        self.head(b'$', prefix.len() + letter.len() + digits);
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(letter.as_bytes());
        self.out.extend_from_slice(self.digits.format(number).as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn number(mut self, number: u64) -> Self {
        let digits = self.digits.format(number).len();
        self.head(b'$', digits);
        self.out.extend_from_slice(self.digits.format(number).as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn amount(mut self, amount: Amount) -> Self {
        self.word.clear();
        let word = &mut *self.word;
        amount.with_text(|parts| parts.into_iter().for_each(|part| word.extend_from_slice(part)));
        self.head(b'$', self.word.len());
        self.out.extend_from_slice(self.word);
        self.out.extend_from_slice(b"\r\n");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let (mut out, mut word) = (Vec::new(), Vec::new());
        let command = Command::new(4, &mut out, &mut word).word(b"TOPUP").name("p", "-w", 12);
        command.amount(Amount::from_pico(2_500_000_000_000)).number(7);
        assert_eq!(out, b"*4\r\n$5\r\nTOPUP\r\n$5\r\np-w12\r\n$3\r\n2.5\r\n$1\r\n7\r\n");
    }
}
