//! Models and checkpoints in safetensors files: a JSON header, then the arrays' bytes. Never a program (no pickle).
//!
//! The header's `__metadata__` holds one entry, `scorecast`: a JSON object with `format`, `kind` and `config`, from
//! which everything but the arrays is rebuilt, `made_from`, and last `sha256`. One entry, because the library writes
//! several in hash order. Values and configuration come back bit for bit.
//!
//! `sha256` is the digest of the text of that object without it, and of name, type, shape and bytes of each array in the
//! order of the names, each part after its length. So whatever bit of a file is flipped, the file is refused, or (in the
//! blanks of the header) holds the same model. Format 1 had no digest and did not say what a model was made from: it is
//! refused, for nothing in it could be checked.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

use super::digest::Digest;
use super::error::{Error, Result};
use super::{Limits, unique, write_atomic};
use crate::model::{Model, Tensor, Values};

/// The version of what `scorecast` in the metadata holds.
const FORMAT: u64 = 3;
/// The metadata's only key.
const KEY: &str = "scorecast";

/// Writes a model, atomically. Equal models are equal bytes.
///
/// # Errors
/// [`Error::Data`] when a weight is not finite; [`Error::Content`] when a shape does not fit its values;
/// [`Error::Io`] when the system refuses.
pub fn write(path: &Path, model: &Model) -> Result<()> {
    for (name, tensor) in &model.tensors {
        check(path, name, tensor)?;
    }
    let bytes: BTreeMap<&String, Vec<u8>> = model.tensors.iter().map(|(n, t)| (n, to_bytes(&t.values))).collect();
    let mut views = Vec::with_capacity(bytes.len());
    for (name, tensor) in &model.tensors {
        let view = TensorView::new(dtype(&tensor.values), tensor.shape.clone(), &bytes[name]);
        views.push((name.as_str(), view.map_err(|e| Error::content(path, e.to_string()))?));
    }
    let about = json!({
        "format": FORMAT, "kind": model.kind, "config": model.config, "made_from": model.made_from,
    });
    let metadata = HashMap::from([(KEY.to_string(), sealed(&about.to_string(), &model.tensors))]);
    let whole = safetensors::serialize(views, Some(metadata)).map_err(|e| Error::content(path, e.to_string()))?;
    write_atomic(path, &whole)
}

/// Reads a model.
///
/// # Errors
/// [`Error::Data`] for a file that is damaged, foreign, of another format version, that names something twice, or holds
/// NaN or infinity; [`Error::Resource`] beyond the limit; [`Error::Io`] when it cannot be read.
pub fn read(path: &Path, limits: &Limits) -> Result<Model> {
    let whole = load(path, limits)?;
    let damaged = |what: String| Error::data(path, what, "train the model again, or copy the file again");
    let header = header(&whole).ok_or_else(|| no_safetensors(path, &whole))?;
    unique::check(header).map_err(|e| damaged(format!("its header is damaged ({e})")))?;
    let (_, metadata) = SafeTensors::read_metadata(&whole).map_err(|e| damaged(format!("is damaged ({e})")))?;
    let about = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
    let about = about.ok_or_else(|| damaged("is a safetensors file, but not a model of scorecast".into()))?;
    unique::check(about).map_err(|e| damaged(format!("its configuration is damaged ({e})")))?;
    let understood = understand(path, about)?;
    let views = SafeTensors::deserialize(&whole).map_err(|e| damaged(format!("is damaged ({e})")))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in views.iter() {
        let values = from_bytes(view.dtype(), view.data()).ok_or_else(|| {
            let message = format!("tensor `{name}` has the type {}, and models hold F32, F64 or I64", view.dtype());
            Error::data(path, message, "give a model that scorecast wrote")
        })?;
        let tensor = Tensor { shape: view.shape().to_vec(), values };
        check(path, name, &tensor)?;
        tensors.insert(name.to_string(), tensor);
    }
    let (text, stored) = unsealed(about).ok_or_else(|| damaged("holds no digest of its content".into()))?;
    let found = digest(&text, &tensors);
    if found != stored {
        return Err(damaged(format!(
            "is damaged: its content has the SHA-256 {found}, and it was written with {stored}"
        )));
    }
    Ok(Model { tensors, ..understood })
}

/// The text of the metadata with the digest of it and of the arrays.
fn sealed(text: &str, tensors: &BTreeMap<String, Tensor>) -> String {
    let open = text.strip_suffix('}').unwrap_or(text);
    format!("{open}{SEAL}{}\"}}", digest(text, tensors))
}

/// What stands before the digest, at the end of the metadata.
const SEAL: &str = ",\"sha256\":\"";

/// The text of the metadata as it was before the digest was added, and the digest.
fn unsealed(about: &str) -> Option<(String, &str)> {
    let (open, end) = about.rsplit_once(SEAL)?;
    Some((format!("{open}}}"), end.strip_suffix("\"}").filter(|digest| digest.len() == 64)?))
}

