//! What the generated part of a cell calls. Not for users.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::ThreadId;

use huntbook_wire::{Literal, Request, environment};

use crate::client;
use crate::{Frame, IntoLiteral};

/// Has the running cell's user code begun?
static BEGUN: AtomicBool = AtomicBool::new(false);
/// Has it panicked?
static PANICKED: AtomicBool = AtomicBool::new(false);
/// The stream that the cell printed to last.
static LAST: AtomicU8 = AtomicU8::new(NONE);
const NONE: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
static CELL_THREAD: std::sync::Mutex<Option<ThreadId>> = std::sync::Mutex::new(None);

thread_local! {
    static PANIC: RefCell<Option<Request>> = const { RefCell::new(None) };
    static PENDING_ERROR: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// First statement of every cell. Until here evcxr's own code has run, and what it printed is control; from here
/// on file descriptor 1 belongs to the user and carries only text.
pub fn begin() {
    static HOOK: Once = Once::new();
    HOOK.call_once(install_panic_hook);
    PANIC.with_borrow_mut(|panic| *panic = None);
    if let Ok(mut thread) = CELL_THREAD.lock() {
        *thread = Some(std::thread::current().id());
    }
    if let Some(descriptor) = descriptor(environment::STDOUT_FD) {
        // SAFETY: dup2 on descriptors that the kernel gave this process; no Rust object owns descriptor 1.
        unsafe { libc::dup2(descriptor, 1) };
    }
    LAST.store(NONE, Ordering::SeqCst);
    BEGUN.store(true, Ordering::SeqCst);
}

/// Called by the cell process after the cell's function returned: 1 when user code had begun, and 2 when it panicked.
#[unsafe(no_mangle)]
pub extern "C" fn huntbook_cell_end() -> i32 {
    flush_pending();
    flush_stdout();
    i32::from(BEGUN.swap(false, Ordering::SeqCst)) + 2 * i32::from(PANICKED.swap(false, Ordering::SeqCst))
}

/// Called by the cell process after a copy of it, which shared the connection to the engine, has ended in a cell.
#[unsafe(no_mangle)]
pub extern "C" fn huntbook_cell_abandoned() {
    client::disconnect();
}

fn descriptor(variable: &str) -> Option<i32> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A panic of the cell's own thread becomes the cell's error; of another thread, a line on stderr.
fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let message = info
            .payload()
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| info.payload().downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a value that is not text".to_owned());
        let current = std::thread::current();
        let on_cell_thread = CELL_THREAD.lock().is_ok_and(|thread| *thread == Some(current.id()));
        let location = info.location();
        if on_cell_thread {
            let own = location
                .filter(|location| location.file().ends_with("src/lib.rs") && !location.file().contains("/registry/"));
            let request = Request::Panicked {
                message,
                line: own.map(|location| location.line()),
                column: own.map(|location| location.column()),
            };
            PANIC.with_borrow_mut(|panic| *panic = Some(request));
        } else {
            let name = current.name().unwrap_or("<unnamed>");
            let place = location.map(|location| format!(" at {location}")).unwrap_or_default();
            ::std::eprintln!("thread '{name}' panicked{place}: {message}");
        }
    }));
}

/// evcxr's `catch_unwind` caught the cell's panic. Printing the marker without a panic prints the marker.
pub fn report_panic() {
    match PANIC.with_borrow_mut(Option::take) {
        Some(request) => {
            flush_pending();
            flush_stdout();
            let _ = client::call(&request);
            PANICKED.store(true, Ordering::SeqCst);
            control("EVCXR_PANIC_NOTIFICATION\n");
        }
        None => ::std::println!("EVCXR_PANIC_NOTIFICATION"),
    }
}

/// `?` returned early from the cell with the error that was held back a moment ago.
pub fn report_question_mark() {
    let message = PENDING_ERROR.with_borrow_mut(Option::take).unwrap_or_default();
    flush_stdout();
    let _ = client::call(&Request::QuestionMark { message });
    control("EVCXR_ERROR_OCCURRED\n");
}

/// Holds back what may be the error of a failed `?`; any other output, or the end of the cell, prints it.
pub fn eprint_or_question_mark(text: String) {
    flush_pending();
    PENDING_ERROR.with_borrow_mut(|pending| *pending = Some(text));
}

