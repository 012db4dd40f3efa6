# Recipes for people. CI runs `.ci/run`, and so does `just ci`.

# What there is.
default:
    @just --list --unsorted

# The decision table, played over real HTTPS; `just demo --keep` stays up.
demo *ARGUMENTS:
    cargo demo {{ ARGUMENTS }}

# A policy is flipped under load while members of etcd are killed; needs etcd (Debian: etcd-server).
fleet-demo *ARGUMENTS:
    cargo fleet-demo {{ ARGUMENTS }}

# All tests; those that need Python packages or Chromium are skipped where they are not installed.
test:
    cargo test --workspace

# The quick checks: formatting and lints.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Micro-benchmarks. End to end, beside nginx and HAProxy: bench/README.md.
bench:
    cargo bench --bench '*'

# Every fuzz target for so many seconds (fuzz/README.md); needs cargo-fuzz.
fuzz SECONDS="600" *TARGETS:
    fuzz/run {{ SECONDS }} {{ TARGETS }}

# Changes what decides, one thing at a time, and expects a unit test to fail (fuzz/README.md); needs cargo-mutants.
mutants *ARGUMENTS:
    fuzz/mutants {{ ARGUMENTS }}

# Every promise at its full size and every adversarial case by its id, with a table of what was measured.
prove *ARGUMENTS:
    cargo prove {{ ARGUMENTS }}

# What the gateway is made of, as CycloneDX; needs cargo-cyclonedx.
sbom FILE="target/tidegate.cdx.json":
    deploy/sbom {{ FILE }}

# Known vulnerabilities of dependencies; needs github.com and cargo-deny.
advisories:
    cargo deny check advisories

# Exactly what CI runs.
ci:
    .ci/run
