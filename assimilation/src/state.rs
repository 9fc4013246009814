//! The saved state of a method: what it carries from one set of observations to the next, in one checked envelope.
//!
//! magic (8 bytes), version and the length of what follows (u64, little-endian); whose state it is and what its parts are; the
//! parts one after the other; an FNV-1a checksum of all that (u64). Between the length and the checksum stands postcard's
//! encoding of plain structs, in which a number is the 8 bytes of its f64: the bits come back, whatever they are.
//!
//! A method only names its parts. What a part is, and when it does not fit the method, its [`State`] says.

use std::any::Any;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"SCFILTER";
const VERSION: u64 = 2;
const HEADER: usize = 8 + 2 * 8;

/// A part of the state of a method, as plain data.
pub trait State: Serialize + DeserializeOwned + Default + Send + 'static {
    /// What it is, in a word or two.
    const KIND: &'static str;

    /// Whether it is of one piece and fits `owner`, its method.
    ///
    /// # Errors
    /// What does not fit, as a main clause.
    fn check(&self, owner: &Owner) -> Result<(), String> {
        let _ = owner;
        Ok(())
    }
}

/// Whose state it is: what must be the same where it is restored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    method: String,
    /// Settings with their values.
    settings: Vec<(String, String)>,
}

impl Owner {
    /// The method `method`, of any settings.
    pub fn new(method: &str) -> Self {
        Self { method: method.to_owned(), settings: Vec::new() }
    }

