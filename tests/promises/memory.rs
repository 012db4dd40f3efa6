//! Promise 3: at most a hundred times what an attacker spends, and resident memory under a formula
//! of the configured limits (`SECURITY.md` states it), measured at those limits.

mod attacker;
mod bombs;
mod cost;
mod held;
mod process;
mod resets;
mod tokens;
mod unknown_keys;

use crate::frame::{Figure, Scale};

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let mut figures = held::prove(scale).await;
    figures.extend(cost::prove(scale).await);
    figures.extend(bombs::prove(scale).await);
    figures.extend(tokens::prove(scale).await);
    figures.extend(unknown_keys::prove(scale).await);
    figures.extend(resets::prove(scale).await);
    figures
}
