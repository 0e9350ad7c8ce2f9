//! `docs/kql.md` says what the engine says. `HUNTBOOK_WRITE_DOCS=1` writes it anew.

use std::{fs, path::Path};

#[test]
fn the_page_lists_what_the_engine_runs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kql.md");
    let page = huntbook_kql::reference();
    if std::env::var_os("HUNTBOOK_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(written == page, "docs/kql.md is old: HUNTBOOK_WRITE_DOCS=1 cargo test --test reference");
}
