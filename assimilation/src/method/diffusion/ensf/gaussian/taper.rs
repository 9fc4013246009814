//! C o (A^T A) / (N - 1) on some components at a time: the covariance of the members with the weights of a taper between
//! components (the Schur product), and the windows of components from which it is taken.
//!
//! The weights depend on the offset of two components in rows and columns alone and are tabulated, so that a window costs
//! an inner product over the members for each pair.

use super::law::EnsembleGaussian;
use crate::error::Result;
use crate::linalg::dot;
use crate::localize::{Grid, Localization, Stencil, Taper};

/// The largest state that is analysed in one piece whatever the window.
const ONE_PIECE: usize = 64;

/// The weights of a taper by offset.
struct Weights {
    grid: Grid,
    /// `[row offset, column offset]`, up to the reach of the taper in each direction.
    table: Vec<f64>,
    columns: usize,
}

impl Weights {
    fn new(local: &Localization, grid: Grid) -> Self {
        let reach = |size: usize| (local.taper.reach(local.radius).ceil() as usize).min(size - 1) + 1;
        let (rows, columns) = (reach(grid.rows), reach(grid.columns));
        let weight = |at: usize| {
            let [row, column] = [at / columns, at % columns].map(|offset| offset as f64);
            local.taper.weight(row.hypot(column), local.radius)
        };
        Self { grid, table: (0..rows * columns).map(weight).collect(), columns }
    }

    /// The weight between components `a` and `b`.
    fn between(&self, a: usize, b: usize) -> f64 {
        let Grid { rows, columns, periodic } = self.grid;
        let offset = |a: usize, b: usize, size: usize| {
            let direct = a.abs_diff(b);
            if periodic { direct.min(size - direct) } else { direct }
        };
        let (row, column) = (offset(a / columns, b / columns, rows), offset(a % columns, b % columns, columns));
        if column >= self.columns { 0.0 } else { self.table.get(row * self.columns + column).copied().unwrap_or(0.0) }
    }
}

/// The tapered covariance of the members.
pub(super) struct Tapered<'a> {
    pub law: &'a EnsembleGaussian,
    weights: Option<Weights>,
}

impl<'a> Tapered<'a> {
    /// Of the members of `law`; without localization nothing is tapered.
    ///
    /// # Errors
    /// When the components do not fill the grid.
    pub fn new(law: &'a EnsembleGaussian, local: Option<&Localization>) -> Result<Self> {
        let weights =
            |local: &Localization| -> Result<Weights> { Ok(Weights::new(local, Grid::new(local.layout, law.dim())?)) };
        Ok(Self { law, weights: local.map(weights).transpose()? })
    }

    /// The rows and columns of `components` into `c`, row by row.
    pub fn fill(&self, components: &[usize], c: &mut [f64]) {
        let (members, w) = (self.law.members(), components.len());
        let per = 1.0 / (members as f64 - 1.0);
        let anomalies = |i: usize| &self.law.anomalies[i * members..(i + 1) * members];
        for (a, &i) in components.iter().enumerate() {
            for (b, &j) in components[..=a].iter().enumerate() {
                let weight = self.weights.as_ref().map_or(1.0, |weights| weights.between(i, j));
                let value = if weight == 0.0 { 0.0 } else { per * weight * dot(anomalies(i), anomalies(j)) };
                c[a * w + b] = value;
                c[b * w + a] = value;
            }
        }
    }
}

/// The components from which the analysis of a component is made.
pub(super) enum Pieces {
    /// All, for all components alike.
    Whole,
    /// Components near it.
    Windows {
        /// Weights of 1 around each component.
        stencil: Stencil,
        /// Their distance at most.
        window: f64,
    },
}

impl Pieces {
    /// Components within `window` grid units; all where nothing is localized, where that is the whole grid, and unless a
    /// window is set in states of up to [`ONE_PIECE`] components. Unset it is 1.5 times the radius on a line, and the radius on
    /// a grid, whose windows have many more components.
    ///
    /// # Errors
    /// When the components do not fill the grid.
    pub fn new(local: Option<&Localization>, window: Option<f64>, dim: usize) -> Result<Self> {
        let Some(local) = local.filter(|_| window.is_some() || dim > ONE_PIECE) else { return Ok(Self::Whole) };
        let grid = Grid::new(local.layout, dim)?;
        let usual = if grid.rows == 1 { 1.5 * local.radius } else { local.radius };
        let window = window.unwrap_or(usual);
        let stencil = Stencil::new(grid, Taper::Step, window);
        let mut most = 0;
        // in the middle of a grid with boundaries
        stencil.runs(dim / 2 + if grid.rows > 1 { grid.columns / 2 } else { 0 }, |run, _| most += run.len());
        Ok(if most >= dim { Self::Whole } else { Self::Windows { stencil, window } })
    }
}

#[cfg(test)]
mod tests {
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::localize::Layout;
    use crate::method::diffusion::ensf::gaussian::law::ModelNoise;
    use crate::method::variational::schur::cross_covariance;

    #[test]
    fn it_is_the_schur_product_of_the_whole() {
        let layouts = [(Layout::Ring, 30), (Layout::Torus { columns: 6 }, 30), (Layout::Plane { columns: 5 }, 35)];
        for (layout, dim) in layouts {
            let law = EnsembleGaussian::new(Key::new(3, Domain::Score).normals(7, dim), ModelNoise::None);
            let centred = &law.means - &law.mean;
            for taper in [Taper::GaspariCohn, Taper::Gaussian] {
                let local = Localization { layout, taper, radius: 1.4 };
                let exact = cross_covariance(&centred, &centred, Some(&local.stencil(dim).unwrap()));
                let components = [3, 28, 0, 29, 14, 9];
                let mut found = vec![0.0; 36];
                Tapered::new(&law, Some(&local)).unwrap().fill(&components, &mut found);
                for (at, found) in found.iter().enumerate() {
                    let exact = exact[(components[at / 6], components[at % 6])];
                    assert!((found - exact).abs() < 1e-14, "{layout:?} {taper:?}");
                }
            }
        }
    }
}
