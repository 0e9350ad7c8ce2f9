//! The database behind `geo_info_from_ip_address`: a local file, because a query opens no connection.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use huntbook_kql::{GeoDatabase, GeoNetworks};

/// Names the file.
const VARIABLE: &str = "HUNTBOOK_GEO";
/// Looked for in the workspace folder.
const FILE: &str = "geo.csv";

/// A file that has been read, and when it was written.
struct Loaded {
    path: PathBuf,
    written: Option<SystemTime>,
    database: Arc<dyn GeoDatabase>,
}

/// The last file read: it is large, and every query would read it again.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// The database of the workspace.
///
/// # Errors
/// What to configure if there is none; where the file is wrong.
pub(crate) fn database(workspace: &Path) -> Result<Arc<dyn GeoDatabase>, String> {
    let path = match std::env::var_os(VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => workspace.join(FILE),
    };
    let written = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = loaded.as_ref().filter(|known| known.path == path && known.written == written) {
        return Ok(known.database.clone());
    }
    let text = std::fs::read_to_string(&path).map_err(|error| {
        format!(
            "`{}` cannot be read ({error}); put a CSV file with lines of \
             network,country,state,city,latitude,longitude there, or name one in {VARIABLE}",
            path.display()
        )
    })?;
    let networks = GeoNetworks::from_csv(&text).map_err(|problem| format!("`{}`, {problem}", path.display()))?;
    let database: Arc<dyn GeoDatabase> = Arc::new(networks);
    *loaded = Some(Loaded { path, written, database: database.clone() });
    Ok(database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_workspace_is_read_and_read_again_when_it_changes() {
        let folder = std::env::temp_dir().join(format!("huntbook-geo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let Err(problem) = database(&folder) else { panic!("there is no file") };
        assert!(problem.contains("geo.csv") && problem.contains(VARIABLE), "{problem}");
        let country = || {
            let place = database(&folder).unwrap().lookup("203.0.113.9".parse().unwrap());
            place.map(|place| place.country)
        };
        std::fs::write(folder.join(FILE), "203.0.113.0/24,Utopia,,,,\n").unwrap();
        assert_eq!(country().as_deref(), Some("Utopia"));
        std::fs::write(folder.join(FILE), "198.51.100.0/24,Elsewhere,,,,\n").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::File::options().write(true).open(folder.join(FILE)).unwrap().set_modified(later).unwrap();
        assert_eq!(country(), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
