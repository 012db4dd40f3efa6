//! Answers that a test puts in place of the mock's own.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::reply::Reply;
use crate::request::Request;

/// Looks at a request and answers it, or leaves it to the mock with `None`.
pub type Hook = Arc<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;

/// The answers in place, looked up in this order: once, next, hook, always.
#[derive(Default)]
pub(crate) struct Scripts(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    always: HashMap<String, Reply>,
    once: HashMap<String, VecDeque<Reply>>,
    next: VecDeque<Reply>,
    hook: Option<Hook>,
}

impl Scripts {
    pub(crate) fn always(&self, path: String, reply: Reply) {
        self.lock().always.insert(path, reply);
    }

    pub(crate) fn once(&self, path: String, reply: Reply) {
        self.lock().once.entry(path).or_default().push_back(reply);
    }

    pub(crate) fn next(&self, reply: Reply) {
        self.lock().next.push_back(reply);
    }

    pub(crate) fn hook(&self, hook: Hook) {
        self.lock().hook = Some(hook);
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Inner::default();
    }

    pub(crate) fn answer(&self, request: &Request) -> Option<Reply> {
        let hook = {
            let mut inner = self.lock();
            if let Some(reply) = inner
                .once
                .get_mut(&request.path)
                .and_then(VecDeque::pop_front)
            {
                return Some(reply);
            }
            if !request.is_keys() && !request.is_discovery() {
                let next = inner.next.pop_front();
                if next.is_some() {
                    return next;
                }
            }
            inner.hook.clone()
        };
        // The lock is free here, so a hook may set scripts itself.
        if let Some(reply) = hook.and_then(|hook| hook(request)) {
            return Some(reply);
        }
        self.lock().always.get(&request.path).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
