//! How components lie in space: the attributes `geometry` and `grid_shape` of a file of trajectories.
//!
//! What a file says of its layout is understood or refused, for distances follow from it: `geometry` is a word, and `grid_shape`
//! holds whole numbers of any type, whose product is the number of components; of a field they are its own sizes.

use std::path::Path;

use super::super::error::{Error, Result};
use super::dataset::{Attribute, Dataset};
use super::read::Reader;
use super::source::Stored;
use crate::systems::Geometry;

/// Adds the attributes.
pub(super) fn with(dataset: Dataset, geometry: Geometry) -> Dataset {
    let dataset = dataset.with("geometry", geometry.word());
    match geometry {
        Geometry::Torus { rows, columns } | Geometry::Plane { rows, columns } => {
            dataset.with("grid_shape", Attribute::I64(vec![rows as i64, columns as i64]))
        }
        _ => dataset,
    }
}

/// What to do about a word.
const WORDS: &str = "say unstructured, ring, torus or plane, or remove it";
/// What to do about sizes.
const SIZES: &str = "say as many whole numbers as the layout has dimensions, rows before columns, or remove it";

/// What the attributes say of states whose dimensions of space have these sizes; none where they say nothing.
///
/// # Errors
/// [`Error::Data`] for a word that is none of ours, for sizes that are no whole numbers, and for a layout that is not that of the
/// states.
pub(super) fn read(path: &Path, reader: &Reader, space: &[usize]) -> Result<Option<Geometry>> {
    let refused = |message: String, remedy: &str| Err(Error::data(path, message, remedy));
    let (word, sides) = (reader.stated("geometry")?, reader.stated("grid_shape")?);
    let sides = sides.map(|stored| sizes(path, stored)).transpose()?;
    let Some(word) = word.map(|stored| named(path, stored)).transpose()? else {
        return match sides {
            Some(_) => refused("has `grid_shape` without `geometry`".into(), "say torus or plane in `geometry`"),
            None => Ok(None),
        };
    };
    if let Some(sides) = &sides {
        fits(path, sides, space)?;
    }
    let [rows, columns] = match (word, sides.as_deref().unwrap_or(space)) {
        ("unstructured", _) => return Ok(Some(Geometry::Unstructured)),
        ("ring", sides) if space.len() == 1 && sides.iter().filter(|&&side| side > 1).count() <= 1 => {
            return Ok(Some(Geometry::Ring));
        }
        ("torus" | "plane", &[rows, columns]) => [rows, columns],
        (_, of) => {
            let own = joined(of, " x ");
            let (what, remedy) = match word {
                "ring" => ("one dimension", "say torus or plane, or give states in one dimension of space"),
                _ => ("two dimensions", "say rows and columns in `grid_shape`, or give the states the dimensions y, x"),
            };
            let said = if sides.is_some() { "`grid_shape` is" } else { "its states are of size" };
            return refused(format!("`geometry` is {word}, which has {what}, but {said} {own}"), remedy);
        }
    };
    Ok(Some(if word == "torus" { Geometry::Torus { rows, columns } } else { Geometry::Plane { rows, columns } }))
}

/// The word of a layout.
fn named(path: &Path, stored: &Stored) -> Result<&'static str> {
    let said = stored.attribute();
    let text = said.as_ref().and_then(Attribute::text).map(|text| text.trim().to_lowercase());
    let known = ["unstructured", "ring", "torus", "plane"].into_iter().find(|word| text.as_deref() == Some(word));
    let shown = text.map_or("no word".into(), |text| format!("`{text}`"));
    known.ok_or_else(|| Error::data(path, format!("the attribute `geometry` of the file is {shown}"), WORDS))
}

/// The sizes of a grid.
fn sizes(path: &Path, stored: &Stored) -> Result<Vec<usize>> {
    let numbers = stored.attribute().and_then(|said| said.numbers());
    let whole = |side: &f64| side.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(side);
    let shown = numbers.as_ref().map_or("no list of numbers".into(), |numbers| joined(numbers, ", "));
    numbers
        .filter(|sides| sides.iter().all(whole))
        .map(|sides| sides.into_iter().map(|side| side as usize).collect())
        .ok_or_else(|| Error::data(path, format!("the attribute `grid_shape` of the file is {shown}"), SIZES))
}

fn joined(numbers: &[impl ToString], by: &str) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(by)
}

