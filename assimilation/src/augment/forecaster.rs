//! The forecaster of [x, u]: each member by its own member of the family.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayViewMut1, Axis, s};
use rayon::prelude::*;
use scorecast_systems::{Error, Forecaster, Key, Purpose, Stepping, Value, catalogue};

use super::Parameter;

/// theta -> forecaster: the parameters in their order, `[parameter]`.
pub type Family = dyn Fn(&[f64]) -> scorecast_systems::Result<Box<dyn Forecaster>> + Send + Sync;

/// Members that a thread takes at least.
const MEMBERS_A_TASK: usize = 8;

/// A family of forecasters as one, whose state is [x, u].
///
/// Member i draws of x what the forecaster of its parameters draws for member i, and the steps of u at lead step k from
/// `key.at(k)` with a purpose of their own.
///
/// A forecaster is built for each member in each call, and in each lead step where parameters walk. For Lorenz-96 with 40
/// components that costs .7 us, more than the .5 us of the step itself; for spectral systems it is the greater part
/// (Kuramoto-Sivashinsky with 64 points: .6 ms to build, 5 us to step), so that there a `walk` of 0 pays, with inflation in
/// its place. Members are stepped one by one: the vector units, which step eight members of one system at a time, lie idle.
pub struct Augmented {
    family: Box<Family>,
    parameters: Vec<Parameter>,
    dim: usize,
    autonomous: bool,
}

impl Augmented {
    /// Of `family` with these parameters.
    ///
    /// # Errors
    /// When there is no forecaster for the prior means.
    pub fn new(
        family: impl Fn(&[f64]) -> scorecast_systems::Result<Box<dyn Forecaster>> + Send + Sync + 'static,
        parameters: Vec<Parameter>,
    ) -> scorecast_systems::Result<Self> {
        let central: Vec<f64> = parameters.iter().map(|parameter| parameter.value(parameter.mean)).collect();
        let forecaster = family(&central)?;
        let (dim, autonomous) = (forecaster.dim(), forecaster.autonomous());
        Ok(Self { family: Box::new(family), parameters, dim, autonomous })
    }

    /// Of a system of the catalogue with `settings`, of which the settings named by `parameters` are unknown numbers;
    /// `of.rho` names a setting of the system inside.
    ///
    /// # Errors
    /// When the system cannot be built or has no such setting, or the stepping does not fit it.
    pub fn system(
        name: &str,
        settings: &BTreeMap<String, Value>,
        stepping: &Stepping,
        parameters: Vec<Parameter>,
    ) -> scorecast_systems::Result<Self> {
        let keys: Vec<String> = parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let (name, settings, stepping) = (name.to_owned(), settings.clone(), stepping.clone());
        let family = move |theta: &[f64]| {
            let mut settings = settings.clone();
            keys.iter().zip(theta).for_each(|(key, value)| set(&mut settings, key, *value));
            let mistakes = |mut mistakes: Vec<Error>| mistakes.swap_remove(0);
            catalogue::build(&name, &settings).map_err(mistakes)?.forecaster(&stepping)
        };
        Self::new(family, parameters)
    }

    /// The number of components of x.
    pub fn state_dim(&self) -> usize {
        self.dim
    }

    /// The parameters, in the order of their components.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The forecaster of a member whose u is finite.
    fn build(&self, u: &[f64], member: usize) -> scorecast_systems::Result<Box<dyn Forecaster>> {
        let theta: Vec<f64> = self.parameters.iter().zip(u).map(|(parameter, u)| parameter.value(*u)).collect();
        (self.family)(&theta).map_err(|problem| {
            let each =
                self.parameters.iter().zip(&theta).map(|(parameter, value)| format!("{} = {value}", parameter.name));
            Error::Unsupported(format!(
                "member {member} has {}, for which there is no forecaster ({problem}); give a parameter that must be \
                 positive the scale `Log`, or a smaller sd",
                each.collect::<Vec<_>>().join(", ")
            ))
        })
    }

    /// Advances one member in place.
    fn member(
        &self,
        k: usize,
        steps: usize,
        member: usize,
        mut row: ArrayViewMut1<f64>,
        key: Key,
    ) -> scorecast_systems::Result<()> {
        let walks = self.parameters.iter().any(|parameter| parameter.walk != 0.0);
        let mut u = row.slice(s![self.dim..]).to_vec();
        let mut x = row.slice(s![..self.dim]).insert_axis(Axis(0)).to_owned();
        let own = key.members_from(member as u64);
        let mut at = k;
        while at < k + steps {
            if u.iter().any(|u| !u.is_finite()) {
                x.fill(f64::NAN);
                break;
            }
            let forecaster = self.build(&u, member)?;
            if !walks {
                forecaster.advance(k, steps, &mut x, own)?;
                break;
            }
            forecaster.advance(at, 1, &mut x, own)?;
            let mut stream = own.purpose(Purpose::ParameterWalk).at(at as u64).stream(0);
            u.iter_mut().zip(&self.parameters).for_each(|(u, parameter)| *u += parameter.walk * stream.normal());
            at += 1;
        }
        row.slice_mut(s![..self.dim]).assign(&x.row(0));
        row.slice_mut(s![self.dim..]).iter_mut().zip(u).for_each(|(to, u)| *to = u);
        Ok(())
    }
}

/// Sets a number by its key, or by its path through the systems inside.
fn set(settings: &mut BTreeMap<String, Value>, path: &str, value: f64) {
    if let Some((key, rest)) = path.split_once('.')
        && let Some(Value::System { settings: inside, .. }) = settings.get_mut(key)
    {
        return set(inside, rest, value);
    }
    settings.insert(path.to_owned(), Value::Float(value));
}

impl Forecaster for Augmented {
    fn dim(&self) -> usize {
        self.dim + self.parameters.len()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        let (dim, found) = (self.dim(), x.ncols());
        assert_eq!(found, dim, "states of {found} components for {} and {} parameters", self.dim, dim - self.dim);
        let advanced: Vec<_> = x
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .with_min_len(MEMBERS_A_TASK)
            .enumerate()
            .map(|(member, row)| self.member(k, steps, member, row, key))
            .collect();
        // the first member's mistake, whatever thread came first
        advanced.into_iter().collect()
    }

    fn autonomous(&self) -> bool {
        self.autonomous
    }
}
