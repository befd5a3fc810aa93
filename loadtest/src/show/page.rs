//! The report as one page.

use crate::findings::Findings;

/// Not drawn yet.
pub(crate) fn html(_findings: &Findings) -> String {
    String::new()
}
