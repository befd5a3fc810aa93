//! Patterns over names: a name, or what it begins with and `*`.

use std::fmt;

/// A name, or the beginning of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Takes a name or a beginning followed by `*`; a `*` elsewhere is refused.
    pub fn new(text: &str) -> Option<Self> {
        let stem = text.strip_suffix('*').unwrap_or(text);
        (!text.is_empty() && !stem.contains('*')).then(|| Self(text.to_owned()))
    }

    /// The beginning that it asks for; `None` for a whole name.
    pub fn prefix(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }

    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        self.prefix().map_or(name == self.0, |prefix| name.starts_with(prefix))
    }

    /// Whether it means all that another means.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.prefix(), other.prefix()) {
            (Some(prefix), _) => other.0.starts_with(prefix),
            (None, None) => self == other,
            (None, Some(_)) => false,
        }
    }

    /// Whether there can be a name that both mean.
    pub fn may_meet(&self, other: &Self) -> bool {
        match (self.prefix(), other.prefix()) {
            (Some(one), Some(two)) => one.starts_with(two) || two.starts_with(one),
            (Some(_), None) => self.matches(&other.0),
            (None, _) => other.matches(&self.0),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_only_at_the_end() {
        let pattern = Pattern::new("gpt-5*").unwrap();
        assert!(pattern.matches("gpt-5") && pattern.matches("gpt-5-mini"));
        assert!(!pattern.matches("gpt-4"));
        assert!(Pattern::new("*").unwrap().matches("anything"));
        let exact = Pattern::new("gpt-5").unwrap();
        assert!(exact.matches("gpt-5") && !exact.matches("gpt-5-mini"));
        let of = |text| Pattern::new(text).unwrap();
        for (one, two, covers, meets) in [
            ("gpt-*", "gpt-5*", true, true),
            ("gpt-5*", "gpt-*", false, true),
            ("gpt-*", "gpt-5", true, true),
            ("gpt-5", "gpt-5", true, true),
            ("gpt-5", "gpt-*", false, true),
            ("gpt-5", "gpt-5-mini", false, false),
            ("gpt-5*", "gpt-4*", false, false),
            ("*", "a", true, true),
            ("a*", "a*", true, true),
        ] {
            assert_eq!((of(one).covers(&of(two)), of(one).may_meet(&of(two))), (covers, meets));
            assert_eq!(of(two).may_meet(&of(one)), meets, "{one} {two}");
        }
        for bad in ["", "a*b", "**", "*a"] {
            assert_eq!(Pattern::new(bad), None, "{bad}");
        }
    }
}
