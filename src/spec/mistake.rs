//! Mistakes in an experiment: all of them at once, each with its place.

use std::cell::RefCell;
use std::fmt;

use super::document::Place;
use crate::failure::{Failure, FailureKind};

/// One mistake in an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it was written.
    pub place: Place,
    /// The key that it is about, such as `system.forcing`; empty where there is none.
    pub key: String,
    /// What is wrong and what to do, as a sentence.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub struct Mistakes(RefCell<Vec<Mistake>>);

impl Mistakes {
    /// Notes a mistake.
    pub fn add(&self, place: &Place, key: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Mistake { place: place.clone(), key: key.into(), message: message.into() });
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// All of them, without repetitions: those of files in the order of their lines, then those of overrides.
    pub fn into_sorted(self) -> Vec<Mistake> {
        let mut all = self.0.into_inner();
        all.sort_by_key(|mistake| (mistake.place.line.is_none(), mistake.place.line));
        let mut told = Vec::with_capacity(all.len());
        for mistake in all {
            if !told.contains(&mistake) {
                told.push(mistake);
            }
        }
        told
    }
}

/// All mistakes as one failure of kind [`FailureKind::Usage`].
pub fn failure(mistakes: &[Mistake]) -> Failure {
    let hint = "`scorecast list` shows every name with its settings, `scorecast config schema` every key";
    match mistakes {
        [] => Failure::new(FailureKind::Bug, "an experiment was refused without a mistake"),
        [one] => Failure::new(FailureKind::Usage, one.message.clone()).at(one.place.to_string()).hint(hint),
        [first, ..] => {
            let lines: Vec<String> = mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect();
            let message = format!("{} mistakes{}", mistakes.len(), lines.concat());
            Failure::new(FailureKind::Usage, message).at(first.place.to_string()).hint(hint)
        }
    }
}
