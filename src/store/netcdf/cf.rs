//! What the stored numbers of a variable mean by the conventions of NetCDF (User's Guide, attribute conventions) and CF 1.11
//! (2.5.1, 8.1): which of them are missing, and value = stored * `scale_factor` + `add_offset`.
//!
//! Missing is what equals `_FillValue` or one of `missing_value`, what lies outside of `valid_min`, `valid_max` or
//! `valid_range`, and, where no `_FillValue` is given, the fill value that the NetCDF library leaves where nothing was written.
//! All these are compared as stored; the bounds, where they are of a floating-point type and the stored numbers are packed
//! integers, with the unpacked value. `_Unsigned` turns the sign of stored integers.
//!
//! Two widely used readers differ: netCDF4 masks by the bounds and by the library's fill value, xarray does not. Both are taken
//! as missing here, and their number is a warning.

use std::path::Path;

use super::super::error::{Error, Result};
use super::dataset::{Attribute, Values, Variable};
use super::source::{Chunks, Integer};

/// The attribute by which stored integers have another sign than their type.
pub(super) const UNSIGNED: &str = "_Unsigned";
/// The attributes of packed numbers: s and b of s v + b.
pub(super) const PACKING: [&str; 2] = ["scale_factor", "add_offset"];
/// The attributes that say how numbers are stored, and nothing of decoded ones.
pub(super) const OF_STORAGE: [&str; 8] =
    [UNSIGNED, PACKING[0], PACKING[1], "_FillValue", "missing_value", "valid_min", "valid_max", "valid_range"];

/// The values of a variable of numbers, missing ones NaN. `integer` says how they are stored; none are floating-point numbers.
///
/// # Errors
/// [`Error::Data`] for text, and for attributes that cannot be meant.
pub(super) fn decode(path: &Path, variable: Variable, integer: Option<Integer>) -> Result<Vec<f64>> {
    let mut decoder = Decoder::new(path, &variable, integer)?;
    let values = decoder.decode(variable.values)?;
    decoder.finish();
    Ok(values)
}

/// Decodes the values of one variable, part by part.
pub(super) struct Decoder {
    file: String,
    name: String,
    conventions: Conventions,
    /// Values that readers differ about, of how many.
    doubtful: usize,
    all: usize,
}

impl Decoder {
    /// Of a variable with any of its values; `integer` says how they are stored.
    ///
    /// # Errors
    /// As [`decode`].
    pub(super) fn new(path: &Path, variable: &Variable, integer: Option<Integer>) -> Result<Self> {
        let conventions = Conventions::read(path, variable, integer)?;
        let (file, name) = (path.display().to_string(), variable.name.clone());
        Ok(Self { file, name, conventions, doubtful: 0, all: 0 })
    }

    /// Some of its values, missing ones NaN.
    ///
    /// # Errors
    /// As [`decode`].
    pub(super) fn decode(&mut self, values: Values) -> Result<Vec<f64>> {
        let exactly = self.conventions.exactly_missing(&values);
        let mut values = match values {
            Values::F64(values) => values,
            other => other.to_f64().ok_or_else(|| {
                let message = format!("variable `{}` is text", self.name);
                Error::data(Path::new(&self.file), message, "name a variable of numbers")
            })?,
        };
        for value in &mut values {
            let (decoded, in_doubt) = self.conventions.of(*value);
            *value = decoded;
            self.doubtful += usize::from(in_doubt);
        }
        exactly.into_iter().for_each(|at| values[at] = f64::NAN);
        self.all += values.len();
        Ok(values)
    }

    /// Warns of those that readers differ about.
    pub(super) fn finish(self) {
        let Self { file, name, conventions, doubtful, all } = self;
        if doubtful > 0 {
            tracing::warn!(
                "{file}: {doubtful} of {all} values of `{name}` are taken as missing: {}; some readers (xarray) keep them",
                conventions.why()
            );
        }
    }
}

