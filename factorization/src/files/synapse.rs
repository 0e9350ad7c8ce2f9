//! Models saved by SynapseML's CyberML: a folder per table, Spark's part files in it.

use super::tables::{component, history_of, integers, read, texts, vectors};
use crate::model::{ModelParts, Named};
use crate::{AccessAnomalyModel, Error};
use polars::prelude::*;
use std::path::{Path, PathBuf};

/// Reads what `AccessAnomalyModel.save(path)` of SynapseML wrote: the tables `metadata_df`,
/// `user_feature_vector_mapping_df` and `res_feature_vector_mapping_df`, and where present
/// `user2component_mappings_df`, `res2component_mappings_df` and `history_access_df`, each a folder of Parquet files,
/// with or without a path suffix. What SynapseML does not save (fit parameters, training accesses) is not known
/// afterwards. The model's columns are those of the metadata.
///
/// # Errors
/// [`Error::File`] naming the table that is missing or damaged, or [`Error::InvalidModel`].
pub fn read_synapse(path: impl AsRef<Path>) -> Result<AccessAnomalyModel, Error> {
    let path = path.as_ref();
    let (place, metadata) = table(path, "metadata_df")?;
    let meta = |name: &str| -> Result<String, Error> {
        let texts = texts(&place, &metadata, name)?;
        texts.into_iter().next().ok_or_else(|| Error::file("read", &place, "it has no row"))
    };
    let (tenant, user, res) = (meta("tenant_col")?, meta("user_col")?, meta("res_col")?);
    let users = named_vectors(path, "user_feature_vector_mapping_df", &tenant, &user, &meta("user_vec_col")?)?;
    let resources = named_vectors(path, "res_feature_vector_mapping_df", &tenant, &res, &meta("res_vec_col")?)?;
    let has = |table: &str| path.join(table).is_dir();
    let components = match (has("user2component_mappings_df"), has("res2component_mappings_df")) {
        (false, false) => None,
        _ => Some((
            named_components(path, "user2component_mappings_df", &tenant, &user)?,
            named_components(path, "res2component_mappings_df", &tenant, &res)?,
        )),
    };
    let history = match has("history_access_df") {
        false => None,
        true => {
            let (place, frame) = table(path, "history_access_df")?;
            Some(history_of(&place, &frame, [&tenant, &user, &res])?)
        }
    };
    let model = AccessAnomalyModel::from_parts(ModelParts { users, resources, components, history })?;
    Ok(model.with_columns(&tenant, &user, &res, &meta("output_col")?))
}

fn named_vectors(
    path: &Path,
    name: &str,
    tenant: &str,
    key: &str,
    vector: &str,
) -> Result<Vec<Named<Vec<f64>>>, Error> {
    let (place, frame) = table(path, name)?;
    let (width, flat) = vectors(&place, &frame, vector)?;
    if width == 0 {
        return Err(Error::file("read", &place, "it has no vectors"));
    }
    let keys = texts(&place, &frame, tenant)?.into_iter().zip(texts(&place, &frame, key)?);
    Ok(keys.zip(flat.chunks_exact(width)).map(|((t, n), v)| (t, n, v.to_vec())).collect())
}

fn named_components(path: &Path, name: &str, tenant: &str, key: &str) -> Result<Vec<Named<u32>>, Error> {
    let (place, frame) = table(path, name)?;
    let keys = texts(&place, &frame, tenant)?.into_iter().zip(texts(&place, &frame, key)?);
    let named = keys.zip(integers(&place, &frame, "component")?).map(|((t, n), c)| {
        let c = component(&place, c)?.ok_or_else(|| Error::file("read", &place, "a component is null"))?;
        Ok((t, n, c))
    });
    named.collect()
}

/// All part files of a table. Spark names them `part-…parquet` and adds files that start with `_` or `.`.
fn table(path: &Path, name: &str) -> Result<(PathBuf, DataFrame), Error> {
    let folder = path.join(name);
    let mut parts = Vec::new();
    collect_parts(&folder, 0, &mut parts)?;
    parts.sort();
    let mut all: Option<DataFrame> = None;
    for part in &parts {
        let frame = read(part, None)?;
        match &mut all {
            None => all = Some(frame),
            Some(all) => {
                all.vstack_mut(&frame).map_err(|e| Error::file("read", part, e))?;
            }
        }
    }
    match all {
        Some(frame) => Ok((folder, frame)),
        None => {
            Err(Error::file("read", &folder, "there is no Parquet file in it; is this a model saved by SynapseML?"))
        }
    }
}

/// A path suffix makes folders below the table's.
fn collect_parts(folder: &Path, depth: usize, parts: &mut Vec<PathBuf>) -> Result<(), Error> {
    let listed = std::fs::read_dir(folder).map_err(|e| Error::file("read", folder, e))?;
    for entry in listed {
        let path = entry.map_err(|e| Error::file("read", folder, e))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with(['_', '.']) {
            continue;
        }
        if path.is_dir() && depth < 8 {
            collect_parts(&path, depth + 1, parts)?;
        } else if name.ends_with(".parquet") {
            parts.push(path);
        }
    }
    Ok(())
}
