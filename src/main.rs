//! The program: hands the command line to [`patrol::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    patrol::cli::main()
}
