//! A system whose members differ in their parameters: member i has p_i ~ N(p, (spread p)^2), drawn once and kept.
//!
//! The draws are at the address (seed, domain, case) of the key that starts or advances the members, at step 0, whatever
//! the lead step: under the keys of one simulation member i is the same system throughout, and whoever simulates with
//! another seed or domain meets other parameters. Members see their own parameters and no one else's: the forecaster of
//! this system, started from a state of some trajectory, draws parameters anew. A spin-up under a case of its own, as the
//! truth of a twin experiment has it, ends with a jump to the parameters that follow.

mod drawn;
mod forecaster;

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array2, s};

use forecaster::Perturbed;

use super::inside::{OF, inside};
use super::{DefaultStepping, SYSTEMS, build, lorenz63};
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::law::Forecaster;
use crate::registry::{Entry, Param, ParamKind, Settings, Value, find, nearest};
use crate::stepping::Stepping;
use crate::system::System;
use crate::system::drawn::DrawnParameters;

const PARAMETERS: Param = Param::unset(
    "parameters",
    ParamKind::Words,
    "settings of the system inside that are drawn; all its numbers but 0 and `noise` if unset",
);
const SPREAD: Param = Param::at_least("spread", 0.05, 0.0, "sd of a parameter, relative to its value");
const GROUP: Param = Param::int("group", 1, 1, "successive members that share a draw").up_to(1_000_000_000);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "perturb_parameters",
    about: "a system whose trajectories each draw their own parameters, for tests out of distribution",
    reference: "the parameter shift of Chen et al. (2025), arXiv:2501.16642",
    params: &[OF, PARAMETERS, SPREAD, GROUP],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(PerturbParameters::new(settings)?)),
        ..lorenz63::ENTRY.build
    },
};

/// How often a draw that the system inside refuses is repeated.
const ATTEMPTS: usize = 1000;

/// A system whose members differ in their parameters.
pub struct PerturbParameters {
    name: String,
    settings: BTreeMap<String, Value>,
    /// The parameters that are drawn, with their central values.
    parameters: Vec<(String, f64)>,
    spread: f64,
    group: u64,
    /// How many systems inside draw parameters too.
    depth: u64,
    nominal: Arc<dyn System>,
}

impl PerturbParameters {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When the system inside cannot be built, or has no such parameters.
    pub fn new(settings: &Settings) -> Result<Self> {
        let nominal = inside(settings)?;
        let Some((name, inner)) = settings.system(OF.key) else {
            return Err(settings.mistake(OF.key, "names no system; name one"));
        };
        Ok(Self {
            parameters: parameters(settings, name, inner)?,
            name: name.to_owned(),
            settings: inner.clone(),
            spread: settings.number(SPREAD.key),
            group: settings.count(GROUP.key).max(1) as u64,
            depth: depth(name, inner),
            nominal,
        })
    }

