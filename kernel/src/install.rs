//! The kernelspec: how Jupyter finds the kernel.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

const NAME: &str = "huntbook";
/// The same picture for every front end: as SVG, and as it looks in the two sizes that older ones ask for.
const LOGOS: [(&str, &[u8]); 3] = [
    ("logo-svg.svg", include_bytes!("logo.svg")),
    ("logo-64x64.png", include_bytes!("logo-64x64.png")),
    ("logo-32x32.png", include_bytes!("logo-32x32.png")),
];

/// Writes the kernelspec below `prefix` (`PREFIX/share/jupyter/kernels/huntbook`), or for the user.
pub(crate) fn install(prefix: Option<&Path>) -> anyhow::Result<PathBuf> {
    let jupyter = match prefix {
        Some(prefix) => prefix.join("share").join("jupyter"),
        None => user_data_folder()?,
    };
    let folder = std::path::absolute(jupyter.join("kernels").join(NAME))?;
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let spec = json!({
        "argv": [program()?, "kernel", "start", "--connection-file", "{connection_file}"],
        "display_name": "huntbook (Rust + KQL)",
        "language": "rust",
        "interrupt_mode": "message",
        "kernel_protocol_version": crate::jupyter::PROTOCOL_VERSION,
        "metadata": {"debugger": false},
    });
    write(&folder.join("kernel.json"), serde_json::to_string_pretty(&spec)?.as_bytes())?;
    for (name, picture) in LOGOS {
        write(&folder.join(name), picture)?;
    }
    Ok(folder)
}

fn write(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn program() -> anyhow::Result<String> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    program.into_os_string().into_string().map_err(|_| anyhow::anyhow!("this program's path is not text"))
}

/// Where Jupyter looks for a user's own kernels.
fn user_data_folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("JUPYTER_DATA_DIR") {
        return Ok(folder.into());
    }
    let home = dirs::home_dir().context("there is no home folder: use --prefix DIR")?;
    Ok(if cfg!(target_os = "macos") {
        home.join("Library/Jupyter")
    } else {
        dirs::data_dir().unwrap_or_else(|| home.join(".local/share")).join("jupyter")
    })
}
