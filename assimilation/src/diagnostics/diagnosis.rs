//! Why a run went wrong, in one sentence with the numbers and the remedy.
//!
//! A [`History`] takes each outcome of a run and the observations that made it; [`History::diagnose`] names the first of
//! these causes that holds, from the plainest to the most derived, or none:
//! - h(x) of a finite forecast is not finite;
//! - a forecast from a finite analysis is not finite, or an analysis of a finite forecast;
//! - the effective sample size is a small share of the members;
//! - innovations are unexplained and the anomalies have a lower rank than members and components allow;
//! - the spread has collapsed: the innovations' mean square d^2 exceeds s^2 + r, of the spread s of h(x) and the errors,
//!   so that the square error of the forecast, d^2 - r, is many times s^2;
//! - the error is many times the spread, though innovations are explained (only where the error is known).

use super::history::{History, Signs};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The operator gave a value that is not finite for a finite state.
    Operator,
    /// The model made a finite ensemble non-finite.
    Model,
    /// The method made a finite forecast non-finite.
    Analysis,
    /// A few members carry all the weight.
    Weights,
    /// The ensemble spreads in fewer directions than it has.
    Rank,
    /// The spread is far below the error that the innovations show.
    Spread,
    /// The mean error is far above the spread, and the observations do not show it.
    Error,
}

/// Why a run went wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    /// What it was.
    pub cause: Cause,
    /// The lead step of the first analysis that shows it.
    pub step: usize,
    /// One sentence with the numbers and the remedy.
    pub sentence: String,
}

/// Below this share of the members the weights are degenerate.
const LEAST_ESS: f64 = 0.05;

/// Innovations imply an error of the forecast this many times its variance: the spread has collapsed.
const COLLAPSE: f64 = 4.0;

/// Above this mean chi-square of innovations, spread and errors do not explain them.
const UNEXPLAINED: f64 = 1.5;

/// Analyses at the end of a run over which numbers are averaged.
const WINDOW: usize = 20;

/// Means over a window: implied is that of d^2 - r, the mean square error of the forecast that innovations imply.
struct Innovations {
    step: usize,
    members: usize,
    count: usize,
    chi_square: f64,
    implied: f64,
    background: f64,
}

/// A number as it is read best: with a power of ten only where it is small or large.
fn short(number: f64) -> String {
    if (1e-3..1e4).contains(&number.abs()) { format!("{number:.3}") } else { format!("{number:.3e}") }
}

/// Squares of the first innovations, in what spread and errors explain of them, from which the filter never had the truth:
/// three standard deviations.
const NEVER: f64 = 9.0;

impl History {
    /// Why the run went wrong; none where nothing shows that it did.
    pub fn diagnose(&self) -> Option<Diagnosis> {
        let rules = [Self::operator, Self::model, Self::weights, Self::rank, Self::spread, Self::error];
        rules.iter().find_map(|rule| rule(self))
    }

    /// The last analyses that have not diverged.
    fn window(&self) -> &[Signs] {
        let end = self.signs().iter().position(|signs| signs.forecast_lost > 0).unwrap_or(self.signs().len());
        &self.signs()[end.saturating_sub(WINDOW)..end]
    }

    fn operator(&self) -> Option<Diagnosis> {
        let signs = self.signs().iter().find(|signs| signs.predicted_lost > 0)?;
        let sentence = format!(
            "at lead step {} the observation operator gave values that are not finite for {} of {} members whose states \
             are finite; keep the states in the operator's domain, or use an operator that is defined for all of them",
            signs.step, signs.predicted_lost, signs.members
        );
        Some(Diagnosis { cause: Cause::Operator, step: signs.step, sentence })
    }

    fn model(&self) -> Option<Diagnosis> {
        let at = self.signs().iter().position(|signs| signs.forecast_lost > 0)?;
        let signs = &self.signs()[at];
        let before = match at.checked_sub(1).map(|before| &self.signs()[before]) {
            Some(before) if before.analysis_lost > 0 => return Self::analysis(before),
            Some(before) => {
                let (spread, largest) = (short(before.spread), short(before.largest));
                format!(
                    "from a finite analysis at lead step {} with spread {spread} and values up to {largest}",
                    before.step
                )
            }
            None => "from the prior".to_owned(),
        };
        let sentence = format!(
            "the forecast {before} to lead step {} made {} of {} members non-finite, member {} first: the model blew up; \
             take a smaller step (more `substeps`), or less inflation, which takes members off the states that it was made \
             for",
            signs.step,
            signs.forecast_lost,
            signs.members,
            signs.first_lost.unwrap_or_default()
        );
        Some(Diagnosis { cause: Cause::Model, step: signs.step, sentence })
    }

    /// An analysis that is not finite, of a forecast that is.
    fn analysis(signs: &Signs) -> Option<Diagnosis> {
        let sentence = format!(
            "the analysis at lead step {} made {} of {} members non-finite from a forecast that is finite, as observation \
             errors far too small or an inflation far too large do; give the errors a larger `sd`, or set `inflation` \
             nearer to 1",
            signs.step, signs.analysis_lost, signs.members
        );
        Some(Diagnosis { cause: Cause::Analysis, step: signs.step, sentence })
    }

