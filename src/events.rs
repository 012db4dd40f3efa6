//! A decision event: one exchange's end in the few values that reports, the store and warnings need.
//!
//! Invariant: it has no field that could hold a token, code, secret or assertion; texts in it that
//! come from outside are bounded.

mod error;
mod file;
mod gap;
mod gather;
mod keep;
mod missed;
mod opening;
mod queue;
mod reader;
mod schema;
mod store;
mod subjects;
mod writer;

use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use crate::core::tenant::TenantId;

pub use error::Error;
pub use queue::Events;
pub use reader::Reader;
pub(crate) use schema::NAMELESS;
pub use writer::Writer;

/// One exchange, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it ended.
    pub time: SystemTime,
    /// Its decision id, as in its audit record.
    pub id: Uuid,
    /// The route's name.
    pub route: Arc<str>,
    /// The connector's label.
    pub connector: Option<String>,
    /// The decision, in a record's word.
    pub decision: &'static str,
    /// The reason, in a record's word.
    pub reason: &'static str,
    /// The creator tenant; none is a legacy connection, or unknown when it ended.
    pub creator: Option<TenantId>,
    /// The sign-in tenant, where one is known.
    pub sign_in: Option<TenantId>,
    /// The application that the token was issued to.
    pub app_id: Option<Uuid>,
    /// The account that signed in: its object id, in the sign-in tenant.
    pub user_object_id: Option<Uuid>,
    /// Which sides block, or would.
    pub blocks: Blocks,
    /// Whether something was released: an answer, or a request to a service.
    pub released: bool,
}

/// Sides that block: of a block, or of what would be one if every side enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// The creator tenant's policy.
    pub outbound: bool,
    /// The sign-in tenant's policy.
    pub inbound: bool,
}

#[cfg(test)]
mod tests;
