//! Policies administered over HTTPS, with the requests that Microsoft's tools send.

mod additions;
mod conditions;
mod documents;
mod domains;
mod flows;
mod hostile;
mod killed;
mod openapi;
mod sessions;
mod stage;
mod who;

pub(crate) use stage::{ADMIN, Office, READER, WRITER, is_fault, path};
