//! What a file calls what it holds, so that files that are made from it can say the same: the unit and calendar of its times, the
//! name and unit of its variable, and what is known of each place.

use std::path::Path;

use super::super::error::Result;
use super::dataset::{Attribute, Dataset, Values, Variable};
use super::read::Reader;
use super::time_unit::TimeUnit;

/// What a file calls what it holds; empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wording {
    /// `units`, `calendar` and names of its times; empty where they are model times.
    pub time: Vec<(String, Attribute)>,
    /// The name of its variable.
    pub variable: Option<String>,
    /// `units` and names of its variable.
    pub about: Vec<(String, Attribute)>,
    /// Coordinates and names of its places, one value for each component.
    pub places: Vec<Variable>,
}

/// Attributes of a time that outlive it.
const OF_TIME: [&str; 4] = ["units", "calendar", "long_name", "standard_name"];
/// Attributes of a variable that outlive it.
const OF_VARIABLE: [&str; 3] = ["units", "long_name", "standard_name"];
/// Attributes of a place that speak of other variables.
const OF_OTHERS: [&str; 3] = ["bounds", "coordinates", "grid_mapping"];
/// The most values of one place that are kept.
const MOST: usize = 1 << 20;

/// The attributes that have one of the names.
fn among(attributes: &[(String, Attribute)], names: &[&str]) -> Vec<(String, Attribute)> {
    attributes.iter().filter(|(name, _)| names.contains(&name.as_str())).cloned().collect()
}

/// What is worth keeping of the attributes of times in a unit.
pub(super) fn of_time(attributes: &[(String, Attribute)], unit: &TimeUnit) -> Vec<(String, Attribute)> {
    if *unit == TimeUnit::Model { Vec::new() } else { among(attributes, &OF_TIME) }
}

/// What a file says of a variable whose dimensions of space are `space`, by name and size.
pub(super) fn read(
    path: &Path,
    reader: &mut Reader,
    name: &str,
    space: &[(String, usize)],
    time: Vec<(String, Attribute)>,
) -> Result<Wording> {
    let about = among(&reader.attributes_of(name)?, &OF_VARIABLE);
    let components = space.iter().map(|(_, size)| size).product();
    let mut places = Vec::new();
    for (axis, (along, _)) in space.iter().enumerate().filter(|_| components <= MOST) {
        let lies = |header: &&super::read::Header| {
            header.name != name && header.dimensions.len() == 1 && header.dimensions[0].0 == *along
        };
        let found: Vec<String> = reader.headers().iter().filter(lies).map(|header| header.name.clone()).collect();
        for found in found.into_iter().filter(|name| can_be_written(name)) {
            let place = reader.load(&found)?;
            let mut place = reader.kept(place)?;
            place.attributes.retain(|(name, _)| !OF_OTHERS.contains(&name.as_str()));
            let inner: usize = space[axis + 1..].iter().map(|(_, size)| size).product();
            place.values = spread(&place.values, components, inner, path)?;
            place.dimensions = vec!["component".into()];
            places.push(place);
        }
    }
    Ok(Wording { time, variable: Some(name.to_owned()).filter(|name| can_be_written(name)), about, places })
}

/// Whether a name of HDF5 is one of NetCDF too.
fn can_be_written(name: &str) -> bool {
    !name.starts_with('_') && !name.contains(['/', '\0']) && name.trim() == name && !name.is_empty()
}

/// Values along one of several dimensions as values of all `components`: each stands for `inner` of them, over and over.
fn spread(values: &Values, components: usize, inner: usize, path: &Path) -> Result<Values> {
    fn of<T: Clone>(values: &[T], components: usize, inner: usize) -> Vec<T> {
        (0..components).map(|at| values[at / inner % values.len()].clone()).collect()
    }
    if values.is_empty() || inner == 0 {
        return Err(super::super::Error::data(path, "has a dimension of size 0", "leave it out"));
    }
    Ok(match values {
        Values::F64(v) => Values::F64(of(v, components, inner)),
        Values::F32(v) => Values::F32(of(v, components, inner)),
        Values::I32(v) => Values::I32(of(v, components, inner)),
        Values::I64(v) => Values::I64(of(v, components, inner)),
        Values::U64(v) => Values::U64(of(v, components, inner)),
        Values::I8(v) => Values::I8(of(v, components, inner)),
        Values::Text(v) => Values::Text(of(v, components, inner)),
    })
}

impl Wording {
    /// The unit of its variable, where the file says one.
    pub fn units(&self) -> Option<&str> {
        let units = self.about.iter().find(|(name, _)| name == "units").and_then(|(_, value)| value.text());
        units.map(str::trim).filter(|units| !units.is_empty())
    }

    /// A coordinate of times of the file, with what it says of them.
    pub fn clock(&self, name: &str, values: Vec<f64>, standard_name: &str) -> Variable {
        let coordinate = Variable::coordinate(name, Values::F64(values)).with("standard_name", standard_name);
        if self.time.is_empty() {
            return coordinate.with("units", "1").with("time_unit", "model time unit");
        }
        let said = self.time.iter().filter(|(name, _)| name != "standard_name");
        said.fold(coordinate, |coordinate, (name, value)| coordinate.with(name, value.clone()))
    }

    /// A variable of such values as the file's: in its unit, and with the name that it has there.
    #[must_use]
    pub fn of_states(&self, mut variable: Variable) -> Variable {
        let Some(name) = &self.variable else { return variable };
        for (name, value) in self.about.iter().filter(|(name, _)| name != "long_name") {
            variable.attributes.retain(|(own, _)| own != name);
            variable = variable.with(name, value.clone());
        }
        variable.with("source_variable", name.as_str())
    }

    /// A dataset with what is known along its dimension `along` of places.
    #[must_use]
    pub fn with_places(&self, mut dataset: Dataset, along: &str) -> Dataset {
        for place in &self.places {
            let mut place = Variable { dimensions: vec![along.into()], ..place.clone() };
            let text = matches!(place.values, Values::Text(_));
            let own = dataset.dimensions.iter_mut().find(|dimension| dimension.name == along && place.name == along);
            if let (Some(own), false) = (own, text) {
                own.coordinate = Some(place);
                continue;
            }
            let taken = |dataset: &Dataset, name: &str| {
                dataset.get(name).is_some() || dataset.dimensions.iter().any(|dimension| dimension.name == name)
            };
            while taken(&dataset, &place.name) {
                place.name = format!("{}_of_{along}", place.name);
            }
            dataset = dataset.variable(place);
        }
        dataset
    }
}
