//! `serve`: the gateway itself.

use super::output::{tell, tell_problems};
use super::{ConfigArgs, Exit, find};
use crate::app::{self, StartError};
use crate::config;

pub(super) fn run(args: &ConfigArgs) -> Exit {
    let file = match find::config(args) {
        Ok(file) => file,
        Err(searched) => return tell(&searched, Exit::Wrong),
    };
    let config = match config::load(&file) {
        Ok(config) => config,
        Err(problems) => return tell_problems(&problems),
    };
    match app::run(&config) {
        Ok(()) => Exit::Done,
        Err(StartError::Policies(problems)) => tell_problems(&problems),
        Err(
            error @ (StartError::AdminTls(_)
            | StartError::Events(_)
            | StartError::Logs(_)
            | StartError::Provider { .. }
            | StartError::Service { .. }
            | StartError::Tls(_)
            | StartError::Traces(_)
            | StartError::Webhook { .. }),
        ) => tell(&format!("{}: {error}", file.display()), Exit::Wrong),
        Err(error @ (StartError::Audit(_) | StartError::Bind { .. } | StartError::System(_))) => {
            tell(&error.to_string(), Exit::Failed)
        }
    }
}