/// Refuses an array of which parts were never written, or are lost, unless what stands for them is missing by the attributes of
/// the variable, as the NetCDF library leaves it: then they are missing, with a warning. A file whose maker named no such value
/// reads as zeros there, which cannot be told from numbers.
///
/// # Errors
/// [`Error::Data`] with both counts.
pub(super) fn check_unwritten(
    path: &Path,
    variable: &Variable,
    integer: Option<Integer>,
    chunks: &Chunks,
) -> Result<()> {
    let Chunks { expected, fill, .. } = *chunks;
    let lost = chunks.lost();
    if lost == 0 {
        return Ok(());
    }
    let missing = match fill {
        Some(fill) => Conventions::read(path, variable, integer)?.is_missing(fill),
        None => false,
    };
    let name = &variable.name;
    if missing {
        let file = path.display();
        tracing::warn!("{file}: {lost} of {expected} chunks of `{name}` were never written: their values are missing");
        return Ok(());
    }
    let message = format!("variable `{name}` is damaged: {lost} of its {expected} chunks are not there");
    let remedy = "copy or make it again; where values were left out on purpose, create the variable with a fill value and name \
                  that in `_FillValue`";
    Err(Error::data(path, message, remedy))
}

/// The attributes of one variable that say what its numbers mean.
struct Conventions {
    /// To be added to negative numbers, or subtracted from those at and above half of it, by `_Unsigned`.
    turn: Turn,
    missing: Vec<f64>,
    /// Missing integers of 64 bits, modulo 2^64: doubles cannot tell their neighbours from them.
    exactly: Vec<u64>,
    /// The library's own fill value, where it counts.
    unwritten: Option<f64>,
    bounds: [f64; 2],
    /// Whether the bounds are of unpacked values.
    bounds_unpacked: bool,
    /// Factor and offset; none where numbers are stored as they are.
    packing: Option<(f64, f64)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Turn {
    None,
    ToUnsigned(f64),
    ToSigned(f64),
}

impl Turn {
    fn of(self, stored: f64) -> f64 {
        match self {
            Self::ToUnsigned(range) if stored < 0.0 => stored + range,
            Self::ToSigned(range) if stored >= 0.5 * range => stored - range,
            _ => stored,
        }
    }
}

impl Conventions {
    fn read(path: &Path, variable: &Variable, integer: Option<Integer>) -> Result<Self> {
        let turn = turn(path, variable, integer)?;
        let single = matches!(variable.values, Values::F32(_));
        // an attribute of another width stands for the number that the variable can hold
        let stored = |value: f64| turn.of(if single { f64::from(value as f32) } else { value });
        let all = |name: &str| numbers(path, variable, name);
        let fill = all("_FillValue")?;
        let mut missing: Vec<f64> =
            fill.iter().flatten().chain(all("missing_value")?.iter().flatten()).copied().collect();
        missing.iter_mut().for_each(|value| *value = stored(*value));
        let mut exactly = Vec::new();
        if let Some(Integer { bytes: 8, signed }) = integer {
            for name in ["_FillValue", "missing_value"] {
                exactly.extend(variable.attribute(name).map(modulo).unwrap_or_default());
            }
            missing.clear();
            // what NumPy and pandas store for a date that is none (NaT)
            exactly.extend(signed.then_some(1 << 63));
        }
        let [scale, offset] = [one(path, variable, PACKING[0])?, one(path, variable, PACKING[1])?];
        if let Some(bad) = [scale, offset].into_iter().flatten().find(|value| !value.is_finite()) {
            return Err(meant(path, variable, "scale_factor` and `add_offset", &format!("must be finite, not {bad}")));
        }
        if scale == Some(0.0) {
            return Err(meant(path, variable, PACKING[0], "is 0, which leaves nothing of the values"));
        }
        let packing = (scale.is_some() || offset.is_some()).then(|| (scale.unwrap_or(1.0), offset.unwrap_or(0.0)));
        let (bounds, floating) = bounds(path, variable)?;
        let bounds_unpacked = floating && integer.is_some() && packing.is_some();
        let bounds = if bounds_unpacked { bounds } else { bounds.map(stored) };
        if bounds.iter().any(|bound| bound.is_nan()) || bounds[0] > bounds[1] {
            let problem = format!("say that valid numbers are from {} to {}", bounds[0], bounds[1]);
            return Err(meant(path, variable, "valid_min`, `valid_max` or `valid_range", &problem));
        }
        Ok(Self {
            turn,
            missing,
            exactly,
            unwritten: if fill.is_none() { unwritten(variable, integer).map(stored) } else { None },
            bounds,
            bounds_unpacked,
            packing,
        })
    }

    /// The places of 64-bit integers that are missing.
    fn exactly_missing(&self, values: &Values) -> Vec<usize> {
        let places = |missing: &dyn Fn(usize) -> bool| (0..values.len()).filter(|at| missing(*at)).collect();
        match values {
            Values::I64(v) => places(&|at| self.exactly.contains(&(v[at] as u64))),
            Values::U64(v) => places(&|at| self.exactly.contains(&v[at])),
            _ => Vec::new(),
        }
    }