/// The digest of a text and of arrays.
fn digest(text: &str, tensors: &BTreeMap<String, Tensor>) -> String {
    let mut digest = Digest::default();
    digest.part(text.as_bytes());
    for (name, tensor) in tensors {
        let shape: Vec<u8> = tensor.shape.iter().flat_map(|&side| (side as u64).to_le_bytes()).collect();
        digest.part(name.as_bytes());
        digest.part(dtype(&tensor.values).to_string().as_bytes());
        digest.part(&shape);
        match &tensor.values {
            Values::F32(v) => digest.numbers(v.iter().map(|x| x.to_le_bytes())),
            Values::F64(v) => digest.numbers(v.iter().map(|x| x.to_le_bytes())),
            Values::I64(v) => digest.numbers(v.iter().map(|x| x.to_le_bytes())),
        }
    }
    digest.hex()
}

/// Why a file is not read that has no header of a safetensors file.
fn no_safetensors(path: &Path, whole: &[u8]) -> Error {
    let pickled = whole.first() == Some(&0x80) && whole.get(1).is_some_and(|version| (2..=5).contains(version));
    let named = path.extension().is_some_and(|end| PICKLES.iter().any(|known| end.eq_ignore_ascii_case(known)));
    if pickled || named || whole.starts_with(b"PK\x03\x04") {
        let message = "is not a safetensors file but a pickle, as Python and PyTorch write it: a program that could do \
                       anything when it is read, so it is never read";
        return Error::data(path, message, "give a .safetensors file that `scorecast train` wrote");
    }
    Error::data(path, "is not a safetensors file, or is cut short", "train the model again, or copy the file again")
}

/// How files that hold a pickle are called.
const PICKLES: [&str; 6] = ["pt", "pth", "ckpt", "pkl", "pickle", "joblib"];

/// The bytes of a file that is not too large.
fn load(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let about = std::fs::metadata(path).map_err(|e| Error::io(path, "open it", &e))?;
    if !about.is_file() {
        return Err(Error::data(path, "is not a file", "give a model's .safetensors file"));
    }
    // The file's bytes and the values made from them are in memory together.
    let needed = about.len().saturating_mul(2);
    if needed > limits.max_bytes {
        let message = format!("needs {needed} bytes of memory to load, and {} are allowed", limits.max_bytes);
        return Err(Error::resource(path, message, "raise --max-memory"));
    }
    std::fs::read(path).map_err(|e| Error::io(path, "read it", &e))
}

/// The JSON of a safetensors file: its length in eight bytes comes first.
fn header(whole: &[u8]) -> Option<&str> {
    let length = u64::from_le_bytes(whole.get(..8)?.try_into().ok()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    std::str::from_utf8(whole.get(8..end)?).ok()
}

/// Everything but the arrays, if the format is ours.
fn understand(path: &Path, about: &str) -> Result<Model> {
    let damaged = |what: &str| Error::data(path, format!("its configuration {what}"), "train the model again");
    let mut about: Value = serde_json::from_str(about).map_err(|e| damaged(&format!("is not JSON ({e})")))?;
    let format = about["format"].as_u64().ok_or_else(|| damaged("names no format"))?;
    if format < FORMAT {
        let message = format!(
            "has the model format {format} of an earlier version, which neither says what the model was made from nor \
             holds a digest of its content; this version reads format {FORMAT}"
        );
        return Err(Error::data(path, message, "train the model again"));
    }
    if format != FORMAT {
        let message = format!("has the model format {format}, and this version of scorecast reads {FORMAT}");
        return Err(Error::data(path, message, "use the version that wrote it, or train the model again"));
    }
    let kind = about["kind"].as_str().ok_or_else(|| damaged("names no kind"))?.to_string();
    let made_from = serde_json::from_value(about["made_from"].take());
    let made_from = made_from.map_err(|e| damaged(&format!("does not say what the model was made from ({e})")))?;
    let config = about.get_mut("config").map(Value::take).ok_or_else(|| damaged("is missing"))?;
    Ok(Model { kind, config, made_from, tensors: BTreeMap::new() })
}

fn check(path: &Path, name: &str, tensor: &Tensor) -> Result<()> {
    let count = tensor.shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side));
    let (length, bad) = match &tensor.values {
        Values::F32(v) => (v.len(), v.iter().position(|x| !x.is_finite())),
        Values::F64(v) => (v.len(), v.iter().position(|x| !x.is_finite())),
        Values::I64(v) => (v.len(), None),
    };
    if count != Some(length) {
        let message = format!("tensor `{name}` of shape {:?} has {length} values", tensor.shape);
        return Err(Error::content(path, message));
    }
    match bad {
        Some(at) => {
            let message = format!("tensor `{name}` is not finite: value {at} of {length} is NaN or infinite");
            Err(Error::data(path, message, "train the model again with a smaller learning rate"))
        }
        None => Ok(()),
    }
}

fn dtype(values: &Values) -> Dtype {
    match values {
        Values::F32(_) => Dtype::F32,
        Values::F64(_) => Dtype::F64,
        Values::I64(_) => Dtype::I64,
    }
}

fn to_bytes(values: &Values) -> Vec<u8> {
    match values {
        Values::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Values::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Values::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

/// The values of a type that models hold; none for others.
fn from_bytes(dtype: Dtype, bytes: &[u8]) -> Option<Values> {
    let (four, eight) = (bytes.as_chunks::<4>().0, bytes.as_chunks::<8>().0);
    Some(match dtype {
        Dtype::F32 => Values::F32(four.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F64 => Values::F64(eight.iter().map(|b| f64::from_le_bytes(*b)).collect()),
        Dtype::I64 => Values::I64(eight.iter().map(|b| i64::from_le_bytes(*b)).collect()),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
