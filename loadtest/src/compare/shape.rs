//! How a server is loaded: connections, commands in flight on each, wallets.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The most connections, and the most in flight on each.
const MOST: u16 = 10_000;

/// Connections x commands in flight on each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) connections: u16,
    pub(crate) depth: u16,
}

/// The shape of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnShape {
    pub(crate) peer: String,
    pub(crate) shape: Shape,
}

/// One comparison: who is loaded how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) wallets: u32,
    pub(crate) shapes: Shapes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shapes {
    Equal(Shape),
    Own(Vec<OwnShape>),
}

impl Case {
    /// How that server is loaded; none: it takes no part.
    pub(crate) fn shape_of(&self, peer: &str) -> Option<Shape> {
        match &self.shapes {
            Shapes::Equal(shape) => Some(*shape),
            Shapes::Own(shapes) => shapes.iter().find(|own| own.peer == peer).map(|own| own.shape),
        }
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no shape: connections x depth, such as 50x16");
        let (connections, depth) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
        let number = |text: &str| match text.parse() {
            Ok(number) if (1..=MOST).contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(wrong()),
        };
        Ok(Self { connections: number(connections)?, depth: number(depth)? })
    }
}

impl FromStr for OwnShape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (peer, shape) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` names no server: such as postgres=64x1"))?;
        if !["purser", "redis", "postgres"].contains(&peer) {
            return Err(format!("`{peer}` has no shape: it is of purser, redis or postgres"));
        }
        Ok(Self { peer: peer.to_owned(), shape: shape.parse()? })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.connections, self.depth)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shapes {
            Shapes::Equal(shape) => {
                write!(f, "{} connections, {} in flight on each", shape.connections, shape.depth)?;
            }
            Shapes::Own(shapes) => {
                let shapes = shapes.iter().map(|own| format!("{} {}", own.peer, own.shape));
                f.write_str(&shapes.collect::<Vec<_>>().join(", "))?;
            }
        }
        match self.wallets {
            1 => f.write_str("; one hot wallet"),
            wallets => write!(f, "; {wallets} wallets"),
        }
    }
}

impl Serialize for Case {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_and_nonsense_is_refused() {
        assert_eq!("50x16".parse(), Ok(Shape { connections: 50, depth: 16 }));
        for text in ["", "50", "0x1", "1x0", "50x16x2", "99999x1", "-1x1"] {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
        for text in ["50x16", "mysql=1x1", "purser=1"] {
            assert!(text.parse::<OwnShape>().is_err(), "{text}");
        }
    }

    #[test]
    fn whoever_has_no_shape_of_its_own_takes_no_part() {
        let own = "purser=50x64".parse().unwrap();
        let case = Case { wallets: 1, shapes: Shapes::Own(vec![own]) };
        assert_eq!(case.shape_of("purser"), Some(Shape { connections: 50, depth: 64 }));
        assert_eq!(case.shape_of("redis"), None);
        assert_eq!(case.to_string(), "purser 50x64; one hot wallet");
    }
}
