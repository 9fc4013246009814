//! Several presets that are run as one job, with one table over all of them.

/// Presets that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    /// Its name on the command line.
    pub name: &'static str,
    /// One phrase: what it shows.
    pub about: &'static str,
    /// The names of its presets, in the order in which they are run.
    pub presets: &'static [&'static str],
    /// What is set in each of them.
    pub set: &'static [&'static str],
}

/// Five systems in two forms each.
const CONTEST: &[&str] = &[
    "contest_lorenz96",
    "contest_lorenz96_step",
    "contest_lorenz63",
    "contest_lorenz63_step",
    "contest_kuramoto_sivashinsky",
    "contest_kuramoto_sivashinsky_step",
    "contest_lorenz63_seen_in_part",
    "contest_lorenz63_seen_in_part_step",
    "contest_navier_stokes",
    "contest_navier_stokes_step",
];

/// Every suite.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "contest",
        about: "diffusion against autoregressive forecasters: five systems in two forms each, at equal operations of training",
        presets: CONTEST,
        set: &[],
    },
    Suite {
        name: "contest_full",
        about: "the same with three seeds of each forecaster and longer trainings: hours",
        presets: CONTEST,
        set: &[
            "forecaster.gaussian.steps=2500",
            "forecaster.mse.seeds=3",
            "forecaster.gaussian.seeds=3",
            "forecaster.gaussian_low_rank.seeds=3",
            "forecaster.mixture.seeds=3",
            "forecaster.normalizing_flow.seeds=3",
            "forecaster.autoregressive.seeds=3",
            "forecaster.crps.seeds=3",
            "forecaster.diffusion.seeds=3",
            "forecaster.diffusion_residual.seeds=3",
            "forecaster.flow_matching.seeds=3",
            "forecaster.interpolant.seeds=3",
            "forecaster.consistency.seeds=3",
        ],
    },
];

/// Finds a suite by name.
pub fn suite(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name == name)
}
