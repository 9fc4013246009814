//! Rows of several seeds: trainings that differ in their random numbers alone, scored on the same cases.
//!
//! The value is the mean of the S seeds' values. Its variance is that of a seed's value over the cases, which no averaging
//! over seeds is taken to lower since all of them see the same truths, plus s^2 / S with s^2 the variance of the values over
//! the seeds: so that it is rather too large than too small. Degrees of freedom are Satterthwaite's (1946), of the S - 1
//! of the second part and those of the first.

use super::{Paired, Summary, two_sided};

/// A sum of two variances with degrees of freedom of their own.
struct Sum {
    se: f64,
    studentised: f64,
    dof: f64,
}

impl Sum {
    /// Of standard errors over cases (and what Student's t is over), with their degrees of freedom, and of another variance.
    fn new((se, studentised, dof): (f64, f64, f64), other: &Spread) -> Self {
        let (a, b) = (studentised * studentised, other.variance);
        let below = a * a / dof + b * b / other.dof;
        let whole = if below > 0.0 { (a + b) * (a + b) / below } else { dof };
        Self { se: (se * se + b).sqrt(), studentised: (a + b).sqrt(), dof: whole }
    }
}

/// The variance of a mean over seeds.
struct Spread {
    variance: f64,
    dof: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        // one seed alone says nothing of others
        let dof = (count - 1.0).max(1.0);
        Self { variance: squares / dof / count, dof }
    }

    fn and(&self, other: &Self) -> Self {
        let variance = self.variance + other.variance;
        let below = self.variance.powi(2) / self.dof + other.variance.powi(2) / other.dof;
        Self { variance, dof: if below > 0.0 { variance * variance / below } else { self.dof + other.dof } }
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// The summary of the mean of the seeds, of that of each; without a value where one of them has none.
///
/// None where there is no seed.
pub fn over_seeds(seeds: &[Summary]) -> Option<Summary> {
    let first = seeds.first()?;
    let cases = |of: fn(&Summary) -> usize| seeds.iter().map(of).max().unwrap_or_default();
    let counts = Summary {
        value: None,
        se: None,
        studentised: None,
        effective: None,
        diverged_cases: cases(|seed| seed.diverged_cases),
        diverged_clusters: cases(|seed| seed.diverged_clusters),
        ..first.clone()
    };
    let values: Option<Vec<f64>> = seeds.iter().map(|seed| seed.value).collect();
    let Some(values) = values else { return Some(counts) };
    let value = Some(mean(values.iter().copied()));
    let errors: Option<Vec<(f64, f64)>> = seeds.iter().map(|seed| Some((seed.se?, seed.studentised?))).collect();
    let Some(errors) = errors else { return Some(Summary { value, ..counts }) };
    let over_cases =
        (mean(errors.iter().map(|error| error.0)), mean(errors.iter().map(|error| error.1)), first.dof.max(1.0));
    let Sum { se, studentised, dof } = Sum::new(over_cases, &Spread::of(&values));
    let effective = first.effective.map(|effective| effective * (over_cases.0 / se).powi(2));
    let skew = seeds.iter().filter_map(|seed| seed.skew).reduce(f64::max);
    Some(Summary { value, se: Some(se), studentised: Some(studentised), dof, effective, skew, ..counts })
}

/// The comparison of the means of two rows' seeds, of the comparisons of a seed of the one with a seed of the other, with the
/// losses of all seeds of each.
///
/// None where there is no comparison.
pub fn paired_over_seeds(pairs: &[Paired], losses: [&[f64]; 2]) -> Option<Paired> {
    let first = pairs.first()?;
    let [own, other] = losses;
    let difference = mean(own.iter().copied()) - mean(other.iter().copied());
    let over_cases =
        (mean(pairs.iter().map(|pair| pair.se)), mean(pairs.iter().map(|pair| pair.studentised)), first.dof.max(1.0));
    let Sum { se, studentised, dof } = Sum::new(over_cases, &Spread::of(own).and(&Spread::of(other)));
    let p = two_sided(difference, studentised, dof)?;
    Some(Paired { difference, se, studentised, dof, p, n: first.n })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::statistics::summarise;
    use crate::score::terms::Terms;
    use crate::systems::{Domain, Key};

    /// The summaries of `seeds` seeds on the same 30 truths: seed s is off by b_s, truth t by c_t, and each by noise of its own.
    fn drawn(round: u64, seeds: usize, [between, truths, noise]: [f64; 3]) -> Vec<Summary> {
        let key = Key::new(round, Domain::Score);
        let (b, c) = (key.case(1).normals(1, seeds), key.case(2).normals(1, 30));
        let e = key.case(3).normals(seeds, 30);
        (0..seeds)
            .map(|s| {
                let mut terms = Terms::new(1);
                (0..30).for_each(|t| terms.push(t, 0, &[between * b[[0, s]] + truths * c[[0, t]] + noise * e[[s, t]]]));
                summarise(&terms, &|means| means[0])
            })
            .collect()
    }

    #[test]
    fn intervals_over_seeds_and_truths_cover_what_they_say() {
        // 2,000 rounds: .95 +- .005; what a seed and a truth share is counted twice, so that more is covered where there is much
        for (spread, most) in [([1.0, 1.0, 0.1], 0.965), ([0.3, 2.0, 0.1], 0.965), ([1.0, 0.2, 0.2], 0.965)] {
            let covered = (0..2000).filter(|round| {
                let row = over_seeds(&drawn(*round, 5, spread)).unwrap();
                row.value.unwrap().abs() <= row.half_width(0.95).unwrap()
            });
            let share = covered.count() as f64 / 2000.0;
            assert!((0.94..most).contains(&share), "{spread:?}: {share}");
        }
        // of seeds that are all the same the error is that over truths
        let one = drawn(7, 1, [0.0, 1.0, 0.0]);
        let alike = over_seeds(&[one[0].clone(), one[0].clone(), one[0].clone()]).unwrap();
        assert!((alike.se.unwrap() / one[0].se.unwrap() - 1.0).abs() < 1e-12 && (alike.dof - one[0].dof).abs() < 1e-9);
    }

    #[test]
    fn a_seed_that_diverged_leaves_no_value() {
        let mut seeds = drawn(1, 3, [1.0, 1.0, 1.0]);
        seeds[1].value = None;
        seeds[1].diverged_cases = 4;
        let row = over_seeds(&seeds).unwrap();
        assert_eq!((row.value, row.se, row.diverged_cases), (None, None, 4));
    }
}
