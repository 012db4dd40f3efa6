//! One provider's state and its first decision: a script's answer, a control endpoint, or the
//! provider proper.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::mint::Mint;
use crate::options::{Flavour, Options};
use crate::reply::Reply;
use crate::request::{Request, RequestLog};
use crate::script::Scripts;
use crate::{control, devops, entra, service};

/// Everything a request can see and change.
pub(crate) struct Provider {
    options: Options,
    base: String,
    mint: Mint,
    log: RequestLog,
    scripts: Scripts,
    memory: Mutex<Memory>,
}

/// What the provider remembers between requests. Codes and refresh tokens carry their own contents.
#[derive(Default)]
pub(crate) struct Memory {
    /// Authorization codes that were redeemed.
    pub(crate) redeemed: HashSet<String>,
    /// Device codes, with the number of polls still to be answered with `authorization_pending`.
    pub(crate) devices: HashMap<String, u32>,
}

impl Provider {
    /// `base` is the URL the provider gives as its own, without a trailing slash.
    pub(crate) fn new(options: Options, base: String) -> io::Result<Self> {
        Ok(Self {
            mint: Mint::new(options.issuers.clone())?.lifetime(options.lifetime),
            log: RequestLog::new(options.log_limit),
            scripts: Scripts::default(),
            memory: Mutex::default(),
            base,
            options,
        })
    }

    /// Answers a request. Control requests leave no trace in the log.
    pub(crate) fn answer(&self, request: Request) -> Reply {
        if let Some(reply) = control::answer(self, &request) {
            return reply;
        }
        self.log.push(request.clone());
        if let Some(reply) = self.scripts.answer(&request) {
            return reply;
        }
        match self.options.flavour {
            Flavour::AzureDevOps => devops::answer(self, &request),
            Flavour::ConnectionService => service::answer(&request),
            Flavour::Entra => entra::answer(self, &request),
        }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn mint(&self) -> &Mint {
        &self.mint
    }

    pub(crate) fn log(&self) -> &RequestLog {
        &self.log
    }

    pub(crate) fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant a GUID or a registered domain means, in canonical form.
    pub(crate) fn tenant(&self, text: &str) -> Option<String> {
        let lower = text.to_ascii_lowercase();
        crate::tenants::guid(&lower).or_else(|| self.options.domains.get(&lower).cloned())
    }
}
