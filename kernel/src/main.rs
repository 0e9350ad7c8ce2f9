use std::process::ExitCode;

/// Queries allocate from every thread at once; the system's allocator made them wait for each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(feature) = huntbook_kernel::processor::missing_features() {
        eprintln!(
            "huntbook: this program was built for processors with {feature} (x86-64-v3), which this one lacks. \
             Build it for any x86-64 with: RUSTFLAGS=-Ctarget-cpu=x86-64 cargo build --locked"
        );
        return ExitCode::FAILURE;
    }
    // evcxr starts this same program again as the process in which cells run.
    if huntbook_kernel::cell_process::is_requested() {
        huntbook_kernel::cell_process::run();
    }
    // evcxr calls this program by other names when it builds a cell.
    if let Some(code) = huntbook_kernel::cells::cargo::run_if_requested() {
        return code;
    }
    // The paths that evcxr reads from the environment must stand before the first thread starts.
    huntbook_kernel::cells::prepare_environment();
    huntbook_kernel::cli::main()
}
