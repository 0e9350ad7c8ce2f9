//! `print!` and friends as cells see them.
//!
//! evcxr's generated code reports a panic and a failed `?` by printing a marker line among the user's own output,
//! where any printed text could forge it. In a cell these macros stand in front of std's: the two markers are
//! recognised as *source tokens* and reported over the private socket; all other text is only ever text.

/// [`std::println!`], with evcxr's markers taken out of the text.
#[macro_export]
macro_rules! println {
    ("EVCXR_PANIC_NOTIFICATION") => { $crate::rt::report_panic() };
    ("{}", evcxr_internal_runtime::USER_ERROR_OCCURRED) => { $crate::rt::report_question_mark() };
    ($($arguments:tt)*) => {{ $crate::rt::to_stdout(); ::std::println!($($arguments)*) }};
}

/// [`std::print!`], shown at once: progress that ends without a newline is progress too.
#[macro_export]
macro_rules! print {
    ($($arguments:tt)*) => {{ $crate::rt::to_stdout(); ::std::print!($($arguments)*); $crate::rt::flush_stdout() }};
}

/// [`std::eprintln!`]; the error of a failed `?` goes into the cell's error instead of stderr.
#[macro_export]
macro_rules! eprintln {
    ("{}", $error:ident) => { $crate::rt::eprint_or_question_mark(::std::format!("{}", $error)) };
    ($($arguments:tt)*) => {{ $crate::rt::to_stderr(); ::std::eprintln!($($arguments)*) }};
}