    /// Small effective sizes count where they are usual, or where the spread was lost after them.
    fn weights(&self) -> Option<Diagnosis> {
        let small = |signs: &&Signs| signs.ess.is_some_and(|ess| ess < LEAST_ESS * signs.members as f64);
        let signs = self.signs().iter().find(small)?;
        let count = self.signs().iter().filter(small).count();
        let unexplained = self.innovations().is_some_and(|found| found.chi_square > UNEXPLAINED);
        if 2 * self.window().iter().filter(small).count() < self.window().len() && !unexplained {
            return None;
        }
        let least = self.signs().iter().filter_map(|signs| signs.ess).fold(f64::INFINITY, f64::min);
        let sentence = format!(
            "the weights are degenerate: from lead step {} on the effective sample size was below {} % of {} members in \
             {count} of {} analyses, {least:.1} at the least; take more `members`, set `jitter`, or use a method without \
             weights such as `letkf`",
            signs.step,
            100.0 * LEAST_ESS,
            signs.members,
            self.signs().len()
        );
        Some(Diagnosis { cause: Cause::Weights, step: signs.step, sentence })
    }

    fn rank(&self) -> Option<Diagnosis> {
        let signs = self.window().iter().find(|signs| signs.rank.is_some_and(|(rank, full)| rank < full))?;
        let (rank, full) = signs.rank?;
        // few directions are no fault where they are those in which errors grow
        let innovations = self.innovations().filter(|found| found.chi_square > UNEXPLAINED)?;
        let sentence = format!(
            "the ensemble is rank-deficient: at lead step {} the anomalies of {} members have rank {rank} where {full} is \
             possible, and innovations are {:.1} times what spread and errors explain; add noise (`additive`, `jitter`), or \
             draw a prior that spreads in all directions",
            signs.step, signs.members, innovations.chi_square
        );
        Some(Diagnosis { cause: Cause::Rank, step: signs.step, sentence })
    }

    /// The means of the window over its analyses of values.
    fn innovations(&self) -> Option<Innovations> {
        let each = |s: &Signs| Some([s.chi_square?, s.innovation_square?, s.background?, s.innovation_variance?]);
        let rows: Vec<[f64; 4]> = self.window().iter().filter_map(each).collect();
        let first = self.window().iter().find(|signs| signs.chi_square.is_some())?;
        let [chi_square, square, background, variance] =
            [0, 1, 2, 3].map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64);
        let implied = square - (variance - background);
        Some(Innovations {
            step: first.step,
            members: first.members,
            count: rows.len(),
            chi_square,
            implied,
            background,
        })
    }

    /// What to do: `usual`, where the filter once had the truth and lost it. One whose first forecast was as sure of another
    /// place has never had it, which no inflation changes.
    fn remedy(&self, usual: &str) -> String {
        let first = self.signs().iter().find_map(|signs| Some((signs.innovation_square?, signs.innovation_variance?)));
        match first {
            Some((square, variance)) if square > NEVER * variance => {
                "it never had the truth, from the first analysis on: start from a closer or a wider `initial`, or score after a \
                 longer `burn_in`"
                    .to_owned()
            }
            _ => usual.to_owned(),
        }
    }

    fn spread(&self) -> Option<Diagnosis> {
        let found = self.innovations()?;
        if !(found.chi_square > UNEXPLAINED && found.implied > COLLAPSE * found.background) {
            return None;
        }
        let sentence = format!(
            "the spread has collapsed: over the last {} analyses innovations are {:.1} times what spread and errors \
             explain, which implies a forecast error of {} where the spread of h(x) is {}; {}",
            found.count,
            found.chi_square,
            short(found.implied.sqrt()),
            short(found.background.sqrt()),
            self.remedy(&format!(
                "raise `inflation`, take more `members` than {}, or localize (a smaller `radius`, in a method that has one)",
                found.members
            ))
        );
        Some(Diagnosis { cause: Cause::Spread, step: found.step, sentence })
    }

    fn error(&self) -> Option<Diagnosis> {
        let window: Vec<(&Signs, f64)> = self.window().iter().filter_map(|s| Some((s, s.error?))).collect();
        let n = window.len() as f64;
        let error = (window.iter().map(|(_, e)| e * e).sum::<f64>() / n).sqrt();
        let spread = (window.iter().map(|(s, _)| s.spread * s.spread).sum::<f64>() / n).sqrt();
        if window.is_empty() || error <= COLLAPSE.sqrt() * spread {
            return None;
        }
        let sentence = format!(
            "the filter has lost the truth without noticing: over the last {} analyses the error is {} and the \
             spread {}, while innovations are explained; {}",
            window.len(),
            short(error),
            short(spread),
            self.remedy(
                "observe what is not observed, or raise `inflation`, or localize (a smaller `radius`, in a method that has \
                 one)"
            )
        );
        Some(Diagnosis { cause: Cause::Error, step: window[0].0.step, sentence })
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_have_a_power_of_ten_only_where_they_need_it() {
        let found = [1.364, 0.0012, 9999.0, 1e-4, 2.5e6, f64::INFINITY].map(short);
        assert_eq!(found, ["1.364", "0.001", "9999.000", "1.000e-4", "2.500e6", "inf"]);
    }
}