    /// The names of the parameters that are drawn.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(name, _)| name.as_str())
    }

    /// The parameters of one member under `key`, in the order of [`PerturbParameters::names`].
    ///
    /// # Errors
    /// When the system inside refuses every draw.
    pub fn parameters(&self, member: u64, key: Key) -> Result<Vec<f64>> {
        let draw = (key.first_member() + member) / self.group;
        Ok(self.draw(draw, self.family(key))?.0)
    }

    /// The address of the draws: the same for all lead steps and for any part of the ensemble.
    fn family(&self, key: Key) -> Key {
        key.whole_ensemble().purpose(Purpose::Parameter).at(self.depth)
    }

    /// One draw of the parameters and the system that has them. What the system refuses is drawn again.
    fn draw(&self, draw: u64, family: Key) -> Result<(Vec<f64>, Arc<dyn System>)> {
        let mut stream = family.stream(draw);
        let mut settings = self.settings.clone();
        for _ in 0..ATTEMPTS {
            let mut drawn = Vec::with_capacity(self.parameters.len());
            for (name, centre) in &self.parameters {
                let value = centre * (1.0 + self.spread * stream.normal());
                settings.insert(name.clone(), Value::Float(value));
                drawn.push(value);
            }
            if let Ok(system) = build(&self.name, &settings) {
                return Ok((drawn, system));
            }
        }
        Err(Error::Unsupported(format!(
            "system `{}` refused {ATTEMPTS} draws of {} with a relative spread of {}; set a smaller `spread`",
            self.name,
            self.names().collect::<Vec<_>>().join(", "),
            self.spread
        )))
    }

    /// The draws that `members` need under `key`, each with the rows that share it.
    fn groups(&self, members: usize, key: Key) -> Vec<(u64, std::ops::Range<usize>)> {
        let (first, members) = (key.first_member(), members as u64);
        let draws = first / self.group..(first + members).div_ceil(self.group);
        let row = |member: u64| member.clamp(first, first + members) - first;
        let rows = |draw: u64| row(draw * self.group) as usize..row((draw + 1) * self.group) as usize;
        draws.map(|draw| (draw, rows(draw))).filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

/// The parameters to be drawn, with their central values.
fn parameters(settings: &Settings, name: &str, inner: &BTreeMap<String, Value>) -> Result<Vec<(String, f64)>> {
    let number = |param: &&Param| matches!(param.kind, ParamKind::Float { .. });
    let known: Vec<&str> = find(SYSTEMS, "system", name)?.params.iter().filter(number).map(|param| param.key).collect();
    let value = |key: &str| match inner.get(key) {
        Some(Value::Float(value)) => *value,
        _ => 0.0,
    };
    let given = settings.words(PARAMETERS.key);
    if !settings.has(PARAMETERS.key) {
        let drawn = known.iter().filter(|key| **key != "noise" && value(key) != 0.0);
        return Ok(drawn.map(|key| ((*key).to_owned(), value(key))).collect());
    }
    for (index, key) in given.iter().enumerate() {
        let problem = if !known.contains(&key.as_str()) {
            let near = nearest(key, known.iter().copied());
            let hint =
                near.map_or_else(|| format!("it has {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            format!("names `{key}`, which is no number of system `{name}`; {hint}")
        } else if value(key) == 0.0 {
            format!("names `{key}`, which is 0, so that a relative spread leaves it as it is; set it, or leave it out")
        } else if given[..index].contains(key) {
            format!("names `{key}` twice; name it once")
        } else {
            continue;
        };
        return Err(settings.mistake(PARAMETERS.key, problem));
    }
    Ok(given.iter().map(|key| (key.clone(), value(key))).collect())
}

/// How many systems from this one inwards draw parameters.
fn depth(name: &str, settings: &BTreeMap<String, Value>) -> u64 {
    let inner = settings.values().find_map(|value| match value {
        Value::System { name, settings } => Some(depth(name, settings)),
        _ => None,
    });
    u64::from(name == ENTRY.name) + inner.unwrap_or(0)
}

impl System for PerturbParameters {
    fn dim(&self) -> usize {
        self.nominal.dim()
    }

    fn geometry(&self) -> Geometry {
        self.nominal.geometry()
    }

    /// Of each member that of its own system; non-finite where no draw was accepted.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let mut out = Array2::from_elem((members, self.dim()), f64::NAN);
        for (draw, rows) in self.groups(members, key) {
            if let Ok((_, system)) = self.draw(draw, self.family(key)) {
                let start = system.initial(rows.len(), key.members_from(rows.start as u64));
                out.slice_mut(s![rows, ..]).assign(&start);
            }
        }
        out
    }

    fn initial_is_stationary(&self) -> bool {
        self.nominal.initial_is_stationary()
    }

    fn lower_bound(&self) -> Option<f64> {
        self.nominal.lower_bound()
    }

    fn has_climate(&self) -> bool {
        self.nominal.has_climate()
    }

    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        Ok(Box::new(Perturbed::new(self, stepping)?))
    }

    fn drawn_parameters(&self) -> Option<&dyn DrawnParameters> {
        Some(self)
    }
}
