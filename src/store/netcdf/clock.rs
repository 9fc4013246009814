//! Times that are compared with those of other files: what they count, in which unit, and from when.
//!
//! A time t of a unit of u seconds since r, in the unit u' and since r' of another file, is (t u + r - r') / u'. Times without a
//! reference are compared with each other, and so are times of which no unit is said with any. Two are the same where they are
//! no further apart than either is stored, or a small part of the step between times.

use std::path::Path;

use super::super::error::Result;
use super::calendar::Reference;
use super::dataset::Values;
use super::read::{Header, Reader};
use super::time_unit::TimeUnit;
use super::times::check_numbers;

/// Times as a file says them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clock {
    /// In the file's own unit; NaN is missing.
    pub values: Vec<f64>,
    /// The attribute `units`; none where the file has none.
    pub said: Option<String>,
    /// What it says; none where there is none.
    pub unit: Option<TimeUnit>,
    /// The moment from which they are counted, where one is named.
    pub since: Option<Reference>,
    /// How far a stored value may be from what was meant, relative to it.
    pub rounding: f64,
}

/// How far times of one step may be apart, relative to it.
const SAME: f64 = 1e-4;
/// The rounding of doubles after a few operations, and of single precision.
const ROUNDING: [f64; 2] = [8.0 * f64::EPSILON, f32::EPSILON as f64];

impl Clock {
    /// Times of a unit, `units` as CF writes it.
    pub fn new(values: Vec<f64>, units: Option<&str>, calendar: Option<&str>) -> Self {
        let unit = units.map(|units| match TimeUnit::parse(Path::new(""), "time", Some(units)) {
            Ok(unit) => unit,
            // months and years: compared with themselves
            Err(_) => TimeUnit::Other(units.trim().to_owned()),
        });
        let since = units.filter(|_| matches!(unit, Some(TimeUnit::Physical { .. })));
        let since = since.and_then(|units| Reference::parse(units, calendar));
        Self { values, said: units.map(str::to_owned), unit, since, rounding: ROUNDING[0] }
    }

    /// These times in the unit of `other` and counted from its reference; none where the two cannot be compared.
    pub fn as_of(&self, other: &Self) -> Option<Vec<f64>> {
        let (Some(own), Some(others)) = (&self.unit, &other.unit) else { return Some(self.values.clone()) };
        let factor = others.in_these(own)?;
        let shift = match (&self.since, &other.since) {
            (None, None) => 0.0,
            (Some(since), Some(others)) => since.seconds_after(others)?,
            _ => return None,
        };
        let shift = match others {
            TimeUnit::Physical { seconds, .. } => shift / seconds,
            _ => 0.0,
        };
        Some(self.values.iter().map(|time| time * factor + shift).collect())
    }

    /// How far the same times may be apart in the unit of `other`, of which `own` are these ([`Clock::as_of`]).
    pub fn tolerance(&self, own: &[f64], other: &Self) -> f64 {
        let largest =
            |values: &[f64]| values.iter().filter(|v| v.is_finite()).fold(0.0f64, |most, v| most.max(v.abs()));
        let factor = match (&self.unit, &other.unit) {
            (Some(own), Some(others)) => others.in_these(own).unwrap_or(1.0),
            _ => 1.0,
        };
        let stored = self.rounding * largest(&self.values) * factor + other.rounding * largest(&other.values);
        // what a shift between references rounds
        let shifted = ROUNDING[0] * largest(own);
        stored + shifted + SAME * step(own).min(step(&other.values))
    }
}

/// Whether two lead times of one unit are the same, but for how they were computed and stored.
pub fn same_lead(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-6 * one.abs().max(other.abs()).max(1e-6)
}

/// The smallest step between times; 0 where there is but one.
fn step(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let steps = sorted.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0.0);
    let least = steps.fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { 0.0 }
}

/// The times along a dimension: in its coordinate, or in another variable along it that has one of the `names`; one of a physical
/// unit counts before one that may be a counter.
///
/// # Errors
/// [`Error::Data`] for times that are text, and where they cannot be read.
pub(super) fn along(
    path: &Path,
    reader: &mut Reader,
    dimension: Option<&String>,
    names: &[&str],
) -> Result<Option<Clock>> {
    let Some(dimension) = dimension else { return Ok(None) };
    let lies = |header: &&Header| matches!(header.dimensions.as_slice(), [(one, _)] if one == dimension);
    let named = |header: &&Header| header.name == *dimension || names.contains(&header.name.to_lowercase().as_str());
    let mut found: Vec<(bool, bool, &Header)> = Vec::new();
    for header in reader.headers().iter().filter(lies).filter(named) {
        let units = reader.text_of(&header.name, "units")?;
        let counter = !matches!(Clock::new(Vec::new(), units.as_deref(), None).unit, Some(TimeUnit::Physical { .. }));
        found.push((counter, header.name != *dimension, header));
    }
    let first = found.into_iter().min_by_key(|(counter, other, header)| (*counter, *other, &header.name));
    let Some((.., header)) = first else { return Ok(None) };
    check_numbers(path, header)?;
    let name = header.name.clone();
    let (units, calendar) = (reader.text_of(&name, "units")?, reader.text_of(&name, "calendar")?);
    let variable = reader.load(&name)?;
    let single = matches!(variable.values, Values::F32(_));
    let values = reader.decoded(variable)?;
    let rounding = ROUNDING[usize::from(single)];
    Ok(Some(Clock { rounding, ..Clock::new(values, units.as_deref(), calendar.as_deref()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(values: &[f64], units: Option<&str>) -> Clock {
        Clock::new(values.to_vec(), units, None)
    }

    #[test]
    fn times_are_compared_in_one_unit_and_from_one_date() {
        let hours = clock(&[0.0, 6.0, 12.0], Some("hours since 2000-01-02"));
        let days = clock(&[1.0, 1.25, 1.5], Some("days since 2000-01-01"));
        assert_eq!(days.as_of(&hours), Some(vec![0.0, 6.0, 12.0]));
        assert_eq!(hours.as_of(&days), Some(vec![1.0, 1.25, 1.5]));
        let (lead, seconds) = (clock(&[6.0], Some("hours")), clock(&[21_600.0], Some("seconds")));
        assert_eq!(seconds.as_of(&lead), Some(vec![6.0]));
        // a duration is no date, hours are no model time; where nothing is said numbers are compared
        assert_eq!((lead.as_of(&hours), lead.as_of(&clock(&[6.0], Some("1")))), (None, None));
        assert_eq!(clock(&[6.0], None).as_of(&lead), Some(vec![6.0]));
        assert_eq!(clock(&[1.0], Some("months since 2000-01-01")).as_of(&lead), None);
    }

    #[test]
    fn an_hour_is_told_from_none_however_far_the_reference_is() {
        let hours: Vec<f64> = (0..60).map(|k| 876_000.0 + 6.0 * f64::from(k)).collect();
        let single = hours.iter().map(|hour| f64::from(*hour as f32)).collect();
        let exact = Clock::new(hours, Some("hours since 1900-01-01"), None);
        let single = Clock { rounding: ROUNDING[1], ..Clock::new(single, Some("hours since 1900-01-01"), None) };
        for one in [&exact, &single] {
            let own = one.as_of(&exact).unwrap();
            let tolerance = one.tolerance(&own, &exact);
            assert!(
                own.iter().zip(&exact.values).all(|(a, b)| (a - b).abs() <= tolerance) && tolerance < 0.5,
                "{tolerance}"
            );
        }
    }
}
