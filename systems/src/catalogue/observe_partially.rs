//! Some components of another system: `y = x[visible]`, where x follows its own law and the rest of it stays hidden.
//!
//! y alone is no Markov process: its next value depends on what is hidden, of which earlier values tell something
//! (Takens 1981). So there is no one-step law to call `perfect`; the system makes trajectories, from which forecasters
//! must learn. Where a filter is to use the true law, observe the whole system through an operator instead.

use std::sync::Arc;

use ndarray::{Array2, Axis};

use super::inside::{OF, inside, named_inside};
use super::{DefaultStepping, lorenz63};
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::key::Key;
use crate::law::Forecaster;
use crate::registry::{Entry, Param, ParamKind, Settings};
use crate::stepping::Stepping;
use crate::system::drawn::DrawnParameters;
use crate::system::{Partial, System};

const STRIDE: Param =
    Param::int("stride", 2, 1, "each how many components one is seen; not used where `components` is set");
const OFFSET: Param =
    Param::int("offset", 0, 0, "the first component seen, counted from 0; not used where `components` is set");
const COMPONENTS: Param = Param::unset(
    "components",
    ParamKind::Indices,
    "the components seen, counted from 0, in increasing order; replaces stride and offset",
);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "observe_partially",
    about: "some components of another system; the others stay hidden, so that what is seen is not Markov",
    reference: "Takens (1981), doi:10.1007/BFb0091924",
    params: &[OF, STRIDE, OFFSET, COMPONENTS],
    build: DefaultStepping { make: |settings| Ok(Arc::new(ObservePartially::new(settings)?)), ..lorenz63::ENTRY.build },
};

/// Some components of another system.
pub struct ObservePartially {
    complete: Arc<dyn System>,
    visible: Vec<usize>,
    geometry: Geometry,
}

impl ObservePartially {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When the system inside cannot be built, or the components do not fit it.
    pub fn new(settings: &Settings) -> Result<Self> {
        let whole = inside(settings)?;
        let dim = whole.dim();
        let (visible, geometry) = if settings.has(COMPONENTS.key) {
            (components(settings, dim)?, Geometry::Unstructured)
        } else {
            every(settings, &*whole)?
        };
        Ok(Self { complete: whole, visible, geometry })
    }
}

/// Each stride-th component. On a ring they are a ring again where the stride divides its length.
fn every(settings: &Settings, complete: &dyn System) -> Result<(Vec<usize>, Geometry)> {
    let (dim, stride, offset) = (complete.dim(), settings.count(STRIDE.key), settings.count(OFFSET.key));
    if offset >= dim {
        let problem = format!("is {offset}, but the system inside has {dim} components; take one below {dim}");
        return Err(settings.mistake(OFFSET.key, problem));
    }
    let ring = complete.geometry() == Geometry::Ring && dim.is_multiple_of(stride) && offset < stride;
    let geometry = if ring { Geometry::Ring } else { Geometry::Unstructured };
    Ok(((offset..dim).step_by(stride).collect(), geometry))
}

fn components(settings: &Settings, dim: usize) -> Result<Vec<usize>> {
    let visible = settings.indices(COMPONENTS.key);
    let wrong = |problem: String| Err(settings.mistake(COMPONENTS.key, problem));
    if visible.is_empty() {
        return wrong("is an empty list; name at least one component".into());
    }
    if let Some(pair) = visible.windows(2).find(|pair| pair[0] >= pair[1]) {
        return wrong(format!("has {} after {}; put each component once, in increasing order", pair[1], pair[0]));
    }
    match visible.last() {
        Some(&last) if last >= dim => wrong(format!(
            "has {last}, but the system inside has {dim} components, counted from 0; take those below {dim}"
        )),
        _ => Ok(visible.to_vec()),
    }
}

impl System for ObservePartially {
    fn dim(&self) -> usize {
        self.visible.len()
    }

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// What is visible of the starts of the system inside.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        self.complete.initial(members, key).select(Axis(1), &self.visible)
    }

    fn initial_is_stationary(&self) -> bool {
        self.complete.initial_is_stationary()
    }

    fn lower_bound(&self) -> Option<f64> {
        self.complete.lower_bound()
    }

    fn has_climate(&self) -> bool {
        self.complete.has_climate()
    }

    fn forecaster(self: Arc<Self>, _stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        Err(Error::Unsupported(format!(
            "only {} of {} components are seen, and they do not determine the law of their next values; learn a \
             forecaster from trajectories, or take the system inside and observe it through an operator",
            self.visible.len(),
            self.complete.dim()
        )))
    }

    fn partial(&self) -> Option<Partial<'_>> {
        Some(Partial { complete: &self.complete, visible: &self.visible })
    }

    fn drawn_parameters(&self) -> Option<&dyn DrawnParameters> {
        self.complete.drawn_parameters().map(|_| self as &dyn DrawnParameters)
    }
}

/// What the system inside draws.
impl DrawnParameters for ObservePartially {
    fn names(&self) -> Vec<String> {
        named_inside(&*self.complete)
    }

    fn drawn(&self, members: usize, key: Key) -> Result<Array2<f64>> {
        self.complete.drawn_parameters().map_or_else(|| Ok(Array2::zeros((members, 0))), |own| own.drawn(members, key))
    }

    fn with(&self, parameters: &[f64]) -> Result<Arc<dyn System>> {
        let own = self.complete.drawn_parameters().map(|own| own.with(parameters)).transpose()?;
        let complete = own.unwrap_or_else(|| Arc::clone(&self.complete));
        Ok(Arc::new(Self { complete, visible: self.visible.clone(), geometry: self.geometry }))
    }
}
