//! The `hyades` command: verbs over the library, progress drawn from its events.

mod cli;

fn main() -> std::process::ExitCode {
    give_mesa_a_runtime_folder();
    cli::main()
}

/// Mesa's Vulkan drivers print an error in every process without XDG_RUNTIME_DIR, though they put nothing there. Batch
/// jobs have none, and the message would look like ours.
#[allow(unsafe_code, reason = "the environment is changed before any thread starts")]
fn give_mesa_a_runtime_folder() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the first statement of the program: there is no other thread that could read the environment.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
}
