//! The command line, in the user's language.

use std::{env, process};

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, Parser};

use crate::app::completion;
use crate::locale;

/// Parses the command line, and ends the program if it is wrong, asks for help, or if a shell asks
/// what could be typed. Must be the first thing that the program does.
pub fn parse<A: Parser>() -> A {
    locale::choose(env::args_os());
    completion::answer(command::<A>);
    let parsed = command::<A>()
        .try_get_matches()
        .and_then(|mut matches| A::from_arg_matches_mut(&mut matches));
    parsed.unwrap_or_else(|error| end::<A>(&error, locale::complaint(&error)))
}

/// Ends the program because its command line is wrong in this way.
pub fn fail<A: CommandFactory>(told: String) -> ! {
    let error = command::<A>().error(ErrorKind::TooManyValues, &told);
    end::<A>(&error, locale::complaint(&error).map(|_| told))
}

fn command<A: CommandFactory>() -> Command {
    locale::command(A::command())
}

/// Tells what is wrong: in these words, or else in those of clap.
fn end<A: CommandFactory>(error: &clap::Error, told: Option<String>) -> ! {
    let Some(told) = told else { error.exit() };
    let command = A::command();
    let name = command.get_name();
    eprintln!("{name}: {told}");
    process::exit(error.exit_code())
}
