//! Shocks of the truth of a twin experiment, as the rows of `jumps` say them.

/// A shock of the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    /// How likely it is at each lead step.
    pub probability: f64,
    /// The standard deviation of the noise that is added.
    pub size: JumpSize,
}

/// How large a shock is, and whom it moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum JumpSize {
    /// All components, by noise of this share of the root mean square of the state.
    Relative(f64),
    /// This many components, drawn anew, by noise of this standard deviation.
    Some(f64, usize),
}

impl Jump {
    /// Of a row of `jumps`; none where it is no such row.
    pub(super) fn new(row: &[f64]) -> Option<Self> {
        let (probability, size) = match *row {
            [probability, share] if share >= 0.0 => (probability, JumpSize::Relative(share)),
            [probability, sd, count] if sd >= 0.0 && count >= 1.0 && count.fract() == 0.0 => {
                (probability, JumpSize::Some(sd, count as usize))
            }
            _ => return None,
        };
        (0.0..=1.0).contains(&probability).then_some(Self { probability, size })
    }

    /// The row of `jumps`.
    pub(super) fn row(&self) -> Vec<f64> {
        match self.size {
            JumpSize::Relative(share) => vec![self.probability, share],
            JumpSize::Some(sd, count) => vec![self.probability, sd, count as f64],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_share_of_the_state_or_noise_of_some_components() {
        for row in [&[0.1, 0.5][..], &[0.0, 0.0], &[1.0, 5.0, 3.0]] {
            assert_eq!(Jump::new(row).unwrap().row(), row);
        }
        assert_eq!(Jump::new(&[0.1, 5.0, 3.0]).unwrap().size, JumpSize::Some(5.0, 3));
        for row in [
            &[0.1][..],
            &[1.1, 0.5],
            &[0.1, -0.5],
            &[0.1, 5.0, 0.0],
            &[0.1, 5.0, 1.5],
            &[f64::NAN, 1.0],
            &[0.1, f64::NAN],
        ] {
            assert_eq!(Jump::new(row), None, "{row:?}");
        }
    }
}
