//! Random fields of a few Fourier modes: sum_j s_j sqrt(2) (z_{2j} cos(k_j . x) + z_{2j+1} sin(k_j . x)), with z
//! independent standard normals, or Brownian increments where the field is a forcing that is white in time. Each of the
//! two waves of mode j has the root mean square s_j over the domain.

use super::Complex64;

/// One wavenumber of a random field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// Where its coefficient stands.
    pub index: usize,
    /// Where the coefficient of the opposite wavenumber stands, if that is kept too: it is the conjugate.
    pub opposite: Option<usize>,
    /// s, the root mean square of each of its two waves.
    pub size: f64,
}

/// A random field of some modes.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomModes {
    modes: Vec<Mode>,
}

impl RandomModes {
    /// Of these modes.
    pub fn new(modes: Vec<Mode>) -> Self {
        Self { modes }
    }

    /// How many random numbers the field is made of.
    pub fn columns(&self) -> usize {
        2 * self.modes.len()
    }

    /// The modes.
    pub fn modes(&self) -> &[Mode] {
        &self.modes
    }

    /// The coefficients of the field that `z` (one number a column) makes.
    pub fn coefficients(&self, z: impl Fn(usize) -> f64, c: &mut [Complex64]) {
        c.fill(Complex64::default());
        for (j, mode) in self.modes.iter().enumerate() {
            let value = Complex64::new(z(2 * j), -z(2 * j + 1)) * (mode.size * 0.5f64.sqrt());
            c[mode.index] = value;
            if let Some(opposite) = mode.opposite {
                c[opposite] = value.conj();
            }
        }
    }
}
