//! One-step laws from a test state: fresh draws of the true one, the distance of a forecaster's to them, and pictures.
//!
//! The distance is the energy score of a forecaster's ensemble averaged over draws y of the true law from the same state:
//! E|X - y| - E|X - X'| / 2. Its floor is what the true law itself scores.
//!
//! Where each trajectory has parameters of its own that nobody knows, the true law from a state is that of a system whose
//! parameters are drawn anew; to a forecaster that is conditioned on them it is that of the trajectory's own system. A
//! classifier is asked about the one or the other. Energy scores against two laws cannot be held against each other, so that
//! those of forecasters that are conditioned are left out.

use ndarray::{Array2, ArrayView2, s};

use super::conditioned_law::ConditionedLaw;
use super::start_blocks::lead_step;
use super::two_sample;
use crate::failure::Result;
use crate::results::LawPicture;
use crate::score::series::ENERGY_SCORE_LAW;
use crate::score::{self, Case, Context, Ensemble, Metric, Of};
use crate::stage::data::SplitTrajectories;
use crate::stage::experiment::FittedForecaster;
use crate::stage::score_table::ScoreTable;
use crate::systems::{Domain, Forecaster, Key, Purpose};

/// Draws of a one-step law that a picture shows.
const PICTURED: usize = 1024;

/// Draws by which the widest law is found.
const SOUNDED: usize = 128;

/// The one-step laws of an experiment.
pub struct OneStepLaws<'a> {
    seed: u64,
    data: &'a SplitTrajectories,
    /// The true one, where it is known.
    exact: Option<&'a dyn Forecaster>,
    /// The true one of given parameters, where the system draws them.
    conditioned: Option<ConditionedLaw>,
    energy_score: Box<dyn Metric>,
}

impl<'a> OneStepLaws<'a> {
    /// On these test trajectories, `exact` being the true system where it is known, and `conditioned` the one that is given its
    /// parameters.
    ///
    /// # Errors
    /// A bug: the energy score is registered.
    pub fn new(
        seed: u64,
        data: &'a SplitTrajectories,
        (exact, conditioned): (Option<&'a dyn Forecaster>, Option<ConditionedLaw>),
        context: &Context,
    ) -> Result<Self> {
        Ok(Self { seed, data, exact, conditioned, energy_score: score::build("energy_score_fair", context)? })
    }

    /// Whether the true law is known.
    pub fn known(&self) -> bool {
        self.exact.is_some()
    }

    /// The true law as a forecaster should have it that knows what `model` knows.
    fn exact_for(&self, model: &dyn Forecaster) -> Option<&dyn Forecaster> {
        match (model.parameters(), self.exact) {
            ([], exact) => exact,
            (_, None) => None,
            (_, Some(_)) => self.conditioned.as_ref().map(|law| law as &dyn Forecaster),
        }
    }

    /// Whether a classifier tells a forecaster's draws from true ones, where columns of the table ask for that and the true law is
    /// known.
    ///
    /// # Errors
    /// When a forecaster cannot run, or the training of the classifier fails.
    pub fn classify(&self, table: &mut ScoreTable, model: &dyn Forecaster) -> Result<()> {
        match self.exact_for(model) {
            Some(exact) if two_sample::is_wanted(table.columns()) => {
                two_sample::measure(table, self.data, exact, model, self.seed)
            }
            _ => Ok(()),
        }
    }

    /// The energy score of an ensemble of `model` one lead step after a start against fresh draws of the true law, averaged over
    /// the draws; of one that is conditioned on parameters there is none.
    ///
    /// # Errors
    /// When the true system cannot run.
    pub fn measure(
        &self,
        table: &mut ScoreTable,
        model: &dyn Forecaster,
        (case, start): (usize, usize),
        ensemble: ArrayView2<f64>,
    ) -> Result<()> {
        let Some(exact) = self.exact.filter(|_| model.parameters().is_empty()) else { return Ok(()) };
        let draws = self.fresh(exact, case, start, ensemble.nrows())?;
        let metric = self.energy_score.as_ref();
        let mut sum = 0.0;
        let mut term = vec![0.0; metric.terms()];
        for draw in draws.outer_iter() {
            metric.measure(&Case::Ensemble(&Ensemble::new(draw, ensemble, None)), &mut term);
            sum += metric.value(&term);
        }
        table.number(Of::Analysis, &ENERGY_SCORE_LAW, case, start, sum / draws.nrows() as f64);
        Ok(())
    }

    /// Draws of a one-step law from the state at a start, on streams that no forecast uses, `[draw, component]`.
    fn fresh(&self, model: &dyn Forecaster, case: usize, start: usize, draws: usize) -> Result<Array2<f64>> {
        let key = Key::new(self.seed, Domain::Score).purpose(Purpose::ProcessNoise).case(case as u64);
        let mut x = Array2::zeros((draws, model.dim()));
        x.assign(&self.data.test_state(model, case, start));
        model.advance(lead_step(model, self.data, start), 1, &mut x, key)?;
        Ok(x.slice_move(s![.., ..model.components()]))
    }

    /// The one-step laws of all forecasters from the start whose true law (or first forecaster's law) is widest.
    ///
    /// # Errors
    /// When a forecaster cannot run.
    pub fn pictures(&self, chosen: &[&FittedForecaster], starts: &[usize]) -> Result<Vec<LawPicture>> {
        let Some(first) = self.exact.or_else(|| chosen.first().map(|made| made.fitted.as_forecaster())) else {
            return Ok(Vec::new());
        };
        let mut widest = (0, 0.0);
        for &start in starts {
            let width = self.fresh(first, 0, start, SOUNDED)?.column(0).var(0.0);
            if width > widest.1 {
                widest = (start, width);
            }
        }
        if widest.1 <= 0.0 {
            return Ok(Vec::new());
        }
        let mut draws = Vec::new();
        for made in chosen.iter().filter(|made| made.kind != "persistence") {
            let found = self.fresh(made.fitted.as_forecaster(), 0, widest.0, PICTURED)?;
            draws.push((made.reported().to_owned(), found.column(0).to_vec()));
        }
        draws.sort_by_key(|(label, _)| label != "perfect");
        let about = format!(
            "component 0 one lead step after a test state with x_0 = {:.3}, the start whose law is widest",
            self.data.test.view()[[0, widest.0, 0]]
        );
        Ok(vec![LawPicture { about, draws }])
    }
}
