//! Several presets that are run as one job, with one table over all of them.

/// Presets that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    /// Its name on the command line.
    pub name: &'static str,
    /// One phrase: what it shows.
    pub about: &'static str,
    /// Its presets, in the order in which they are run.
    pub members: &'static [Member],
    /// What is set in each of them.
    pub set: &'static [&'static str],
}

/// A preset of a suite.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its name.
    pub preset: &'static str,
    /// What is set in it alone.
    pub set: Option<&'static str>,
}

impl Suite {
    /// What is set in one of its presets.
    pub fn set_in(&self, member: &Member) -> Vec<&'static str> {
        self.set.iter().copied().chain(member.set).collect()
    }
}

/// Five systems in two forms each at equal operations of training, with those of the long form, and two again at equal
/// operations of a lead step.
const CONTEST: [(&str, Option<&str>); 12] = [
    ("contest_lorenz96", Some("budget.value=1.5e12")),
    ("contest_lorenz96_step", Some("budget.value=1.5e12")),
    ("contest_lorenz63", Some("budget.value=4.1e11")),
    ("contest_lorenz63_step", Some("budget.value=4.1e11")),
    ("contest_lorenz63_inference", None),
    ("contest_kuramoto_sivashinsky", Some("budget.value=1.5e12")),
    ("contest_kuramoto_sivashinsky_step", Some("budget.value=1.5e12")),
    ("contest_lorenz63_seen_in_part", Some("budget.value=4.1e11")),
    ("contest_lorenz63_seen_in_part_step", Some("budget.value=4.1e11")),
    ("contest_lorenz63_seen_in_part_inference", None),
    ("contest_navier_stokes", Some("budget.value=2.8e11")),
    ("contest_navier_stokes_step", Some("budget.value=2.8e11")),
];

/// Its presets, in the long form or not.
const fn contest(long: bool) -> [Member; CONTEST.len()] {
    let mut all = [Member { preset: "", set: None }; CONTEST.len()];
    let mut i = 0;
    while i < all.len() {
        let (preset, set) = CONTEST[i];
        all[i] = Member { preset, set: if long { set } else { None } };
        i += 1;
    }
    all
}

/// A preset as it is.
const fn as_it_is(preset: &'static str) -> Member {
    Member { preset, set: None }
}

/// Every suite.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "not_gaussian",
        about: "Lorenz-96 seen through |x|, log |x| and arctan x: score-based, quantile and particle filters where a Gaussian update is \
                wrong",
        members: &[
            as_it_is("lorenz96_absolute"),
            as_it_is("lorenz96_absolute_half"),
            as_it_is("lorenz96_absolute_often"),
            as_it_is("lorenz96_logarithm"),
            as_it_is("lorenz96_arctan_shocks"),
        ],
        set: &[],
    },
    Suite {
        name: "contest",
        about: "diffusion against autoregressive forecasters: five systems in two forms each, at equal operations of training, and two \
                again at equal operations of a lead step",
        members: &contest(false),
        set: &[],
    },
    Suite {
        name: "contest_full",
        about: "the same with three seeds of each forecaster and longer trainings: hours",
        members: &contest(true),
        set: &[
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
