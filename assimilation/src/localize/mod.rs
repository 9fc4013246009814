//! Localization: an observation acts only on the components near it, and less the further away they are.
//!
//! Component i of a state sits where its [`Layout`] puts it, and an observed value at its own [`Place`], at a component or
//! between some, as [`ObservationOperator::location`] says; components without a place ([`ObservationOperator::unplaced`], such as
//! unknown parameters) are acted on by all, in full. Distances are in grid units, the
//! shorter way round where the grid is periodic. A [`Taper`] turns a distance into a weight between 0 and 1.
//!
//! **`radius`** follows DAPPER (Raanes and others): it is the distance at which a smooth taper has fallen to
//! exp(-1/2) = 0.607, so that radii of different tapers can be compared and that of the Gaussian is its standard
//! deviation. Gaspari and Cohn's function of half-support c therefore has c = 1.7386 radius, and ends at 3.477 radius.
//! The step is 1 up to the radius and 0 beyond it.
//!
//! A method has the settings `radius` (unset: no localization), `taper`, `geometry` (`ring` unless set) and `columns`.
//! A caller who knows the system's [`Geometry`](scorecast_systems::Geometry) makes a layout of it by `try_from`.

mod grid;
mod neighbours;
mod stencil;
mod taper;

use grid::UNSTRUCTURED;
pub use grid::{Grid, Layout};
pub use neighbours::Neighbours;
use scorecast_systems::{Param, ParamKind, Settings};
pub use stencil::Stencil;
pub use taper::Taper;

use crate::error::{Error, Result};
use crate::observe::ObservationOperator;
#[cfg(doc)]
use crate::observe::Place;

/// The setting `radius`.
const RADIUS: Param = Param::unset(
    "radius",
    ParamKind::POSITIVE,
    "localization: grid units at which the taper is exp(-1/2) (for `step`: at which it ends); unset is none",
);

/// The setting `taper`.
const TAPER: Param =
    Param::choice("taper", "gaspari_cohn", Taper::WORDS, "how the weight of an observation falls with its distance");

/// The setting `geometry`.
const GEOMETRY: Param = Param::choice(
    "geometry",
    "ring",
    Layout::WORDS,
    "the grid that the components lie on, for distances, or `unstructured` where they have none; an experiment takes it from \
     its system",
);

/// The setting `columns`.
const COLUMNS: Param = Param::unset("columns", ParamKind::COUNT, "grid points in a row of a torus or a plane");

/// The settings of the methods that localize.
pub(crate) const LOCALIZATION: &[Param] = &[RADIUS, TAPER, GEOMETRY, COLUMNS];

/// How a method localizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Localization {
    /// The grid that the components lie on.
    pub layout: Layout,
    /// How a weight falls with distance.
    pub taper: Taper,
    /// The distance of [the module's convention](self), in grid units, above 0; infinite is no localization.
    pub radius: f64,
}

impl Localization {
    /// From the settings `radius`, `taper`, `geometry` and `columns`; none where the radius is unset.
    ///
    /// # Errors
    /// When a geometry of two dimensions has no `columns`.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>> {
        Self::from_radius(settings, &RADIUS)
    }

    /// From the settings `taper`, `geometry` and `columns`, with the radius that the setting `param` says; none where that is
    /// unset.
    ///
    /// # Errors
    /// When a geometry of two dimensions has no `columns`, or components have no distances.
    pub(crate) fn from_radius(settings: &Settings, param: &Param) -> Result<Option<Self>> {
        let Some(radius) = settings.optional_number(param.key) else { return Ok(None) };
        let without =
            "needs distances, and the components are unstructured; remove it, or set `geometry` to how they lie";
        let local = Self::usual(settings, radius)?;
        local.map(Some).ok_or_else(|| settings.mistake(param.key, without).into())
    }

    /// From the settings `taper`, `geometry` and `columns`, with this radius, for a method that localizes unless told
    /// otherwise; none where components have no distances.
    ///
    /// # Errors
    /// When a geometry of two dimensions has no `columns`.
    pub(crate) fn usual(settings: &Settings, radius: f64) -> Result<Option<Self>> {
        let word = settings.text(GEOMETRY.key);
        if word == UNSTRUCTURED {
            return Ok(None);
        }
        let layout = Layout::named(word, settings.count(COLUMNS.key)).ok_or_else(|| {
            settings.mistake(COLUMNS.key, format!("must be set for geometry `{word}`: the grid points in a row"))
        })?;
        Ok(Some(Self { layout, taper: Taper::named(settings.text(TAPER.key)), radius }))
    }

    /// The weights around each component of a state of `dim` components.
    ///
    /// # Errors
    /// When the components do not fill the grid.
    pub fn stencil(&self, dim: usize) -> Result<Stencil> {
        Ok(Stencil::new(Grid::new(self.layout, dim)?, self.taper, self.radius))
    }

    /// The observed values listed in `present` near each component of a state, numbered as in that list; earlier states
    /// behind the present one lie on the same grid.
    ///
    /// # Errors
    /// When the components do not fill the grid, or the operator does not say where its values sit.
    pub fn neighbours(&self, operator: &dyn ObservationOperator, present: &[usize]) -> Result<Neighbours> {
        let unplaced = operator.unplaced();
        let stencil = self.stencil(operator.current_dim().saturating_sub(unplaced))?;
        let everywhere = operator.location().ok_or_else(|| {
            Error::Unsupported(format!(
                "localization needs a place for each observed value, and operator `{}` names none; leave `radius` out, \
                 or use an operator that selects components, such as `stride`",
                operator.name()
            ))
        })?;
        if everywhere.len() != operator.dim() {
            return Err(Error::Shape(format!(
                "operator `{}` gives {} values but {} places; ObservationOperator::location must give one for each value",
                operator.name(),
                operator.dim(),
                everywhere.len()
            )));
        }
        let neighbours = Neighbours::new(stencil, *self, present.iter().map(|&i| everywhere[i]).collect())?;
        Ok(neighbours.with_unplaced(unplaced))
    }
}
