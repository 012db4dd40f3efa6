//! What the TLS of both listeners is (H2, H11): versions, suites, and peers that shake hands badly.
//! Independent scanners say the same where they are installed.

mod handshakes;
mod scanners;
