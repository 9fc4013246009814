//! The times along a dimension of anyone's file.
//!
//! They lie in the coordinate of the dimension, or in another variable along it; where a counter (`step`) and times (`time`) are
//! both there, the times count. Each trajectory may have times of its own (`time(case, step)`), as long as all are equally far
//! apart.

use std::path::Path;

use super::super::error::{Error, Result};
use super::arrange::TIME;
use super::dataset::Attribute;
use super::read::{Header, Reader};
use super::time_unit::TimeUnit;
use super::wording;

/// Times, as a file says them.
#[derive(Default)]
pub(super) struct Times {
    /// In the file's own unit; none where it has no times.
    pub(super) values: Option<Vec<f64>>,
    pub(super) unit: TimeUnit,
    /// What is to be said of them in files that are made from this one.
    pub(super) said: Vec<(String, Attribute)>,
}

/// Names of times; the other names of the role are counters.
const CLOCKS: [&str; 3] = ["time", "valid_time", "t"];

/// How far times of one step may be apart, relative to it.
const SAME: f64 = 1e-4;

fn is_clock(header: &Header) -> bool {
    CLOCKS.contains(&header.name.to_lowercase().as_str())
}

/// The times along the dimension `along` of arrays that may have one of trajectories, `cases`.
///
/// # Errors
/// [`Error::Data`] for times that are text, that differ between trajectories in more than their start, or that two variables say
/// differently.
pub(super) fn times(path: &Path, reader: &mut Reader, cases: Option<&String>, along: Option<&String>) -> Result<Times> {
    let Some(along) = along else { return Ok(Times::default()) };
    let lies = |header: &&Header| match header.dimensions.as_slice() {
        [(one, _)] => one == along,
        [(one, _), (other, _)] => {
            is_clock(header)
                && cases.is_some_and(|cases| [one, other].contains(&cases) && [one, other].contains(&along))
        }
        _ => false,
    };
    let named =
        |header: &&Header| header.name == *along || TIME.known_as.contains(&header.name.to_lowercase().as_str());
    let mut found: Vec<Header> = reader.headers().iter().filter(lies).filter(named).cloned().collect();
    // times before counters, the coordinate before others
    found.sort_by_key(|header| (!is_clock(header), header.dimensions.len(), header.name != *along));
    let Some(first) = found.first() else { return Ok(Times::default()) };
    let times = read(path, reader, first, along)?;
    for other in found[1..].iter().filter(|header| is_clock(header)) {
        agree(path, (first, &times), (other, &read(path, reader, other, along)?))?;
    }
    Ok(times)
}

/// Refuses times that are text.
pub(super) fn check_numbers(path: &Path, header: &Header) -> Result<()> {
    if header.float || header.integer {
        return Ok(());
    }
    let message = format!("`{}` is text, and times are numbers", header.name);
    Err(Error::data(path, message, "give numbers, with their unit in the attribute `units`"))
}

/// The times of one variable.
fn read(path: &Path, reader: &mut Reader, header: &Header, along: &str) -> Result<Times> {
    check_numbers(path, header)?;
    let name = &header.name;
    let variable = reader.load(name)?;
    let attributes = variable.attributes.clone();
    let units = variable.attribute("units").and_then(Attribute::text).map(str::to_owned);
    let unit = TimeUnit::parse(path, name, units.as_deref())?;
    let values = reader.decoded(variable)?;
    let said = wording::of_time(&attributes, &unit);
    if header.dimensions.len() == 1 {
        return Ok(Times { values: Some(values), unit, said });
    }
    let last = header.dimensions[1].0 == along;
    let [cases, count] = if last { [0, 1] } else { [1, 0] }.map(|axis| header.dimensions[axis].1);
    let at = |case: usize, time: usize| values[if last { case * count + time } else { time * cases + case }];
    let row = |case: usize| (0..count).map(|time| at(case, time)).collect::<Vec<f64>>();
    let Some(first) = (cases > 0).then(|| row(0)) else { return Ok(Times::default()) };
    let step = if count > 1 { first[1] - first[0] } else { 1.0 };
    for case in 1..cases {
        let off = (0..count).find(|&time| {
            let apart = (at(case, time) - at(case, 0)) - (first[time] - first[0]);
            apart.is_nan() || apart.abs() > SAME * step.abs()
        });
        if let Some(time) = off {
            let message = format!(
                "`{name}` goes from {} to {} in trajectory {case} where it goes from {} to {} in trajectory 0",
                at(case, 0),
                at(case, time),
                first[0],
                first[time]
            );
            return Err(Error::data(path, message, "give trajectories whose states are equally far apart"));
        }
    }
    if (1..cases).all(|case| at(case, 0) == first[0]) {
        return Ok(Times { values: Some(first), unit, said });
    }
    // no one date is that of all: the time since the start of each
    let said = said.into_iter().filter(|(name, _)| name == "units");
    let said = said.map(|(name, _)| (name, Attribute::Text(unit.name().to_owned()))).collect();
    Ok(Times { values: Some(first.iter().map(|time| time - first[0]).collect()), unit, said })
}

/// Refuses two variables of times whose steps differ.
fn agree(path: &Path, (one, times): (&Header, &Times), (other, others): (&Header, &Times)) -> Result<()> {
    let step = |times: &Times| match times.values.as_deref() {
        Some([first, .., last]) => Some(last - first),
        _ => None,
    };
    let (Some(own), Some(theirs)) = (step(times), step(others)) else { return Ok(()) };
    let factor = times.unit.in_these(&others.unit);
    if factor.is_some_and(|factor| (theirs * factor - own).abs() <= SAME * own.abs()) {
        return Ok(());
    }
    let message = format!(
        "`{}` says that its states span {own} ({}), and `{}` {theirs} ({})",
        one.name,
        times.unit.name(),
        other.name,
        others.unit.name()
    );
    Err(Error::data(path, message, "leave one of them out, or make them agree"))
}
