//! What rust-analyzer reads of the dependencies, to name the types of variables.
//!
//! evcxr gives rust-analyzer everything that `cargo metadata` lists: dependencies for other platforms, what only proc
//! macros are built of, and what crates use inside. None of that is in the type of a variable, and all of it would be
//! read, parsed and kept: half of the kernel's memory.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// The crate that cells get from huntbook.
const PRELUDE: &str = "huntbook";

/// What the prelude's dependencies use inside, and show nobody.
const INTERNAL: [&str; 16] = [
    "equivalent",
    "foldhash",
    "hashbrown",
    "indexmap",
    "itoa",
    "libc",
    "matrixmultiply",
    "memchr",
    "memmap2",
    "portable-atomic",
    "portable-atomic-util",
    "rawpointer",
    "ryu",
    "unicode-ident",
    "zmij",
    "uuid",
];

/// Takes out of `cargo metadata`'s answer what no type of a variable comes from: proc macros with all they are built of,
/// dependencies of builds and tests, and what the prelude's dependencies use inside. What the user depends on stays.
///
/// `None`: the answer is not as expected.
pub(super) fn pruned(mut metadata: Value) -> Option<Value> {
    let kept: HashSet<String> = Graph::read(&metadata)?.reachable().into_iter().map(str::to_owned).collect();
    let is_kept = |id: &Value| id.as_str().is_some_and(|id| kept.contains(id));
    metadata["packages"].as_array_mut()?.retain(|package| is_kept(&package["id"]));
    let nodes = metadata["resolve"]["nodes"].as_array_mut()?;
    nodes.retain(|node| is_kept(&node["id"]));
    for node in nodes {
        node["deps"].as_array_mut()?.retain(|dependency| is_kept(&dependency["pkg"]));
        node["dependencies"].as_array_mut()?.retain(is_kept);
    }
    Some(metadata)
}

struct Graph<'m> {
    root: &'m str,
    names: HashMap<&'m str, &'m str>,
    proc_macros: HashSet<&'m str>,
    dependencies: HashMap<&'m str, Vec<&'m str>>,
}

impl<'m> Graph<'m> {
    fn read(metadata: &'m Value) -> Option<Graph<'m>> {
        let (mut names, mut proc_macros, mut dependencies) = (HashMap::new(), HashSet::new(), HashMap::new());
        for package in metadata["packages"].as_array()? {
            let id = package["id"].as_str()?;
            names.insert(id, package["name"].as_str()?);
            let kinds = package["targets"].as_array()?.iter().filter_map(|target| target["kind"].as_array());
            if kinds.flatten().any(|kind| kind == "proc-macro") {
                proc_macros.insert(id);
            }
        }
        for node in metadata["resolve"]["nodes"].as_array()? {
            let used = node["deps"].as_array()?.iter().filter(|dependency| is_normal(dependency));
            let used = used.map(|dependency| dependency["pkg"].as_str()).collect::<Option<_>>()?;
            dependencies.insert(node["id"].as_str()?, used);
        }
        Some(Graph { root: metadata["resolve"]["root"].as_str()?, names, proc_macros, dependencies })
    }

    /// Complexity: each package is looked at twice at the most, as the prelude's and as the user's.
    fn reachable(&self) -> HashSet<&'m str> {
        let mut seen = HashSet::new();
        let mut waiting = vec![(self.root, false)];
        while let Some((package, for_prelude)) = waiting.pop() {
            if !seen.insert((package, for_prelude)) {
                continue;
            }
            for dependency in self.dependencies.get(package).into_iter().flatten() {
                let name = self.names.get(dependency).copied().unwrap_or_default();
                let is_hidden = self.proc_macros.contains(dependency) || (for_prelude && INTERNAL.contains(&name));
                if !is_hidden {
                    waiting.push((dependency, for_prelude || (package == self.root && name == PRELUDE)));
                }
            }
        }
        seen.into_iter().map(|(package, _)| package).collect()
    }
}

/// Not only for building or testing.
fn is_normal(dependency: &Value) -> bool {
    dependency["dep_kinds"].as_array().is_none_or(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, kind: &str) -> Value {
        json!({"id": name, "name": name, "targets": [{"kind": [kind]}]})
    }

    fn node(name: &str, uses: &[(&str, Value)]) -> Value {
        let dependency = |(name, kind): &(&str, Value)| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let names: Vec<_> = uses.iter().map(|(name, _)| name).collect();
        json!({"id": name, "deps": uses.iter().map(dependency).collect::<Vec<_>>(), "dependencies": names})
    }

    fn names(packages: &Value) -> Vec<&str> {
        packages.as_array().unwrap().iter().map(|package| package["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn what_no_type_comes_from_is_taken_out() {
        let normal = Value::Null;
        let answer = |user: &[(&str, Value)]| {
            json!({
                "packages": [
                    package("ctx", "cdylib"), package("huntbook", "lib"), package("derive", "proc-macro"),
                    package("syn", "lib"), package("libc", "lib"), package("cc", "lib"), package("chrono", "lib"),
                ],
                "resolve": {"root": "ctx", "nodes": [
                    node("ctx", &[&[("huntbook", normal.clone())], user].concat()),
                    node("huntbook", &[("derive", normal.clone()), ("libc", normal.clone()), ("cc", json!("build"))]),
                    node("derive", &[("syn", normal.clone())]),
                    node("syn", &[]), node("libc", &[]), node("cc", &[]),
                    node("chrono", &[("libc", normal.clone())]),
                ]},
            })
        };
        let alone = pruned(answer(&[])).unwrap();
        assert_eq!(names(&alone["packages"]), ["ctx", "huntbook"]);
        assert_eq!(names(&alone["resolve"]["nodes"]), ["ctx", "huntbook"]);
        assert_eq!(alone["resolve"]["nodes"][1]["deps"], json!([]));
        let with_chrono = pruned(answer(&[("chrono", normal.clone())])).unwrap();
        assert_eq!(names(&with_chrono["packages"]), ["ctx", "huntbook", "libc", "chrono"]);
        assert!(pruned(json!({"packages": []})).is_none());
    }
}
