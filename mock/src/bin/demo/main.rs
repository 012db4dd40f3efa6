//! `cargo demo`: plays every documented row of tenant isolation over real HTTPS.
//!
//! It builds and starts the gateway in front of the mock providers and a mock service that creates
//! connections, writes the policies of each row, makes the exchange a client would make, and
//! compares what the client received, what the service saw and what the audit record says with the
//! documentation. It ends with status 1 if a row differs, and leaves nothing behind, however it ends.
//! `cargo fleet-demo` plays something else with the same parts: `fleet.rs`.

#![allow(clippy::print_stdout, reason = "the table is this command's output")]

mod cargo;
mod client;
mod connections;
mod fleet;
mod gateway;
mod lines;
mod play;
mod policies;
mod report;
mod rows;
mod stage;
mod try_it;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidegate_mock::tls;
use tokio::signal::unix::{SignalKind, signal};

use play::Performance;
use stage::Stage;

/// What goes wrong before a row can be judged.
type Failure = Box<dyn Error + Send + Sync>;

/// Plays every documented row of tenant isolation against the real gateway, over HTTPS.
#[derive(Parser)]
#[command(
    name = "cargo demo",
    bin_name = "cargo demo",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  cargo demo          plays the rows and prints the table
  cargo demo --keep   stays up afterwards and prints curl lines to try by hand
  cargo fleet-demo    the same as `cargo demo fleet`"
)]
struct Arguments {
    /// Stay up after the rows, with curl lines to try by hand.
    #[arg(long)]
    keep: bool,
    /// Use this gateway binary instead of building one.
    #[arg(long, value_name = "FILE", global = true)]
    gateway: Option<PathBuf>,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What else can be played.
#[derive(Subcommand)]
enum Other {
    /// Flips a policy of five gateways while members of etcd are killed; needs etcd.
    Fleet(fleet::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tls::install_crypto_provider();
    // The stage is inside the future: leaving it early drops it, which stops the gateway and
    // removes its files.
    let outcome = tokio::select! {
        outcome = run(&arguments) => outcome,
        () = interrupted() => {
            eprintln!("\nInterrupted.");
            return ExitCode::from(130);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("The demo could not be played: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Plays the rows; true if all of them are as documented.
async fn run(arguments: &Arguments) -> Result<bool, Failure> {
    if let Some(Other::Fleet(fleet)) = &arguments.other {
        fleet::prepared().await?;
        return fleet::play(fleet, &binary(arguments).await?).await;
    }
    let binary = binary(arguments).await?;
    let mut stage = Stage::set(&binary).await?;
    println!("Gateway            {}", stage.gateway.url());
    println!("Entra-like         {}", stage.entra.url());
    println!("Azure-DevOps-like  {}", stage.devops.url());
    println!("Connections        {}\n", stage.service.url());
    let mut performance = Performance::default();
    performance.play(&stage, &rows::documented()).await?;
    performance
        .connect(&stage, &connections::documented())
        .await?;
    if arguments.keep {
        let good = report::show(&performance, &stage);
        try_it::show(&stage).await?;
        std::future::pending::<()>().await;
        return Ok(good);
    }
    let ended = stage.gateway.stop().await;
    let good = report::show(&performance, &stage);
    ended?;
    Ok(good)
}

/// The gateway's binary that is to be started.
async fn binary(arguments: &Arguments) -> Result<PathBuf, Failure> {
    match &arguments.gateway {
        Some(binary) => Ok(binary.clone()),
        None => cargo::build_gateway().await,
    }
}

async fn interrupted() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
