//! Names of files with `*` and `?`.

use std::{
    io,
    path::{Path, PathBuf},
};

/// What a path names: itself if it exists, else what its last part matches as a pattern, sorted.
///
/// Errors: there is none.
pub(super) fn matching(path: &Path) -> io::Result<Vec<PathBuf>> {
    // A file may have a star in its name.
    let missing = match std::fs::metadata(path) {
        Ok(_) => return Ok(vec![path.to_path_buf()]),
        Err(missing) => missing,
    };
    let pattern = path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains(['*', '?']));
    let Some(pattern) = pattern else { return Err(missing) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wanted: Vec<char> = pattern.chars().collect();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| fits(&name.chars().collect::<Vec<_>>(), &wanted)) {
            found.push(entry.path());
        }
    }
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("no file there matches `{pattern}`")));
    }
    found.sort();
    Ok(found)
}

/// `*` stands for any characters, `?` for one.
fn fits(name: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((&'*', rest)) => (0..=name.len()).any(|skipped| fits(&name[skipped..], rest)),
        Some((wanted, rest)) => match name.split_first() {
            Some((first, left)) => (*wanted == '?' || wanted == first) && fits(left, rest),
            None => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        let fits =
            |name: &str, pattern: &str| fits(&name.chars().collect::<Vec<_>>(), &pattern.chars().collect::<Vec<_>>());
        for name in ["a.csv", "long name.csv", ".csv"] {
            assert!(fits(name, "*.csv"), "{name}");
        }
        assert!(fits("2024-03.csv", "2024-??.*") && fits("é.csv", "?.csv"));
        assert!(!fits("a.csv.gz", "*.csv") && !fits("2024-3.csv", "2024-??.csv") && !fits("a.CSV", "*.csv"));
    }
}
