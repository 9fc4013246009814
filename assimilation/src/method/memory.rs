//! What a run of a method holds at its largest, reckoned from its settings and sizes before anything is made.
//!
//! n components of a state, p observed values, N members, K sets of observations, T lead steps. An ensemble method holds
//! a few ensembles `[N, n]` (forecast, analysis, anomalies and what an update makes of them) and their images `[N, p]`; a
//! smoother of lag L carries the members of L earlier sets behind the present ones; what is said of an analysis takes
//! squares of the order min(N, n) and min(N, p). To that come the matrices by which a method is defined: N^2 of a
//! transform, n^2 of a covariance. The numbers of copies are upper bounds that runs under a limit are held against.

use scorecast_systems::{MemoryUse, Settings};

/// By what the arrays of a method grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Components of a state, those that stand for parameters among them.
    pub components: usize,
    /// Values of a set of observations.
    pub observed: usize,
    /// Sets of observations of a run.
    pub sets: usize,
    /// Lead steps of a run.
    pub steps: usize,
}

/// Copies of an ensemble and of its images that are there at once.
const COPIES: usize = 8;

/// Matrices of the order of a state that a method of a mean and a covariance holds: those of forecast and posterior, and
/// what a step of it, or an update, makes of them.
const COVARIANCES: usize = 24;

/// The members of a method.
fn members(settings: &Settings) -> usize {
    settings.count("members").max(1)
}

/// Of a method of members.
pub(crate) fn of_members(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    let Extent { components, observed, .. } = *extent;
    let (members, lag) = (members(settings), settings.count("lag"));
    let behind = if lag > 0 { format!(", {lag} earlier sets behind them") } else { String::new() };
    let widest = members.min(components.max(observed));
    vec![
        MemoryUse::reals(
            format!("ensembles ({members} members x {components}{behind})"),
            &[COPIES, members, lag.saturating_add(1), components],
        ),
        MemoryUse::reals(format!("predicted observations ({members} x {observed})"), &[COPIES, members, observed]),
        MemoryUse::reals(format!("diagnostics of an analysis ({widest} x {widest})"), &[8, widest, widest]),
    ]
}

/// Of a method that transforms its members.
pub(crate) fn of_transform(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    let members = members(settings);
    let transform = MemoryUse::reals(format!("transforms ({members} x {members})"), &[8, members, members]);
    [of_members(settings, extent), vec![transform]].concat()
}

/// Of a method that carries a mean and a covariance.
pub(crate) fn of_covariance(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    with_covariances(of_members(settings, extent), extent, COVARIANCES)
}

/// With so many matrices of the order of a state, and those between it and what is observed.
fn with_covariances(mut held: Vec<MemoryUse>, extent: &Extent, matrices: usize) -> Vec<MemoryUse> {
    let n = extent.components;
    held.push(MemoryUse::reals(format!("covariances ({n} x {n})"), &[matrices, n, n]));
    held.extend(gains(extent));
    held
}

/// What leads from a set of observations to a state.
fn gains(&Extent { components, observed, .. }: &Extent) -> [MemoryUse; 2] {
    [
        MemoryUse::reals(format!("gains ({components} x {observed})"), &[COPIES, components, observed]),
        MemoryUse::reals(format!("innovation covariances ({observed} x {observed})"), &[COPIES, observed, observed]),
    ]
}

/// Of a method of members with one gain for all.
pub(crate) fn of_gain(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    of_members(settings, extent).into_iter().chain(gains(extent)).collect()
}

/// Of a method that carries a mean and a covariance and keeps those of every set for its way back.
pub(crate) fn of_all_covariances(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    let Extent { components, sets, .. } = *extent;
    let kept = format!("covariances of every set ({sets} x {components} x {components})");
    let mut held = of_covariance(settings, extent);
    held.push(MemoryUse::reals(kept, &[5, sets, components, components]));
    held
}

/// Of a method that keeps the ensembles of every lead step for its way back.
pub(crate) fn of_all_members(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    let Extent { components, steps, .. } = *extent;
    let members = members(settings).max(settings.count("draws"));
    let kept = format!("ensembles of every lead step ({steps} x {members} members x {components})");
    let mut held = of_transform(settings, extent);
    held.push(MemoryUse::reals(kept, &[3, steps, members, components]));
    held
}

/// Of a filter of kernels with one covariance, which holds two matrices for each of its levels of noise.
pub(crate) fn of_mixture(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    with_covariances(of_members(settings, extent), extent, 2 * COVARIANCES)
}

/// Of a window of static covariance: a matrix for each of the sets that are used together.
pub(crate) fn of_window_covariance(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    let sets = settings.count("lag").max(settings.count("shift"));
    with_covariances(of_members(settings, extent), extent, sets.saturating_mul(4).saturating_add(COVARIANCES))
}

