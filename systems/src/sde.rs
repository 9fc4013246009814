//! Stochastic differential equations dx = f(x, t) dt + g(x, t) dW, evaluated for a block of members at once.
//!
//! A block is `[[f64; LANES]]`: component by component, the same component of [`LANES`] members side by side, so that
//! every arithmetic statement of a drift is one vector operation whatever the dimension.

/// Members in a block. Sixteen lanes of f64 measured fastest with the instructions every x86-64 has.
pub const LANES: usize = 16;

/// How the noise enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// g = 0.
    None,
    /// g is constant and diagonal.
    Additive,
    /// g is diagonal and g_i depends on x_i (or on x).
    Diagonal,
    /// g is a general matrix with this many columns.
    General(usize),
}

/// Which stochastic integral the equation means. For additive noise the two agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calculus {
    /// Ito.
    Ito,
    /// Stratonovich.
    Stratonovich,
}

/// A stochastic differential equation.
pub trait Sde: Send + Sync {
    /// The number of components.
    fn dim(&self) -> usize;

    /// How the noise enters.
    fn noise(&self) -> Noise;

    /// Which integral the equation means; Ito unless said.
    fn calculus(&self) -> Calculus {
        Calculus::Ito
    }

    /// The number of Brownian motions.
    fn wiener_dim(&self) -> usize {
        match self.noise() {
            Noise::None => 0,
            Noise::Additive | Noise::Diagonal => self.dim(),
            Noise::General(columns) => columns,
        }
    }

    /// f(x, t) into `out`, per unit of model time; both `[component][lane]`.
    fn drift_block(&self, t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]);

    /// The product g(x, t) dw into `out` (`[component][lane]`), for dw `[wiener][lane]`; never the matrix.
    fn diffuse_block(&self, t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]);

    /// The diagonal of g where the noise is additive: the standard deviation per square root of model time.
    fn additive_sd(&self) -> Option<Vec<f64>> {
        None
    }
}

/// The Brownian path over one integration step, drawn jointly by whoever owns the randomness; integrators never draw.
#[derive(Clone, Debug, Default)]
pub struct Increment {
    /// W(t + dt) - W(t), `[wiener][lane]`, variance dt.
    pub dw: Vec<[f64; LANES]>,
    /// The time integral of W(s) - W(t) over the step, `[wiener][lane]`, variance dt^3/3; empty unless an integrator
    /// asks for it.
    pub dz: Vec<[f64; LANES]>,
}

/// Copies up to [`LANES`] members, `rows` = `[member][component]` one after the other, into a block; lanes past the end
/// repeat the last member, so that they stay as finite as it is.
pub fn load_block(rows: &[f64], block: &mut [[f64; LANES]]) {
    let dim = block.len();
    let last = (rows.len() / dim).saturating_sub(1);
    for lane in 0..LANES {
        let member = lane.min(last);
        for (cell, value) in block.iter_mut().zip(&rows[member * dim..(member + 1) * dim]) {
            cell[lane] = *value;
        }
    }
}

/// Copies a block back to the members that [`load_block`] took.
pub fn store_block(block: &[[f64; LANES]], rows: &mut [f64]) {
    for (lane, row) in rows.chunks_exact_mut(block.len()).enumerate() {
        for (value, cell) in row.iter_mut().zip(block) {
            *value = cell[lane];
        }
    }
}
