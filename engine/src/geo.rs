//! The database behind `geo_info_from_ip_address`: a local file, because a query opens no connection.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use huntbook_kql::{GeoDatabase, GeoInfo, GeoNetworks};
use maxminddb::{Reader, geoip2};

/// Names the file.
const VARIABLE: &str = "HUNTBOOK_GEO";
/// Looked for in the workspace folder, in this order.
const FILES: [&str; 2] = ["geo.mmdb", "geo.csv"];

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
        None => {
            let mut files = FILES.iter().map(|file| workspace.join(file));
            files.find(|path| path.exists()).unwrap_or_else(|| workspace.join(FILES[0]))
        }
    };
    let written = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = loaded.as_ref().filter(|known| known.path == path && known.written == written) {
        return Ok(known.database.clone());
    }
    let bytes = std::fs::read(&path).map_err(|error| {
        format!(
            "`{}` cannot be read ({error}); put a GeoLite2 City database of MaxMind there, or `{}` with lines of \
             network,country,state,city,latitude,longitude, or name a file of either kind in {VARIABLE}",
            path.display(),
            FILES[1]
        )
    })?;
    let database = opened(&path, bytes).map_err(|problem| format!("`{}`: {problem}", path.display()))?;
    *loaded = Some(Loaded { path, written, database: database.clone() });
    Ok(database)
}

/// A file of the kind that its name tells.
fn opened(path: &Path, bytes: Vec<u8>) -> Result<Arc<dyn GeoDatabase>, String> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mmdb")) {
        let reader = Reader::from_source(bytes).map_err(|error| error.to_string())?;
        return Ok(Arc::new(Cities(reader)));
    }
    let text = String::from_utf8(bytes).map_err(|_| "the text is not UTF-8".to_string())?;
    Ok(Arc::new(GeoNetworks::from_csv(&text)?))
}

/// A GeoIP2 or GeoLite2 City database.
struct Cities(Reader<Vec<u8>>);

impl GeoDatabase for Cities {
    fn lookup(&self, address: IpAddr) -> Option<GeoInfo> {
        let place: geoip2::City<'_> = self.0.lookup(address).ok()?.decode().ok()??;
        let english = |names: &geoip2::Names<'_>| names.english.unwrap_or_default().to_owned();
        Some(GeoInfo {
            country: english(&place.country.names),
            state: place.subdivisions.first().map(|state| english(&state.names)).unwrap_or_default(),
            city: english(&place.city.names),
            latitude: place.location.latitude,
            longitude: place.location.longitude,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Control byte and size of a value in MaxMind's format.
    fn tagged(kind: u8, size: usize, bytes: &[u8]) -> Vec<u8> {
        let mut out = if kind < 8 { vec![kind << 5 | size as u8] } else { vec![size as u8, kind - 7] };
        out.extend_from_slice(bytes);
        out
    }

    fn text(text: &str) -> Vec<u8> {
        tagged(2, text.len(), text.as_bytes())
    }

    fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let pairs = entries.iter().flat_map(|(key, value)| [text(key), value.clone()].concat());
        tagged(7, entries.len(), &pairs.collect::<Vec<u8>>())
    }

    /// A database with one record, for the lower half of all IPv4 addresses.
    fn half_the_world() -> Vec<u8> {
        let number = |kind: u8, value: u8| tagged(kind, 1, &[value]);
        let names = |name: &str| map(&[("names", map(&[("en", text(name))]))]);
        let place = map(&[
            ("city", names("Springfield")),
            ("country", names("Utopia")),
            ("location", map(&[("latitude", tagged(3, 8, &12.5f64.to_be_bytes()))])),
        ]);
        // One node: its left leads to the record at offset 0 behind 16 bytes, its right to nothing.
        let mut bytes = vec![0, 0, 17, 0, 0, 1];
        bytes.extend([0; 16]);
        bytes.extend(place);
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        bytes.extend(map(&[
            ("node_count", number(6, 1)),
            ("record_size", number(5, 24)),
            ("ip_version", number(5, 4)),
            ("database_type", text("GeoLite2-City")),
            ("languages", tagged(11, 1, &text("en"))),
            ("binary_format_major_version", number(5, 2)),
            ("binary_format_minor_version", number(5, 0)),
            ("build_epoch", tagged(9, 1, &[1])),
            ("description", map(&[("en", text("test"))])),
        ]));
        bytes
    }

    #[test]
    fn cities_of_maxmind_are_read() {
        let database = opened(Path::new("x.mmdb"), half_the_world()).unwrap();
        let place = database.lookup("8.8.8.8".parse().unwrap()).unwrap();
        assert_eq!((place.country.as_str(), place.city.as_str(), place.state.as_str()), ("Utopia", "Springfield", ""));
        assert_eq!((place.latitude, place.longitude), (Some(12.5), None));
        assert_eq!(database.lookup("200.1.1.1".parse().unwrap()), None);
        assert!(opened(Path::new("x.mmdb"), b"nonsense".to_vec()).is_err());
    }

    #[test]
    fn a_file_in_the_workspace_is_read_and_read_again_when_it_changes() {
        let folder = std::env::temp_dir().join(format!("huntbook-geo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let Err(problem) = database(&folder) else { panic!("there is no file") };
        assert!(problem.contains("geo.mmdb") && problem.contains(VARIABLE), "{problem}");
        let country = || {
            let place = database(&folder).unwrap().lookup("203.0.113.9".parse().unwrap());
            place.map(|place| place.country)
        };
        let file = folder.join("geo.csv");
        std::fs::write(&file, "203.0.113.0/24,Utopia,,,,\n").unwrap();
        assert_eq!(country().as_deref(), Some("Utopia"));
        std::fs::write(&file, "198.51.100.0/24,Elsewhere,,,,\n").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
        assert_eq!(country(), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