/// Of a window whose members' covariances between times are made.
pub(crate) fn of_window_members(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    let sets = settings.count("shift").max(1);
    with_covariances(of_transform(settings, extent), extent, sets.saturating_mul(sets).saturating_mul(COPIES))
}

/// Of a filter whose members are moved by kernels where `regularization` says so, each drawn `expansion` times.
pub(crate) fn of_kernels(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    let Extent { components, observed, .. } = *extent;
    let (members, draws) = (members(settings), settings.count("expansion"));
    let mut held = of_members(settings, extent);
    if settings.number("regularization") > 0.0 {
        held.push(MemoryUse::reals(format!("kernels ({components} x {components})"), &[6, components, components]));
    }
    let what = format!("draws of the kernels ({members} members x {draws} x {components})");
    let width = components.saturating_add(observed);
    held.extend((draws > 0).then(|| MemoryUse::reals(what, &[4, members, draws, width])));
    held
}

/// Of a filter whose members are drawn by a reverse sampler in `steps` steps.
pub(crate) fn of_sampler(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    let (members, steps) = (members(settings), settings.count("steps"));
    let mut held = of_members(settings, extent);
    let what = format!("states of the sampler ({members} members x {})", extent.components);
    held.push(MemoryUse::reals(what, &[4 * COPIES, members, extent.components]));
    held.push(MemoryUse::reals(format!("noise levels ({steps} steps)"), &[COPIES, steps]));
    held
}

/// Of a filter that guides a sampler, and holds what it draws to constraints where there are any.
pub(crate) fn of_guided(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    let (members, n) = (members(settings), extent.components);
    let mut held = of_sampler(settings, extent);
    if settings.has("constraint") {
        let rows = settings.rows("constraint").len();
        let what = format!("constraints ({rows} x {members} members x {n})");
        held.push(MemoryUse::reals(what, &[COPIES, rows, members, n]));
    }
    held
}

/// Of the Gaussian score: anomalies and members beside those of any method, and the covariance of the whole state where that
/// is analysed in one piece.
pub(crate) fn of_gaussian_score(settings: &Settings, extent: &Extent) -> Vec<MemoryUse> {
    let n = extent.components;
    let whole =
        !settings.has("radius") && members(settings) >= n.saturating_mul(5) || settings.text("solver") == "heun";
    let held = of_members(settings, extent);
    if whole || n <= 64 { with_covariances(held, extent, COVARIANCES) } else { held }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use scorecast_systems::Value;

    use super::super::METHODS;
    use super::*;

    fn held(name: &str, extent: &Extent, given: &[(&str, i64)]) -> u64 {
        let entry = METHODS.iter().find(|entry| entry.name == name).unwrap();
        let given: BTreeMap<String, Value> =
            given.iter().map(|(key, value)| ((*key).to_owned(), Value::Int(*value))).collect();
        let settings = Settings::check("trial", entry.params, &given).unwrap();
        MemoryUse::total(&(entry.build.memory)(&settings, extent))
    }

    const SMALL: Extent = Extent { components: 1000, observed: 10, sets: 20, steps: 40 };

    /// What a method of members holds grows as the state, and that of a covariance as its square.
    #[test]
    fn only_methods_that_are_defined_by_a_matrix_hold_one() {
        let large = Extent { components: 100_000, ..SMALL };
        let square: u64 = 8 * 100_000 * 100_000;
        for entry in METHODS {
            let grown = held(entry.name, &large, &[]);
            let matrix = [
                "climatology",
                "kalman",
                "extended",
                "unscented",
                "optimal_interpolation",
                "three_d_var",
                "four_d_var",
                "hybrid",
                "four_d_envar",
                "kernel_particle_filter",
                "rts",
            ]
            .contains(&entry.name);
            assert_eq!(grown >= square, matrix, "{}: {grown}", entry.name);
        }
    }

    /// No setting of a size is left out, and none overflows: a billion of it is refused on any machine of today.
    #[test]
    fn every_count_of_members_steps_and_lags_is_in_the_memory_of_its_method() {
        for entry in METHODS {
            let small = held(entry.name, &SMALL, &[]);
            assert!(small >= 8 * 1000, "{}", entry.name);
            let many = held(entry.name, &SMALL, &[("members", 1_000_000_000)]);
            assert!(many > 1 << 42, "{}: {many}", entry.name);
            if entry.params.iter().any(|param| param.key == "lag") {
                assert!(held(entry.name, &SMALL, &[("lag", 8), ("members", 40)]) > small, "{}", entry.name);
            }
        }
        assert_eq!(held("etkf", &Extent { components: usize::MAX, ..SMALL }, &[]), u64::MAX);
    }
}