/// Refuses a grid that has not as many points as a state has components, or other sizes than the field that is there.
fn fits(path: &Path, sides: &[usize], space: &[usize]) -> Result<()> {
    let product = |sizes: &[usize]| sizes.iter().try_fold(1, |n: usize, &side| n.checked_mul(side));
    let [own, field] = [sides, space].map(|of| joined(of, " x "));
    let message = if product(sides) != product(space) {
        let components = product(space).unwrap_or(usize::MAX);
        format!("`grid_shape` is {own}, but a state has {components} components")
    } else if space.len() > 1 && sides != space {
        format!("`grid_shape` is {own}, but a state is a field of {field}")
    } else {
        return Ok(());
    };
    Err(Error::data(path, message, "correct the attribute or remove it"))
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::super::super::Limits;
    use super::super::{StoredTrajectories, Values, Variable, read_outline, read_trajectories, write};
    use super::*;

    const TORUS: Geometry = Geometry::Torus { rows: 4, columns: 5 };

    /// States of 20 components, in one dimension or two, in a file that says this of them.
    fn laid(field: bool, attributes: &[(&str, Attribute)]) -> Result<Option<Geometry>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nc");
        let dataset = Dataset::default().dimension("case", 2).dimension("time", 3);
        let (dataset, names): (_, &[&str]) = match field {
            true => (dataset.dimension("y", 4).dimension("x", 5), &["case", "time", "y", "x"]),
            false => (dataset.dimension("x", 20), &["case", "time", "x"]),
        };
        let dataset = dataset.variable(Variable::new("u", names, Values::F64(vec![0.0; 120])));
        let dataset = attributes.iter().fold(dataset, |dataset, (name, value)| dataset.with(name, value.clone()));
        write(&path, &dataset).unwrap();
        let limits = Limits::bytes(1 << 26);
        let outline = read_outline(&path, None, &limits)?;
        let whole = read_trajectories(&path, None, &limits).unwrap();
        assert_eq!(whole.values.dim(), (2, 3, 20));
        assert_eq!(whole.geometry, outline.geometry);
        Ok(outline.geometry)
    }

    #[test]
    fn sizes_of_any_type_are_understood() {
        for sides in [
            Attribute::I8(vec![4, 5]),
            Attribute::I32(vec![4, 5]),
            Attribute::I64(vec![4, 5]),
            Attribute::U64(vec![4, 5]),
            Attribute::F32(vec![4.0, 5.0]),
            Attribute::F64(vec![4.0, 5.0]),
        ] {
            let said = [("geometry", " Torus".into()), ("grid_shape", sides)];
            assert_eq!(laid(false, &said).unwrap(), Some(TORUS));
            assert_eq!(laid(true, &said).unwrap(), Some(TORUS));
        }
        assert_eq!(laid(true, &[("geometry", "torus".into())]).unwrap(), Some(TORUS));
        let ring = [("geometry", "ring".into()), ("grid_shape", Attribute::I32(vec![20]))];
        assert_eq!(laid(false, &ring).unwrap(), Some(Geometry::Ring));
        let apart = [("geometry", "unstructured".into()), ("grid_shape", Attribute::I32(vec![4, 5]))];
        assert_eq!(laid(false, &apart).unwrap(), Some(Geometry::Unstructured));
        assert_eq!((laid(false, &[]).unwrap(), laid(true, &[]).unwrap()), (None, None));
    }

    #[test]
    fn what_is_said_and_not_understood_is_refused() {
        let whole = |sides: &[i64]| Attribute::I64(sides.to_vec());
        let rows: [(bool, Option<Attribute>, Option<Attribute>, &str); 12] = [
            (false, Some("torus".into()), None, "`geometry` is torus, which has two dimensions"),
            (false, Some("plane".into()), Some(whole(&[2, 2, 5])), "`grid_shape` is 2 x 2 x 5"),
            (false, Some("torus".into()), Some(whole(&[20])), "`grid_shape` is 20"),
            (false, Some("torus".into()), Some(whole(&[4, 6])), "`grid_shape` is 4 x 6, but a state has 20 components"),
            (false, Some("plane".into()), Some(whole(&[-4, -5])), "`grid_shape` of the file is -4, -5"),
            (false, Some("plane".into()), Some(Attribute::F64(vec![2.5, 8.0])), "is 2.5, 8"),
            (false, Some("plane".into()), Some("4 x 5".into()), "no list of numbers"),
            (false, Some("ring".into()), Some(whole(&[4, 5])), "`geometry` is ring, which has one dimension"),
            (true, Some("ring".into()), None, "`geometry` is ring, which has one dimension"),
            (
                true,
                Some("torus".into()),
                Some(whole(&[5, 4])),
                "`grid_shape` is 5 x 4, but a state is a field of 4 x 5",
            ),
            (false, Some("sphere".into()), None, "`geometry` of the file is `sphere`"),
            (false, None, Some(whole(&[4, 5])), "`grid_shape` without `geometry`"),
        ];
        for (field, geometry, sides, says) in rows {
            let said = [geometry.map(|word| ("geometry", word)), sides.map(|sides| ("grid_shape", sides))];
            let error = laid(field, &said.into_iter().flatten().collect::<Vec<_>>()).unwrap_err();
            assert!(matches!(error, Error::Data(_)) && error.to_string().contains(says), "{error}");
        }
        let number = laid(false, &[("geometry", Attribute::I32(vec![1]))]).unwrap_err().to_string();
        assert!(number.contains("no word") && number.contains("unstructured, ring, torus or plane"), "{number}");
    }

    #[test]
    fn what_is_written_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nc");
        for geometry in [Geometry::Ring, TORUS, Geometry::Plane { rows: 4, columns: 5 }, Geometry::Unstructured] {
            let values = Array3::zeros((1, 2, 20));
            let stored = StoredTrajectories { geometry: Some(geometry), ..StoredTrajectories::new(values, None) };
            super::super::write_trajectories(&path, &stored, &super::super::Origin::default()).unwrap();
            let back = read_outline(&path, None, &Limits::bytes(1 << 26)).unwrap();
            assert_eq!(back.geometry, Some(geometry));
        }
    }
}
