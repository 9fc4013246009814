//! How many training pairs forecasters of each family ask for, as far as theory and measurements say.
//!
//! A range goes from what suffices at best to what was needed where it was measured, over the range of the dimension that the
//! estimators leave open. Pairs are independent ones: neighbours in time count for less.

/// A range of training pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSize {
    /// Forecasters by their names in the registry.
    pub forecasters: &'static [&'static str],
    /// From so many pairs on at best.
    pub from: f64,
    /// By so many at the latest, where something says so.
    pub to: Option<f64>,
    /// Where the range comes from, and what it does not say.
    pub because: String,
}

/// What the ranges depend on.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// n, the components of a state.
    pub components: usize,
    /// The least and the largest dimension of the set that estimators leave open.
    pub dimension: (f64, f64),
    /// The directions that the flat of all points needs.
    pub flat: f64,
    /// K, the number of pieces; 1 of one set.
    pub pieces: usize,
    /// Whether there is noise around the set.
    pub is_noisy: bool,
}

/// Pairs beyond which there is no use in saying how many.
const HOPELESS: f64 = 1e9;

impl Size {
    /// The ranges.
    pub fn ranges(&self) -> Vec<TrainingSize> {
        vec![self.linear(), self.principal(), self.subspaces(), self.analogues(), self.networks(), self.memorizers()]
    }

    /// Least squares: the excess of its squared error over the noise's is m / (N - m - 1) with m regressors.
    fn regression(regressors: f64) -> (f64, f64) {
        (11.0 * regressors + 1.0, 101.0 * regressors + 1.0)
    }

    fn linear(&self) -> TrainingSize {
        let (from, to) = Self::regression(self.components as f64);
        let because = format!(
            "the excess error of least squares is n / (N - n - 1): 10 % and 1 % for n = {}, whatever the dimension of the set",
            self.components
        );
        TrainingSize { forecasters: &["linear"], from, to: Some(to), because }
    }

    fn principal(&self) -> TrainingSize {
        let (from, _) = Self::regression(self.dimension.0.ceil().min(self.flat));
        let (_, to) = Self::regression(self.flat);
        let because =
            "as `linear` on the components that are kept: the dimension of the set at best, those of the flat at worst";
        TrainingSize { forecasters: &["pca_linear"], from, to: Some(to), because: because.to_owned() }
    }

    /// A pair has up to twice the dimension of a state.
    fn subspaces(&self) -> TrainingSize {
        let (d, k) = (self.dimension, self.pieces as f64);
        let often = if self.is_noisy { 3.0 } else { 1.0 };
        let (from, to) = (k * (d.0 + 1.0), k * (often * 2.0 * d.1 + 4.0));
        let noise = if self.is_noisy {
            "; noise of .05 of a standard deviation a coordinate moves the step to two or three times that"
        } else {
            ""
        };
        let because = format!(
            "a subspace without noise is found from d + 1 points in each, sharply{noise}; pairs of states have between d and 2 d \
             dimensions. It finds the flats: a curved set is not one"
        );
        TrainingSize { forecasters: &["molrg"], from: from.ceil(), to: Some(to.ceil()), because }
    }

    /// An analogue within a share r of the width of a set of dimension d needs about r^-d states.
    fn analogues(&self) -> TrainingSize {
        let [from, to] = [(2.0f64, self.dimension.0), (10.0, self.dimension.1)].map(|(r, d)| r.powf(d));
        let because = "an analogue within a half (a tenth) of the set's width needs 2^d (10^d) states".to_owned();
        TrainingSize { forecasters: &["analog"], from: from.ceil(), to: (to < HOPELESS).then_some(to.ceil()), because }
    }

    fn networks(&self) -> TrainingSize {
        let k = self.pieces as f64;
        let (from, to) = (8.0 * k * self.dimension.0, 60.0 * k * self.dimension.1);
        let because = "pairs a dimension from which networks stopped memorizing a law that is low-dimensional: 8-32 for an MLP, \
                       50-60 for a U-Net. To learn how the law depends on the state may take many more: on two double wells in \
                       R^16 all families still gained from 512 to 4,096 pairs, and those of a likelihood overfitted 64 the most"
            .to_owned();
        let forecasters: &[&str] = &[
            "mse",
            "gaussian",
            "mixture",
            "normalizing_flow",
            "autoregressive",
            "crps",
            "diffusion",
            "flow_matching",
            "interpolant",
            "window",
            "consistency",
        ];
        TrainingSize { forecasters, from: from.ceil(), to: Some(to.ceil()), because }
    }

    fn memorizers(&self) -> TrainingSize {
        let because = "they give back training states by design, at any number of pairs".to_owned();
        TrainingSize { forecasters: &["memorizer", "lifting"], from: f64::INFINITY, to: None, because }
    }
}
