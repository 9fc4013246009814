//! The linear schedule of rectified flows (Liu et al. 2023; flow matching, Lipman et al. 2023): alpha = 1 - t, sigma = t
//! for t in [0, 1].

use super::{BuildSchedule, Schedule};
use crate::noising::Level;
use crate::registry::Entry;

pub(super) const ENTRY: Entry<BuildSchedule> = Entry {
    name: "rectified",
    about: "straight lines from data to noise: alpha = 1 - t, sigma = t",
    reference: "Liu et al. (2023), arXiv:2209.03003; Lipman et al. (2023), arXiv:2210.02747",
    params: &[],
    build: |_| Box::new(Rectified),
};

/// alpha = 1 - t, sigma = t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectified;

impl Schedule for Rectified {
    fn level(&self, t: f64) -> Level {
        Level { alpha: 1.0 - t, sigma: t }
    }

    fn time(&self, relative: f64) -> f64 {
        relative / (1.0 + relative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_noise_weigh_the_same_half_way() {
        let level = Rectified.level(0.5);
        assert_eq!((level.log_snr(), Rectified.time(1.0)), (0.0, 0.5));
        assert_eq!(Rectified.level(1.0), Level { alpha: 0.0, sigma: 1.0 });
    }
}
