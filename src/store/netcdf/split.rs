//! Which trajectories of a file are for training, for validation and for testing: the variable `split` (case).

use std::path::Path;

use super::super::error::{Error, Result};
use super::dataset::{Attribute, Values, Variable};
use super::read::Reader;

/// What a trajectory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitPart {
    /// Fitting.
    Train,
    /// Choosing among fits.
    Valid,
    /// Scoring.
    Test,
}

impl SplitPart {
    /// The cases of this part, where `split` has the part of each.
    pub fn cases(self, split: &[Self]) -> Vec<usize> {
        (0..split.len()).filter(|&case| split[case] == self).collect()
    }

    /// Every part, in the order of their flags.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }

    /// So many cases of each part, one part after the other.
    pub fn of_counts(counts: [usize; 3]) -> Vec<Self> {
        Self::ALL.into_iter().zip(counts).flat_map(|(part, count)| std::iter::repeat_n(part, count)).collect()
    }

    fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        if name == "validation" { Some(Self::Valid) } else { Self::ALL.into_iter().find(|part| part.name() == name) }
    }
}

/// The variable `split`, with its flags.
pub(super) fn variable(split: &[SplitPart]) -> Variable {
    Variable::new("split", &["case"], Values::I8(split.iter().map(|&part| part as i8).collect()))
        .with("long_name", "what a trajectory is for")
        .with("flag_values", Attribute::I8(vec![0, 1, 2]))
        .with("flag_meanings", SplitPart::ALL.map(SplitPart::name).join(" ").as_str())
}

/// The split of a file along its dimension of cases: flags 0, 1, 2, or the names of the parts. None where the file has
/// no variable `split` along them.
///
/// # Errors
/// [`Error::Data`] for a flag or a name that is no part.
pub(super) fn read(
    path: &Path,
    reader: &mut Reader,
    along: Option<&str>,
    cases: usize,
) -> Result<Option<Vec<SplitPart>>> {
    let Some(along) = along else { return Ok(None) };
    let lies = |header: &&super::read::Header| header.name == "split" && !header.dimensions.is_empty();
    let fits = reader.headers().iter().find(lies).is_some_and(|header| header.dimensions[0].0 == along);
    if !fits {
        return Ok(None);
    }
    let variable = reader.load("split")?;
    let wrong = |case: usize, value: String| {
        let message = format!("`split` is {value} for case {case}");
        Error::data(path, message, "write 0, 1, 2 or train, valid, test for each case")
    };
    let part = |case: usize, value: f64| {
        let found = SplitPart::ALL.into_iter().find(|&part| f64::from(part as i8) == value);
        found.ok_or_else(|| wrong(case, value.to_string()))
    };
    let parts: Vec<SplitPart> = match &variable.values {
        Values::Text(names) => {
            let part = |(case, name): (usize, &String)| SplitPart::named(name).ok_or_else(|| wrong(case, name.clone()));
            names.iter().enumerate().map(part).collect::<Result<_>>()?
        }
        _ => {
            let flags = reader.decoded(variable)?;
            flags.iter().enumerate().map(|(case, &flag)| part(case, flag)).collect::<Result<_>>()?
        }
    };
    if parts.len() != cases {
        let message = format!("`split` has {} values for {cases} cases", parts.len());
        return Err(Error::data(path, message, "give one for each case"));
    }
    Ok(Some(parts))
}
