//! Policies administered over HTTPS, with the requests that Microsoft's tools send.

mod conditions;
mod documents;
mod domains;
mod flows;
mod hostile;
mod killed;
mod openapi;
mod stage;
mod who;

pub(crate) use stage::{ADMIN, Office, READER, WRITER, path};
