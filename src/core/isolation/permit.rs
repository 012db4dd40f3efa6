//! The permit: proof that the rule let a reply through.
//!
//! It has a file of its own so that its constructor is visible to the rule and to nothing else:
//! "relay without deciding" does not compile.

/// Releases one withheld reply. Only [`super::decide`] and [`super::evaluate`] make one.
///
/// Nobody else makes one, or has two of one:
///
/// ```compile_fail,E0423
/// let permit = tidegate::core::isolation::Permit(());
/// ```
/// ```compile_fail,E0599
/// fn twice(permit: tidegate::core::isolation::Permit) {
///     drop((permit.clone(), permit));
/// }
/// ```
///
/// and no reply is released without one:
///
/// ```compile_fail,E0061
/// use tidegate::config::Cookies;
/// use tidegate::withheld::{Reply, Withheld};
///
/// fn relay(withheld: Withheld) -> Reply {
///     withheld.release(Cookies::Strip)
/// }
/// ```
/// ```compile_fail,E0616
/// fn body(withheld: tidegate::withheld::Withheld) -> bytes::Bytes {
///     withheld.body
/// }
/// ```
///
/// nor read, which only what a provider publishes may be, and no reply to an exchange becomes that:
///
/// ```compile_fail,E0624
/// fn body(withheld: &tidegate::withheld::Withheld) -> Option<&[u8]> {
///     withheld.text().ok()
/// }
/// ```
/// ```compile_fail,E0423
/// use tidegate::withheld::{Published, Withheld};
///
/// fn publish(withheld: Withheld) -> Published {
///     Published(withheld)
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit releases a withheld reply"]
pub struct Permit(());

impl Permit {
    pub(super) const fn new() -> Self {
        Self(())
    }
}
