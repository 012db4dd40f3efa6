//! The permit: proof that the rule let a reply through.
//!
//! It has a file of its own so that its constructor is visible to the rule and to nothing else:
//! "relay without deciding" does not compile.

/// Releases one withheld reply. Only [`super::decide`] and [`super::evaluate`] make one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit releases a withheld reply"]
pub struct Permit(());

impl Permit {
    pub(super) const fn new() -> Self {
        Self(())
    }
}
