//! What program serves.

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Registers the program's version, the commit it was built from where the build said so
/// (`TIDEGATE_COMMIT`), and its compiler.
pub(super) fn register(registry: &mut Registry) {
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        (
            "commit",
            option_env!("TIDEGATE_COMMIT").unwrap_or("unknown"),
        ),
        ("rustc", env!("TIDEGATE_RUSTC")),
    ];
    registry.register("build", "The program that serves", Info::new(labels));
}