    /// What one stored number means, and whether readers differ about it.
    fn of(&self, stored: f64) -> (f64, bool) {
        let stored = self.turn.of(stored);
        if stored.is_nan() || self.missing.contains(&stored) {
            return (f64::NAN, false);
        }
        let value = self.packing.map_or(stored, |(scale, offset)| stored * scale + offset);
        let bounded = if self.bounds_unpacked { value } else { stored };
        let outside = bounded < self.bounds[0] || bounded > self.bounds[1];
        match outside || self.unwritten == Some(stored) {
            true => (f64::NAN, true),
            false => (value, false),
        }
    }

    /// Whether a stored number is missing.
    fn is_missing(&self, stored: f64) -> bool {
        self.of(stored).0.is_nan()
            || self.exactly.iter().any(|&one| one as f64 == stored || one as i64 as f64 == stored)
    }

    fn why(&self) -> String {
        let [low, high] = self.bounds;
        let bounds =
            (low > f64::NEG_INFINITY || high < f64::INFINITY).then(|| format!("outside of {low} to {high} (valid_*)"));
        let fill =
            self.unwritten.map(|fill| format!("equal to {fill:e}, which NetCDF leaves where nothing was written"));
        bounds.into_iter().chain(fill).collect::<Vec<_>>().join(", or ")
    }
}

/// What `_Unsigned` says.
fn turn(path: &Path, variable: &Variable, integer: Option<Integer>) -> Result<Turn> {
    let Some(attribute) = variable.attribute(UNSIGNED) else { return Ok(Turn::None) };
    let unsigned = match attribute.text().map(str::to_lowercase).as_deref() {
        Some("true") => true,
        Some("false") => false,
        _ => return Err(meant(path, variable, UNSIGNED, "must be \"true\" or \"false\"")),
    };
    Ok(match integer {
        Some(Integer { bytes, signed }) if signed == unsigned => {
            let range = 256f64.powi(i32::try_from(bytes).unwrap_or(8));
            if unsigned { Turn::ToUnsigned(range) } else { Turn::ToSigned(range) }
        }
        _ => Turn::None,
    })
}

/// Least and largest valid number, and whether they are of a floating-point type.
fn bounds(path: &Path, variable: &Variable) -> Result<([f64; 2], bool)> {
    let mut bounds = [f64::NEG_INFINITY, f64::INFINITY];
    let mut floating = false;
    for name in ["valid_min", "valid_max", "valid_range"] {
        let Some(found) = numbers(path, variable, name)? else { continue };
        floating |= matches!(variable.attribute(name), Some(Attribute::F64(_) | Attribute::F32(_)));
        match (name, found.as_slice()) {
            ("valid_min", &[low]) => bounds[0] = low,
            ("valid_max", &[high]) => bounds[1] = high,
            ("valid_range", &[low, high]) => bounds = [low, high],
            _ => return Err(meant(path, variable, name, &format!("holds {} numbers", found.len()))),
        }
    }
    Ok((bounds, floating))
}

/// What the NetCDF library leaves where nothing was written; bytes have none.
fn unwritten(variable: &Variable, integer: Option<Integer>) -> Option<f64> {
    const FLOATING: f64 = 9.969_209_968_386_869e36;
    match (integer, &variable.values) {
        (None, Values::F64(_) | Values::F32(_)) => Some(FLOATING),
        (Some(Integer { bytes: 2, signed: true }), _) => Some(-32_767.0),
        (Some(Integer { bytes: 2, signed: false }), _) => Some(65_535.0),
        (Some(Integer { bytes: 4, signed: true }), _) => Some(-2_147_483_647.0),
        (Some(Integer { bytes: 4, signed: false }), _) => Some(4_294_967_295.0),
        (Some(Integer { bytes: 8, signed: true }), _) => Some(-9_223_372_036_854_775_806.0),
        (Some(Integer { bytes: 8, signed: false }), _) => Some(18_446_744_073_709_551_614.0),
        _ => None,
    }
}

/// What stands for a value that was never written: `_FillValue`, or what the NetCDF library leaves; none where neither is there.
/// It is missing by these conventions.
pub(super) fn fill(variable: &Variable, integer: Option<Integer>) -> Option<Fill> {
    let given = variable.attribute("_FillValue");
    let number = given.and_then(|fill| fill.numbers()?.first().copied()).or_else(|| unwritten(variable, integer))?;
    // a double holds no neighbours of the largest integers
    let bits = given.and_then(|fill| modulo(fill).first().copied());
    Some(Fill { number, bits: bits.unwrap_or(if number < 0.0 { number as i64 as u64 } else { number as u64 }) })
}

/// A number as a double, and as a whole number modulo 2^64.
#[derive(Clone, Copy, Default)]
pub(super) struct Fill {
    pub(super) number: f64,
    pub(super) bits: u64,
}

/// The whole numbers of an attribute, modulo 2^64.
fn modulo(attribute: &Attribute) -> Vec<u64> {
    match attribute {
        Attribute::U64(v) => v.clone(),
        Attribute::I64(v) => v.iter().map(|&x| x as u64).collect(),
        other => other.numbers().unwrap_or_default().into_iter().map(|x| x as i64 as u64).collect(),
    }
}

/// The numbers of an attribute, if it is there.
fn numbers(path: &Path, variable: &Variable, name: &str) -> Result<Option<Vec<f64>>> {
    let Some(attribute) = variable.attribute(name) else { return Ok(None) };
    let found = attribute.numbers().filter(|found| !found.is_empty());
    found.map(Some).ok_or_else(|| meant(path, variable, name, "must be numbers"))
}

fn one(path: &Path, variable: &Variable, name: &str) -> Result<Option<f64>> {
    match numbers(path, variable, name)?.as_deref() {
        None => Ok(None),
        Some(&[one]) => Ok(Some(one)),
        Some(several) => Err(meant(path, variable, name, &format!("must be one number, not {}", several.len()))),
    }
}

fn meant(path: &Path, variable: &Variable, name: &str, problem: &str) -> Error {
    Error::data(
        path,
        format!("attribute `{name}` of `{}` {problem}", variable.name),
        "correct the attribute or remove it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Option<Integer> = Some(Integer { bytes: 2, signed: true });
    const BYTE: Option<Integer> = Some(Integer { bytes: 1, signed: true });

    fn decoded(variable: Variable, integer: Option<Integer>) -> Result<Vec<f64>, String> {
        decode(Path::new("a.nc"), variable, integer).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn assert_decoded(variable: Variable, integer: Option<Integer>, expected: &[f64]) {
        let found = decoded(variable, integer).unwrap();
        let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(same), "{found:?} {expected:?}");
    }

    fn shorts(values: &[i32]) -> Variable {
        Variable::new("x", &["time"], Values::I32(values.to_vec()))
    }

    #[test]
    fn packed_numbers_are_unpacked_and_all_that_is_missing_is_nan() {
        let x = shorts(&[0, 1, -5, 7, 100]).with("scale_factor", Attribute::F64(vec![0.5]));
        let x = x.with("add_offset", Attribute::F64(vec![10.0])).with("_FillValue", Attribute::I32(vec![-5]));
        assert_decoded(
            x.with("missing_value", Attribute::I32(vec![7, 100])),
            SHORT,
            &[10.0, 10.5, f64::NAN, f64::NAN, f64::NAN],
        );
        // by the library's own fill value, unless another is given
        assert_decoded(shorts(&[1, -32_767]), SHORT, &[1.0, f64::NAN]);
        assert_decoded(
            shorts(&[1, -32_767]).with("_FillValue", Attribute::I32(vec![1])),
            SHORT,
            &[f64::NAN, -32_767.0],
        );
        let x = Variable::new("x", &["time"], Values::F32(vec![1.0, 9.969_21e36, 1e20]));
        assert_decoded(x.with("missing_value", Attribute::F64(vec![1e20])), None, &[1.0, f64::NAN, f64::NAN]);
    }

    #[test]
    fn bounds_are_of_what_they_are_typed_as() {
        let nan = f64::NAN;
        let packed = |x: Variable| x.with("scale_factor", Attribute::F64(vec![0.1]));
        let stored = packed(shorts(&[1, 5, 9])).with("valid_range", Attribute::I32(vec![2, 8]));
        assert_decoded(stored, SHORT, &[nan, 0.5, nan]);
        let unpacked = packed(shorts(&[1, 5, 9])).with("valid_min", Attribute::F64(vec![0.3]));
        assert_decoded(unpacked, SHORT, &[nan, 0.5, 0.9]);
        let plain = Variable::new("x", &["time"], Values::F64(vec![-1.0, 0.0, 2.0]));
        assert_decoded(plain.with("valid_max", Attribute::F64(vec![0.0])), None, &[-1.0, 0.0, nan]);
    }

    #[test]
    fn unsigned_numbers_in_signed_storage_and_the_other_way() {
        let bytes = Variable::new("x", &["time"], Values::I8(vec![-1, -128, 127, 0]));
        let bytes = bytes.with("_Unsigned", "true").with("_FillValue", Attribute::I8(vec![-1]));
        assert_decoded(bytes.clone(), BYTE, &[f64::NAN, 128.0, 127.0, 0.0]);
        // the bounds are turned with the numbers: 1 to 128
        assert_decoded(
            bytes.with("valid_range", Attribute::I8(vec![1, -128])),
            BYTE,
            &[f64::NAN, 128.0, 127.0, f64::NAN],
        );
        // 65,535 is what the library leaves where nothing was written
        let words = shorts(&[65_534, 65_535, 1]).with("_Unsigned", "false");
        assert_decoded(words, Some(Integer { bytes: 2, signed: false }), &[-2.0, f64::NAN, 1.0]);
    }

    #[test]
    fn integers_of_64_bits_are_missing_to_the_last_bit() {
        let nan = f64::NAN;
        let (long, unsigned) = (Some(Integer { bytes: 8, signed: true }), Some(Integer { bytes: 8, signed: false }));
        let longs = |values: &[i64]| Variable::new("x", &["time"], Values::I64(values.to_vec()));
        // a date that is none
        assert_decoded(longs(&[i64::MIN, 3]), long, &[nan, 3.0]);
        let big = 1i64 << 60;
        let x = longs(&[big, big + 1]).with("_FillValue", Attribute::I64(vec![big + 1]));
        assert_decoded(x, long, &[big as f64, nan]);
        let x = Variable::new("x", &["time"], Values::U64(vec![u64::MAX, u64::MAX - 1, 5]));
        assert_decoded(x.clone(), unsigned, &[nan, nan, 5.0]);
        assert_decoded(
            x.with("_FillValue", Attribute::U64(vec![u64::MAX])),
            unsigned,
            &[nan, 18_446_744_073_709_551_614.0, 5.0],
        );
    }

    #[test]
    fn what_was_never_written_is_missing_only_where_the_file_says_so() {
        let chunks = |fill| Chunks { there: 3, expected: 5, fill };
        let check = |x: &Variable, integer, fill| check_unwritten(Path::new("a.nc"), x, integer, &chunks(fill));
        let x = Variable::new("x", &["time"], Values::F64(vec![0.0]));
        for fill in [None, Some(0.0), Some(1e20)] {
            let message = check(&x, None, fill).unwrap_err().to_string();
            assert!(message.contains("2 of its 5 chunks are not there"), "{message}");
        }
        check(&x, None, Some(f64::NAN)).unwrap();
        check(&x, None, Some(9.969_209_968_386_869e36)).unwrap();
        check(&x.with("_FillValue", Attribute::F64(vec![1e20])), None, Some(1e20)).unwrap();
        check(&shorts(&[0]).with("_FillValue", Attribute::I32(vec![-5])), SHORT, Some(-5.0)).unwrap();
        assert!(check(&shorts(&[0]).with("_FillValue", Attribute::I32(vec![-5])), SHORT, Some(0.0)).is_err());
    }

    #[test]
    fn attributes_that_cannot_be_meant_are_sentences() {
        let mistakes: [(&str, Attribute, &str); 8] = [
            ("scale_factor", Attribute::F64(vec![0.0]), "is 0"),
            ("scale_factor", Attribute::F64(vec![f64::NAN]), "must be finite"),
            ("scale_factor", Attribute::F64(vec![1.0, 2.0]), "one number, not 2"),
            ("add_offset", "ten".into(), "must be numbers"),
            ("valid_range", Attribute::F64(vec![1.0]), "holds 1 numbers"),
            ("valid_range", Attribute::F64(vec![2.0, 1.0]), "from 2 to 1"),
            ("_Unsigned", "yes".into(), "\"true\" or \"false\""),
            ("missing_value", "none".into(), "must be numbers"),
        ];
        for (name, value, expected) in mistakes {
            let message = decoded(shorts(&[1]).with(name, value), SHORT).unwrap_err();
            assert!(message.contains(expected) && message.contains(name), "{message}");
        }
    }
}
