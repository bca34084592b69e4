//! One file per subcommand.

mod backfill;
mod backup;
mod check;
mod demo;
mod discover;
mod doctor;
mod fleet;
mod redirect;
mod serve;
mod sim;
mod tls;
mod user;

use crate::args::{Command, ConfigCommand, SimCommand, TlsCommand, UserCommand};

/// Runs the subcommand until it is done, or until Ctrl-C.
///
/// # Errors
/// With what failed and what to do about it.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve { config, data, listen } => serve::run(&config, data, listen).await,
        Command::Demo { listen, data, seed } => demo::run(listen, data, seed).await,
        Command::Sim {
            command: Some(SimCommand::Fleet(fleet)),
            ..
        } => fleet::run(fleet).await,
        Command::Sim { config, state, .. } => sim::run(&config.unwrap_or_default(), state).await,
        Command::User { command } => match command {
            UserCommand::List { place } => user::list(place).await,
            UserCommand::ResetPassword { name, place } => user::reset_password(&name, place).await,
        },
        Command::Backup {
            config,
            data,
            to,
            with_key,
        } => backup::run(config.as_deref(), data, to, with_key).await,
        Command::Restore { file, data } => backup::restore(file, data).await,
        Command::Doctor { config, data } => doctor::run(config.as_deref(), data).await,
        Command::Discover {
            config: Some(config),
            gateway: Some(gateway),
            ..
        } => discover::behind(&config, &gateway).await,
        Command::Discover { seconds, .. } => discover::run(seconds).await,
        Command::Redirect { logger, to } => redirect::run(logger, to).await,
        Command::Tls {
            command: TlsCommand::Init { config, data },
        } => tls::init(config.as_deref(), data),
        Command::Config {
            command: ConfigCommand::Check { file },
        } => check::run(&file),
    }
}

/// Prints for the person who started the program.
// Standard output is what subcommands are for.
#[allow(clippy::print_stdout)]
fn print(text: &str) {
    println!("{text}");
}
