//! libFuzzer target: any text is checked, formatted and completed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| huntbook_kql_fuzz::binder(data));
