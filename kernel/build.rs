//! Embeds the sources of the cells' prelude, so that the installed binary can build it on any machine.
//!
//! The cells' manifests are derived from the repo's own: one place says which crates a cell sees.

use std::fmt::Write;
use std::path::{Path, PathBuf};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let mut files = String::from("pub(crate) const SOURCES: &[(&str, &str)] = &[\n");
    let crates = [
        ("huntbook-wire", "wire", "rlib"),
        ("huntbook", "prelude", "dylib"),
        ("huntbook-polars", "prelude/polars", "rlib"),
        ("huntbook-tokio", "prelude/tokio", "rlib"),
    ];
    for (package, folder, crate_type) in crates {
        let manifest = cell_manifest(&root, package, folder, crate_type)?;
        writeln!(files, "    ({:?}, {manifest:?}),", format!("{folder}/Cargo.toml"))?;
        let mut sources = Vec::new();
        rust_files(&root.join(folder).join("src"), &mut sources)?;
        sources.sort();
        for source in sources {
            let name = source.strip_prefix(&root)?.to_string_lossy().into_owned();
            writeln!(files, "    ({name:?}, include_str!({:?})),", source.to_string_lossy())?;
        }
        println!("cargo:rerun-if-changed={}", root.join(folder).display());
    }
    files.push_str("];\n");
    let lock = root.join("Cargo.lock");
    writeln!(files, "pub(crate) const LOCK: &str = include_str!({:?});", lock.to_string_lossy())?;
    println!("cargo:rerun-if-changed={}", lock.display());
    println!("cargo:rerun-if-changed={}", root.join("Cargo.toml").display());
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("sources.rs"), files)?;
    Ok(())
}

/// The crate's manifest with the workspace's versions written out, as a package of its own.
fn cell_manifest(root: &Path, package: &str, folder: &str, crate_type: &str) -> Result<String, Error> {
    let workspace: toml::Table = std::fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    let versions = table(&workspace, &["workspace", "dependencies"])?;
    let version = table(&workspace, &["workspace", "package"])?["version"].as_str().unwrap_or_default().to_owned();
    let manifest: toml::Table = std::fs::read_to_string(root.join(folder).join("Cargo.toml"))?.parse()?;
    let mut dependencies = toml::Table::new();
    for name in table(&manifest, &["dependencies"])?.keys() {
        let mut requirement = versions.get(name).ok_or_else(|| format!("{name} is no workspace dependency"))?.clone();
        if let Some(path) = requirement.as_table_mut().and_then(|table| table.get_mut("path")) {
            // Paths in the workspace's manifest are relative to its root, those of a crate to its own folder.
            let up = "../".repeat(folder.split('/').count());
            *path = toml::Value::String(format!("{up}{}", path.as_str().unwrap_or_default()));
        }
        dependencies.insert(name.clone(), requirement);
    }
    let dependencies = toml::to_string(&toml::Table::from_iter([("dependencies".to_owned(), dependencies.into())]))?;
    Ok(format!(
        "[package]\nname = \"{package}\"\nversion = \"{version}\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"{crate_type}\"]\n\n\
         [workspace]\n\n{dependencies}"
    ))
}

fn table<'a>(root: &'a toml::Table, path: &[&str]) -> Result<&'a toml::Table, Error> {
    path.iter().try_fold(root, |table, key| {
        table
            .get(*key)
            .and_then(toml::Value::as_table)
            .ok_or_else(|| format!("no [{}] in a manifest", path.join(".")).into())
    })
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
