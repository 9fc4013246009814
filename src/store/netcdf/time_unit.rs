//! The unit of times, from the attribute `units` as UDUNITS and CF write it: `hours since 2000-01-01`, `days`, `1`.

use std::path::Path;

use super::super::error::{Error, Result};

/// The unit of times in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TimeUnit {
    /// Model time: a plain number, or nothing said.
    #[default]
    Model,
    /// A physical one, with its length in seconds.
    Physical {
        /// What the file calls it.
        name: String,
        /// Its length.
        seconds: f64,
    },
    /// A word that is not known here.
    Other(String),
}

/// Names, without the `s` of a plural, and lengths in seconds.
const NAMES: [(&[&str], f64); 8] = [
    (&["ns", "nsec", "nanosecond"], 1e-9),
    (&["us", "usec", "microsecond"], 1e-6),
    (&["ms", "msec", "millisecond"], 1e-3),
    (&["s", "sec", "second"], 1.0),
    (&["min", "minute"], 60.0),
    (&["h", "hr", "hrs", "hour"], 3600.0),
    (&["d", "day"], 86_400.0),
    (&["week"], 604_800.0),
];

/// Units that have no one length.
const UNEQUAL: [&str; 6] = ["month", "mon", "year", "yr", "a", "common_year"];

impl TimeUnit {
    /// What `units` says of the times `name`.
    ///
    /// # Errors
    /// [`Error::Data`] for months and years: they are not of one length.
    pub(super) fn parse(path: &Path, name: &str, units: Option<&str>) -> Result<Self> {
        let said = units.unwrap_or("1").trim();
        let (first, rest) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
        // `10 minutes since ...`: so many of a unit
        let (count, words) = first.parse::<f64>().map_or((1.0, said), |count| (count, rest));
        let Some(word) = words.split_whitespace().next().map(str::to_lowercase) else { return Ok(Self::Model) };
        let singular = word.strip_suffix('s').filter(|rest| !rest.is_empty());
        let is = |known: &str| known == word || singular == Some(known);
        if word == "model" || word == "model_time" {
            return Ok(Self::Model);
        }
        if UNEQUAL.iter().any(|unit| is(unit)) {
            let message = format!("`{name}` is in `{said}`, which are not all of one length");
            return Err(Error::data(path, message, "give times in days, hours or seconds"));
        }
        // `ms` is no plural, and so are all names of two letters and fewer
        let named = |known: &&str| *known == word || known.len() > 2 && is(known);
        let found = NAMES.iter().find(|(names, _)| names.iter().any(named));
        Ok(match found {
            Some((_, seconds)) if count > 0.0 => {
                let name = if count == 1.0 { word } else { format!("{count} {word}") };
                Self::Physical { name, seconds: count * seconds }
            }
            _ => Self::Other(said.to_owned()),
        })
    }

    /// What it is called in a sentence.
    pub fn name(&self) -> &str {
        match self {
            Self::Model => "model time",
            Self::Physical { name, .. } | Self::Other(name) => name,
        }
    }

    /// What it is called beside a number, which model time needs no name for.
    pub fn stated(&self) -> Option<&str> {
        (*self != Self::Model).then(|| self.name())
    }

    /// How many of these one of `other` is; none where they cannot be compared.
    pub fn in_these(&self, other: &Self) -> Option<f64> {
        match (self, other) {
            (Self::Physical { seconds: own, .. }, Self::Physical { seconds: others, .. }) => Some(others / own),
            (own, other) => (own == other).then_some(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(units: &str) -> TimeUnit {
        TimeUnit::parse(Path::new("a.nc"), "time", Some(units)).unwrap()
    }

    #[test]
    fn units_are_those_of_udunits() {
        for (units, seconds) in [
            ("hours since 2000-01-01 00:00:00", 3600.0),
            ("h", 3600.0),
            ("Days since 1900-1-1", 86_400.0),
            ("s", 1.0),
            ("secs", 1.0),
            ("seconds", 1.0),
            ("ms", 1e-3),
            ("min since 2001-02-03T04:05:06Z", 60.0),
            ("nanoseconds", 1e-9),
            ("1 minutes since 2000-01-01", 60.0),
            ("10 minutes since 2000-01-01", 600.0),
            ("hrs since 2000-01-01", 3600.0),
        ] {
            let TimeUnit::Physical { seconds: found, .. } = parsed(units) else { panic!("{units}") };
            assert_eq!(found, seconds, "{units}");
        }
        assert_eq!(
            (parsed("1"), parsed(" "), parsed("model time unit")),
            (TimeUnit::Model, TimeUnit::Model, TimeUnit::Model)
        );
        assert_eq!(parsed("Lyapunov times"), TimeUnit::Other("Lyapunov times".into()));
        for units in ["months since 2000-01-01", "years", "month"] {
            let message = TimeUnit::parse(Path::new("a.nc"), "time", Some(units)).unwrap_err().to_string();
            assert!(message.contains("not all of one length"), "{message}");
        }
    }

    #[test]
    fn lengths_are_compared_where_they_can_be() {
        let (days, hours) = (parsed("days since 2000-01-01"), parsed("hours"));
        assert_eq!((hours.in_these(&days), days.in_these(&hours)), (Some(24.0), Some(1.0 / 24.0)));
        assert_eq!((hours.in_these(&TimeUnit::Model), TimeUnit::Model.in_these(&TimeUnit::Model)), (None, Some(1.0)));
    }
}
