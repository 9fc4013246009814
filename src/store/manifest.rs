//! `manifest.json` of a run folder: which program wrote it, what it read and what each file holds (SHA-256), what it cost.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::digest::file_digest;
use super::error::{Error, Result};
use super::{atomic, write_atomic};

/// The file's name.
pub const MANIFEST: &str = "manifest.json";

/// What an unfinished run is of: its [`Record`](super::Record).
pub(super) const RECORD: &str = "record.json";

/// Files of the folder itself, which the manifest leaves out.
const OWN: [&str; 4] = [MANIFEST, "DONE", "RUNNING", RECORD];

/// Writes the manifest of a folder; `inputs` are the digests of what was read, by path, and `device` is what networks were
/// trained on.
pub(super) fn write(
    folder: &Path,
    inputs: &BTreeMap<String, String>,
    device: &str,
    timings: &[(String, f64)],
) -> Result<()> {
    let mut files = Map::new();
    for name in names(folder)? {
        let (sha256, bytes) = file_digest(&folder.join(&name))?;
        files.insert(name, json!({ "sha256": sha256, "bytes": bytes }));
    }
    let timings: Map<String, Value> = timings.iter().map(|(name, seconds)| (name.clone(), json!(seconds))).collect();
    let hdf5 = hdf5::library_version();
    let manifest = json!({
        "schema": "scorecast/manifest/v1",
        "versions": {
            "scorecast": env!("CARGO_PKG_VERSION"),
            "hdf5": format!("{}.{}.{}", hdf5.0, hdf5.1, hdf5.2),
        },
        "device": device,
        "inputs": inputs,
        "files": files,
        "seconds": timings,
    });
    write_atomic(&folder.join(MANIFEST), &json_bytes(&manifest))
}

/// The digests of what a run read, by path, where its manifest is written.
pub(super) fn inputs(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join(MANIFEST)).unwrap_or_default();
    let manifest: Value = serde_json::from_str(&text).unwrap_or_default();
    serde_json::from_value(manifest["inputs"].clone()).unwrap_or_default()
}

/// Compares a finished run's files with its manifest: the names of those that are missing or changed.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`] when the manifest or a file cannot be read.
pub fn verify(folder: &Path) -> Result<Vec<String>> {
    let files = files_in(folder)?;
    let mut changed = Vec::new();
    for (name, about) in &files {
        let file = folder.join(name);
        let same = file.is_file() && Some(file_digest(&file)?.0.as_str()) == about["sha256"].as_str();
        if !same {
            changed.push(name.clone());
        }
    }
    Ok(changed)
}

/// The files that the manifest of a folder lists.
fn files_in(folder: &Path) -> Result<Map<String, Value>> {
    let path = folder.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, "read it", &e))?;
    let damaged = || Error::data(&path, "is not a manifest of scorecast", "run the experiment again");
    let mut manifest: Value = serde_json::from_str(&text).map_err(|_| damaged())?;
    match manifest["files"].take() {
        Value::Object(files) => Ok(files),
        _ => Err(damaged()),
    }
}

/// A file as it was when it was asked about, and the answer: one command opens a file several times, and a digest reads all
/// of it.
static LAST: Mutex<Option<(PathBuf, u64, SystemTime, bool)>> = Mutex::new(None);

/// Whether a file is one of a finished run and as that wrote it: the manifest in its folder, or in the folder above, has its
/// digest.
pub(super) fn vouches_for(path: &Path) -> bool {
    let about = fs::metadata(path).and_then(|about| Ok((about.len(), about.modified()?)));
    let (Ok((length, changed)), Ok(mut last)) = (about, LAST.lock()) else { return is_vouched_for(path) };
    if let Some((known, size, time, answer)) = &*last
        && (known.as_path(), *size, *time) == (path, length, changed)
    {
        return *answer;
    }
    let answer = is_vouched_for(path);
    *last = Some((path.to_path_buf(), length, changed, answer));
    answer
}

fn is_vouched_for(path: &Path) -> bool {
    path.ancestors().skip(1).take(2).any(|folder| {
        let name = path.strip_prefix(folder).ok().and_then(Path::to_str).unwrap_or_default();
        let files = files_in(folder).unwrap_or_default();
        let listed = files.get(name).and_then(|about| about["sha256"].as_str());
        listed.is_some_and(|listed| file_digest(path).is_ok_and(|(own, _)| own == listed))
    })
}

/// JSON for a file: indented, with a last newline. Equal values are equal bytes.
pub fn json_bytes(value: &Value) -> Vec<u8> {
    let mut text = format!("{value:#}");
    text.push('\n');
    text.into_bytes()
}

/// The files of a folder and the folders in it, sorted, with forward slashes; temporary ones left out.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    collect(folder, "", &mut names)?;
    names.retain(|name| !OWN.contains(&name.as_str()));
    names.sort();
    Ok(names)
}

fn collect(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<()> {
    let failed = |e: std::io::Error| Error::io(folder, "list it", &e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if atomic::is_temporary(&name) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), names)?;
        } else {
            names.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard_and_changes_are_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("models")).unwrap();
        fs::write(folder.path().join("models/a"), b"abc").unwrap();
        fs::write(folder.path().join("b"), b"").unwrap();
        fs::write(folder.path().join(".c.1-2.partial"), b"half").unwrap();
        write(folder.path(), &BTreeMap::from([("in.nc".into(), "ab".into())]), "cuda:1", &[("train".into(), 1.5)])
            .unwrap();
        let text = fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
        // FIPS 180-2, appendix B.1: the digest of "abc".
        assert!(text.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), "{text}");
        assert_eq!(inputs(folder.path()), BTreeMap::from([("in.nc".into(), "ab".into())]));
        assert!(
            text.contains("\"device\": \"cuda:1\"")
                && !text.contains("partial")
                && text.contains("\"models/a\"")
                && text.contains("\"train\": 1.5")
        );
        assert_eq!(verify(folder.path()).unwrap(), Vec::<String>::new());
        fs::write(folder.path().join("models/a"), b"abd").unwrap();
        fs::remove_file(folder.path().join("b")).unwrap();
        assert_eq!(verify(folder.path()).unwrap(), ["b", "models/a"]);
    }
}