pub fn flush_pending() {
    if let Some(text) = PENDING_ERROR.with_borrow_mut(Option::take) {
        turn_to(STDERR);
        ::std::eprintln!("{text}");
    }
}

/// Before text goes to stdout.
pub fn to_stdout() {
    flush_pending();
    turn_to(STDOUT);
}

/// Before text goes to stderr.
pub fn to_stderr() {
    flush_pending();
    turn_to(STDERR);
}

/// The streams are two pipes, which keep no order between them: what is in the one is read before the other is written to.
fn turn_to(stream: u8) {
    let last = LAST.swap(stream, Ordering::SeqCst);
    if last != NONE && last != stream {
        flush_stdout();
        client::call_if_free(&Request::Printed);
    }
}

pub fn flush_stdout() {
    let _ = std::io::stdout().flush();
}

/// Writes a line that evcxr reads as control, on a descriptor that user code does not print to.
fn control(line: &str) {
    let Some(descriptor) = descriptor(environment::CONTROL_FD) else { return };
    // SAFETY: the descriptor was given by the cell process and stays open; the buffer is valid for its length.
    unsafe { libc::write(descriptor, line.as_ptr().cast(), line.len()) };
}

/// Gives a Rust variable's rows the variable's name, so that the next query can use it as a table.
pub fn publish(name: &str, frame: &Frame) -> crate::Result<()> {
    client::call(&Request::Bind { name: name.to_owned(), plan: frame.plan().clone() }).map(drop)
}

/// Gives a Rust scalar to the next query as `${name}`.
pub fn publish_scalar<T: IntoLiteral + Clone>(name: &str, value: &T) -> crate::Result<()> {
    let value: Literal = value.clone().into_literal();
    client::call(&Request::BindScalar { name: name.to_owned(), value }).map(drop)
}

/// Tells the engine what variables hold, for a table of them.
pub fn tell_values(values: &[String]) -> crate::Result<()> {
    let list = serde_json::to_string(values).map_err(|wrong| error("EngineError", wrong.to_string()))?;
    client::call(&Request::BindScalar { name: huntbook_wire::VALUES.to_owned(), value: Literal::String(list) })
        .map(drop)
}

/// The beginning of a value as `{:?}` shows it; a long one is not formatted to its end.
pub fn brief(value: &dyn std::fmt::Debug) -> String {
    let mut text = Brief(String::new());
    match std::fmt::Write::write_fmt(&mut text, format_args!("{value:?}")) {
        Ok(()) => text.0,
        Err(_) => text.0 + "…",
    }
}

/// How many items a collection holds.
pub fn items(count: usize) -> String {
    format!("{count} item{}", if count == 1 { "" } else { "s" })
}

/// Takes so many characters and no more.
struct Brief(String);

impl std::fmt::Write for Brief {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        const LONGEST: usize = 400;
        for character in text.chars() {
            if self.0.chars().count() == LONGEST {
                return Err(std::fmt::Error);
            }
            self.0.push(character);
        }
        Ok(())
    }
}

/// The frame's rows as an Arrow IPC file, which the caller removes; for the polars bridge.
pub fn export_ipc(frame: &Frame) -> crate::Result<std::path::PathBuf> {
    match client::call(&Request::ExportIpc { plan: frame.plan().clone() })? {
        huntbook_wire::Response::File(path) => Ok(path),
        other => Err(error("EngineError", format!("unexpected answer {other:?}"))),
    }
}

/// A frame of an Arrow IPC file; for the polars bridge.
pub fn import_ipc(path: &std::path::Path) -> crate::Result<Frame> {
    let response = client::call(&Request::ImportIpc { path: path.to_owned() })?;
    Ok(Frame::from_info(Frame::expect_info(response)?))
}

/// A path in the folder through which column data passes.
pub fn transfer_path() -> std::path::PathBuf {
    crate::transfer::transfer_path()
}

pub fn error(kind: &str, message: impl Into<String>) -> crate::Error {
    crate::Error::new(kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut() {
        assert_eq!(brief(&"a\"b"), "\"a\\\"b\"");
        let cut = brief(&"ä".repeat(1000));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (401, true));
        assert_eq!([items(1), items(2)], ["1 item", "2 items"]);
    }
}