    /// The method where the setting `key` is `value`, which a state is bound to.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// What the setting `key` is set to; none where a state is not bound to it.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(setting, _)| setting == key).map(|(_, value)| value.as_str())
    }

    /// Whether `found` members are as many as the method has.
    ///
    /// # Errors
    /// Both numbers, as a main clause.
    pub fn require_members(&self, found: usize) -> Result<(), String> {
        match self.setting("members") {
            Some(set) if set != found.to_string() => Err(format!("it holds {found} members where {set} should be")),
            _ => Ok(()),
        }
    }

    /// Refuses the state of `saved`.
    fn require(&self, saved: &Self) -> Result<(), String> {
        if saved.method != self.method {
            return Err(format!("it is that of `{}`, which is not the state of `{}`", saved.method, self.method));
        }
        for (key, set) in &self.settings {
            let found = saved.setting(key).unwrap_or_default();
            match key.as_str() {
                _ if found == set => {}
                "members" => {
                    return Err(format!(
                        "it has {found} members but the method is set to {set}; set `members` to {found}"
                    ));
                }
                _ => {
                    return Err(format!(
                        "it was saved with {key} = {found} but the method is set to {set}; set `{key}` to {found}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Any [`State`], of whatever type.
pub trait Saved: Any + Send {
    /// [`State::KIND`].
    fn kind(&self) -> &'static str;

    /// Appends its encoding to `bytes`.
    fn append(&self, bytes: &mut Vec<u8>);

    /// Another of its type from the front of `bytes`, checked against `owner`, and the bytes behind it.
    ///
    /// # Errors
    /// What is wrong, as a main clause.
    fn read<'b>(&self, bytes: &'b [u8], owner: &Owner) -> Result<(Box<dyn Any>, &'b [u8]), String>;

    /// Takes what [`Saved::read`] gave.
    fn put(&mut self, read: Box<dyn Any>);

    /// Forgets everything.
    fn clear(&mut self);
}

impl<S: State> Saved for S {
    fn kind(&self) -> &'static str {
        S::KIND
    }

    fn append(&self, bytes: &mut Vec<u8>) {
        let appended = postcard::to_extend(self, std::mem::take(bytes));
        assert!(appended.is_ok(), "plain data into memory: {:?}", appended.err());
        *bytes = appended.unwrap_or_default();
    }

    fn read<'b>(&self, bytes: &'b [u8], owner: &Owner) -> Result<(Box<dyn Any>, &'b [u8]), String> {
        let (state, rest): (S, _) = postcard::take_from_bytes(bytes).map_err(|problem| damaged(S::KIND, problem))?;
        state.check(owner)?;
        Ok((Box::new(state), rest))
    }

    fn put(&mut self, read: Box<dyn Any>) {
        if let Ok(state) = read.downcast() {
            *self = *state;
        }
    }

    fn clear(&mut self) {
        *self = S::default();
    }
}

fn damaged(what: &str, problem: impl std::fmt::Display) -> String {
    format!("its {what} cannot be read ({problem})")
}

/// The state of `owner` as bytes.
pub fn seal(owner: &Owner, parts: &[&dyn Saved]) -> Vec<u8> {
    let kinds: Vec<&str> = parts.iter().map(|part| part.kind()).collect();
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    let header = postcard::to_extend(&(owner, kinds), bytes);
    assert!(header.is_ok(), "plain data into memory: {:?}", header.err());
    let mut bytes = header.unwrap_or_default();
    parts.iter().for_each(|part| part.append(&mut bytes));
    let length = (bytes.len() - HEADER) as u64;
    bytes[HEADER - 8..HEADER].copy_from_slice(&length.to_le_bytes());
    let sum = checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// Takes what [`seal`] gave into the parts of `owner`, all of them or none.
///
/// # Errors
/// When the bytes are not a state of this version, whole and unchanged, or are not that of `owner`.
pub fn open(bytes: &[u8], owner: &Owner, parts: &mut [&mut dyn Saved]) -> Result<()> {
    let read = read(bytes, owner, parts).map_err(Error::State)?;
    parts.iter_mut().zip(read).for_each(|(part, read)| part.put(read));
    Ok(())
}

/// The parts that stand in `bytes`.
fn read(bytes: &[u8], owner: &Owner, parts: &[&mut dyn Saved]) -> Result<Vec<Box<dyn Any>>, String> {
    let ((saved, kinds), mut rest): ((Owner, Vec<String>), _) =
        postcard::take_from_bytes(body(bytes)?).map_err(|problem| damaged("header", problem))?;
    owner.require(&saved)?;
    let expected: Vec<&str> = parts.iter().map(|part| part.kind()).collect();
    if kinds != expected {
        return Err(format!(
            "it holds {}, but with its settings the method has {}; restore it into a method with the same settings, \
             such as `adaptive` and `lag`",
            kinds.join(", "),
            expected.join(", ")
        ));
    }
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        let (state, behind) = part.read(rest, owner)?;
        out.push(state);
        rest = behind;
    }
    match rest.len() {
        0 => Ok(out),
        left => Err(format!("{left} bytes are left over")),
    }
}

/// What stands between the length and the checksum.
fn body(bytes: &[u8]) -> Result<&[u8], String> {
    if bytes.len() < HEADER || &bytes[..8] != MAGIC {
        return Err(format!("these {} bytes are not the state of a filter", bytes.len()));
    }
    let version = word(bytes, 8);
    if version != VERSION {
        return Err(format!(
            "it has version {version} but this program reads version {VERSION}; go on with the program that saved it, or \
             start the run again"
        ));
    }
    let (length, end) = (word(bytes, 16), bytes.len().saturating_sub(8));
    if end < HEADER || length != (end - HEADER) as u64 {
        return Err(format!("{} bytes are not as many as it says; the file is truncated or damaged", bytes.len()));
    }
    if word(bytes, end) != checksum(&bytes[..end]) {
        return Err("its checksum is wrong; the file is damaged".to_owned());
    }
    Ok(&bytes[HEADER..end])
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// FNV-1a with 64 bits (Fowler, Noll and Vo 1991).
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    struct Kept {
        step: usize,
        ensemble: Array2<f64>,
        further: Vec<f64>,
    }

    impl State for Kept {
        const KIND: &'static str = "part";

        fn check(&self, owner: &Owner) -> Result<(), String> {
            owner.require_members(self.ensemble.nrows())
        }
    }

    fn owner() -> Owner {
        Owner::new("etkf").with("members", 2)
    }

    fn unpack(bytes: &[u8]) -> Result<Kept> {
        let mut part = Kept::default();
        open(bytes, &owner(), &mut [&mut part])?;
        Ok(part)
    }

    /// These bytes under the checksum that they should have.
    fn sealed_again(mut bytes: Vec<u8>) -> Vec<u8> {
        let end = bytes.len() - 8;
        let sum = checksum(&bytes[..end]);
        bytes[end..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    #[test]
    fn the_bits_come_back_whatever_they_are() {
        let ensemble = array![[1.5, f64::NAN, -0.0], [f64::INFINITY, 1e-310, 0.1 + 0.2]];
        let further = vec![f64::MIN_POSITIVE, -7.0];
        let back = unpack(&seal(&owner(), &[&Kept { step: 12, ensemble: ensemble.clone(), further: further.clone() }]));
        let Kept { step, ensemble: members, further: numbers } = back.unwrap();
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(step, 12);
        assert_eq!(bits(members.as_slice().unwrap()), bits(ensemble.as_slice().unwrap()));
        assert_eq!(bits(&numbers), bits(&further));
    }

    #[test]
    fn truncated_changed_and_foreign_bytes_are_refused() {
        let bytes = seal(&owner(), &[&Kept { step: 3, ensemble: array![[1.0], [2.0]], further: vec![4.0] }]);
        for length in 0..bytes.len() {
            assert!(unpack(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(unpack(&changed).is_err(), "byte {at} changed");
        }
        assert!(unpack(b"CDF\x01 something else altogether, and long enough to be one of ours").is_err());
    }

    /// As the version before wrote it: magic, version, lead step, members, components, count of further numbers, the numbers.
    #[test]
    fn a_state_of_the_version_before_is_refused_by_name() {
        let mut bytes = MAGIC.to_vec();
        for number in [1u64, 3, 2, 1, 0, 1.0f64.to_bits(), 2.0f64.to_bits()] {
            bytes.extend(number.to_le_bytes());
        }
        let sum = checksum(&bytes);
        bytes.extend(sum.to_le_bytes());
        let message = unpack(&bytes).unwrap_err().to_string();
        assert!(message.contains("has version 1 but this program reads version 2"), "{message}");
    }

    #[test]
    fn what_is_of_another_method_another_setting_or_another_kind_is_refused_with_both() {
        let part = Kept { step: 3, ensemble: array![[1.0], [2.0]], further: Vec::new() };
        let refused = |owner: Owner, parts: &[&dyn Saved]| unpack(&seal(&owner, parts)).unwrap_err().to_string();
        let message = refused(Owner::new("enkf"), &[&part]);
        assert!(message.contains("`enkf`") && message.contains("not the state of `etkf`"), "{message}");
        let message = refused(Owner::new("etkf").with("members", 3), &[&part]);
        assert!(message.contains("it has 3 members but the method is set to 2"), "{message}");
        let message = refused(owner(), &[&part, &part]);
        assert!(message.contains("it holds part, part, but") && message.contains("has part;"), "{message}");
        // the settings agree, the array does not
        let message = refused(owner(), &[&Kept { ensemble: array![[1.0]], ..part }]);
        assert!(message.contains("1 members where 2 should be"), "{message}");
    }

    /// Whoever writes the checksum too: whatever a byte says, of sizes above all, no more is allocated than the bytes hold.
    #[test]
    fn bytes_with_a_right_checksum_are_taken_or_refused_but_never_trusted() {
        let part = Kept { step: 300, ensemble: array![[1.0, 2.0], [3.0, 4.0]], further: vec![5.0] };
        let bytes = seal(&owner(), &[&part]);
        for at in HEADER..bytes.len() - 8 {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = value;
                drop(unpack(&sealed_again(changed)));
            }
        }
        // dimensions and a length of 2^63
        let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
        let head = seal(&owner(), &[]);
        let mut header = head[..head.len() - 8].to_vec();
        header.truncate(header.len() - 1);
        // one part of its kind, its lead step, then an array of version 1
        header.extend([1, 4]);
        header.extend(b"part");
        header.extend([0, 1]);
        (0..3).for_each(|_| header.extend(huge));
        header.extend([0; 64]);
        let length = (header.len() - HEADER) as u64;
        header[16..24].copy_from_slice(&length.to_le_bytes());
        header.extend([0; 8]);
        let message = unpack(&sealed_again(header)).unwrap_err().to_string();
        assert!(message.contains("its part cannot be read"), "{message}");
    }
}
