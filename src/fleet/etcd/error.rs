//! Why a conversation with etcd did not go on, told apart as far as somebody acts on it.

use thiserror::Error;
use tonic::{Code, Status};

/// What went wrong.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EtcdError {
    /// What was asked for lies before what the member still has.
    #[error("the revision was compacted")]
    Compacted,
    /// No connection, or it broke off.
    #[error("no connection ({0})")]
    Connection(String),
    /// The user may not do this.
    #[error("etcd denies this user permission")]
    Denied,
    /// What was asked for is not there yet, on this member.
    #[error("the revision is in the future")]
    Future,
    /// The member knows no leader.
    #[error("the member has no leader")]
    NoLeader,
    /// An answer that etcd cannot mean: it is not taken for one.
    #[error("etcd contradicts itself: {0}")]
    Nonsense(&'static str),
    /// The file with the password cannot be read.
    #[error("password_file cannot be read, or holds no password")]
    Password,
    /// Anything else that the member says.
    #[error("etcd says: {0}")]
    Refused(String),
    /// The user or its password is wrong.
    #[error("etcd does not know this user and password")]
    SignIn,
    /// The member does not know the session any more.
    #[error("the session with etcd is over")]
    SignedOut,
    /// No answer in time.
    #[error("no answer in time")]
    Silent,
    /// An answer above our bound.
    #[error("the answer is too large")]
    TooLarge,
}

impl From<Status> for EtcdError {
    fn from(status: Status) -> Self {
        let text = status.message();
        let says = |words: &str| text.contains(words);
        if says("has been compacted") {
            return Self::Compacted;
        }
        if says("future revision") {
            return Self::Future;
        }
        if says("no leader") {
            return Self::NoLeader;
        }
        if says("invalid user ID or password") {
            return Self::SignIn;
        }
        if says("invalid auth token")
            || says("revision of auth store is old")
            // It was asked without a token, while another request signed in.
            || says("user name is empty")
        {
            return Self::SignedOut;
        }
        if says("decoded message length") {
            return Self::TooLarge;
        }
        let is = |code: Code| status.code() == code;
        if is(Code::PermissionDenied) {
            Self::Denied
        } else if is(Code::Unauthenticated) {
            Self::SignedOut
        } else if std::error::Error::source(&status).is_some() {
            Self::Connection(bounded(text))
        } else {
            Self::Refused(bounded(text))
        }
    }
}

/// What a peer says, short enough for one line.
pub(super) fn bounded(text: &str) -> String {
    text.chars().take(200).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_etcd_says_is_understood() {
        for (code, text, error) in [
            (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision has been compacted",
                EtcdError::Compacted,
            ),
            (
                Code::OutOfRange,
                "etcdserver: mvcc: required revision is a future revision",
                EtcdError::Future,
            ),
            (
                Code::Unavailable,
                "etcdserver: no leader",
                EtcdError::NoLeader,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: authentication failed, invalid user ID or password",
                EtcdError::SignIn,
            ),
            (
                Code::Unauthenticated,
                "etcdserver: invalid auth token",
                EtcdError::SignedOut,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: revision of auth store is old",
                EtcdError::SignedOut,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: user name is empty",
                EtcdError::SignedOut,
            ),
            (
                Code::PermissionDenied,
                "etcdserver: permission denied",
                EtcdError::Denied,
            ),
            (
                Code::OutOfRange,
                "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes",
                EtcdError::TooLarge,
            ),
            (
                Code::Unavailable,
                "etcdserver: leader changed",
                EtcdError::Refused("etcdserver: leader changed".into()),
            ),
        ] {
            assert_eq!(EtcdError::from(Status::new(code, text)), error, "{text}");
        }
        let long = EtcdError::from(Status::unknown("x\n".repeat(1000)));
        assert_eq!(long, EtcdError::Refused("x".repeat(100)));
    }
}
