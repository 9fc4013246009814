//! The byte form of a filter's state.
//!
//! magic (8 bytes), version, lead step, members, components, count of further numbers (u64 each), the ensemble row by
//! row and the further numbers (the bits of f64), and an FNV-1a checksum of all that; everything little-endian.

use ndarray::Array2;

use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"SCFILTER";
const VERSION: u64 = 1;
const HEADER: usize = 8 + 5 * 8;

/// A filter's state as bytes: its lead step, its ensemble `[member, component]`, and what its method carries.
pub fn pack(step: usize, ensemble: &Array2<f64>, state: &[f64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 8 * (ensemble.len() + state.len() + 1));
    bytes.extend_from_slice(MAGIC);
    for number in [VERSION, step as u64, ensemble.nrows() as u64, ensemble.ncols() as u64, state.len() as u64] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for number in ensemble.iter().chain(state) {
        bytes.extend_from_slice(&number.to_bits().to_le_bytes());
    }
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The inverse of [`pack`].
///
/// # Errors
/// When the bytes are not such a state, of this version, whole and unchanged.
pub fn unpack(bytes: &[u8]) -> Result<(usize, Array2<f64>, Vec<f64>)> {
    let refuse = |problem: String| Err(Error::State(problem));
    if bytes.len() < HEADER + 8 || &bytes[..8] != MAGIC {
        return refuse(format!("these {} bytes are not the state of a filter", bytes.len()));
    }
    let [version, step, members, components, further] = [0, 1, 2, 3, 4].map(|i| word(bytes, 8 + 8 * i));
    if version != VERSION {
        return refuse(format!("it has version {version} but this program reads version {VERSION}"));
    }
    let numbers = members.checked_mul(components).and_then(|n| n.checked_add(further));
    let expected = numbers.and_then(|n| n.checked_mul(8)).and_then(|n| n.checked_add(HEADER as u64 + 8));
    if expected != Some(bytes.len() as u64) {
        return refuse(format!(
            "{} bytes do not hold {members} members of {components} components and {further} further numbers; the \
             file is truncated or damaged",
            bytes.len()
        ));
    }
    let end = bytes.len() - 8;
    if word(bytes, end) != checksum(&bytes[..end]) {
        return refuse("its checksum is wrong; the file is damaged".to_owned());
    }
    let mut values: Vec<f64> = (HEADER..end).step_by(8).map(|at| f64::from_bits(word(bytes, at))).collect();
    let state = values.split_off((members * components) as usize);
    let ensemble = Array2::from_shape_vec((members as usize, components as usize), values)
        .map_err(|problem| Error::State(problem.to_string()))?;
    Ok((step as usize, ensemble, state))
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
    use ndarray::array;

    use super::*;

    #[test]
    fn the_bits_come_back_whatever_they_are() {
        let ensemble = array![[1.5, f64::NAN, -0.0], [f64::INFINITY, 1e-310, 0.1 + 0.2]];
        let state = [f64::MIN_POSITIVE, -7.0];
        let (step, back, further) = unpack(&pack(12, &ensemble, &state)).unwrap();
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(step, 12);
        assert_eq!(bits(back.as_slice().unwrap()), bits(ensemble.as_slice().unwrap()));
        assert_eq!(bits(&further), bits(&state));
    }

    #[test]
    fn truncated_changed_and_foreign_bytes_are_refused() {
        let bytes = pack(3, &array![[1.0, 2.0]], &[4.0]);
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
}
