use std::process::ExitCode;

fn main() -> ExitCode {
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
