//! libFuzzer target: any text parses or gives diagnostics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| huntbook_kql_fuzz::parser(&String::from_utf8_lossy(data)));
