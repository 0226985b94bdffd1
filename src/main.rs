//! The `hyades` command: verbs over the library, progress drawn from its events.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
