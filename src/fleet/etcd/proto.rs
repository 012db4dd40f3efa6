//! Messages and calls of etcd's gRPC API. Generated, so that nothing but a C compiler is needed to
//! build; `proto/README.md` says how, and from what.

#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    reason = "generated: nobody reads or edits it by hand"
)]
#[rustfmt::skip]
pub mod etcdserverpb;
#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    unreachable_pub,
    reason = "generated: nobody reads or edits it by hand"
)]
#[rustfmt::skip]
pub mod mvccpb;

use std::fmt;

use etcdserverpb::{AuthenticateRequest, AuthenticateResponse};

impl fmt::Debug for AuthenticateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthenticateRequest")
    }
}

impl fmt::Debug for AuthenticateResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthenticateResponse")
    }
}
