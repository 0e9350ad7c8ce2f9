//! Writes the seed corpus: the queries of the crate's tests, and random ones by the grammar.
//! `seeds FOLDER [NUMBER]`

#[path = "../../../kql/tests/common/grammar.rs"]
mod grammar;

use std::path::{Path, PathBuf};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "corpus".to_string()));
    let number: usize = arguments.next().and_then(|number| number.parse().ok()).unwrap_or(400);
    std::fs::create_dir_all(&folder)?;
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kql/tests");
    let mut runner = TestRunner::deterministic();
    let strategy = grammar::query();
    let random = (0..number).filter_map(|_| strategy.new_tree(&mut runner).ok()).map(|tree| tree.current());
    for (at, query) in grammar::literals_of(&tests).into_iter().chain(random).enumerate() {
        std::fs::write(folder.join(format!("seed-{at:05}")), query)?;
    }
    Ok(())
}
