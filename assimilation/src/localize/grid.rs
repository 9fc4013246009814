//! Where the components of a state sit, and how far they are from each other.

use scorecast_systems::Geometry;

use crate::error::{Error, Result};
use crate::observe::Place;

/// How the components of a state lie in space; the number of components gives the number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A periodic line.
    Ring,
    /// A doubly periodic grid, row by row.
    Torus {
        /// Grid points in a row.
        columns: usize,
    },
    /// A grid with boundaries, row by row.
    Plane {
        /// Grid points in a row.
        columns: usize,
    },
}

/// The word for components without distances.
pub(super) const UNSTRUCTURED: &str = "unstructured";

impl Layout {
    /// The words of the setting `geometry`; the last is no layout.
    pub const WORDS: &'static [&'static str] = &["ring", "torus", "plane", UNSTRUCTURED];

    /// The layout of a word of [`Layout::WORDS`]; none where it needs `columns` and that is 0, and where it is none.
    pub fn named(word: &str, columns: usize) -> Option<Self> {
        match (word, columns) {
            ("torus", 1..) => Some(Self::Torus { columns }),
            ("plane", 1..) => Some(Self::Plane { columns }),
            ("torus" | "plane", 0) | (UNSTRUCTURED, _) => None,
            _ => Some(Self::Ring),
        }
    }
}

impl TryFrom<Geometry> for Layout {
    type Error = Error;

    /// # Errors
    /// When the geometry has no distances.
    fn try_from(geometry: Geometry) -> Result<Self> {
        match geometry {
            Geometry::Ring => Ok(Self::Ring),
            Geometry::Torus { columns, .. } => Ok(Self::Torus { columns }),
            Geometry::Plane { columns, .. } => Ok(Self::Plane { columns }),
            other => Err(Error::Unsupported(format!(
                "localization needs distances, and components that are {} have none; leave `radius` out, or \
                 use a system on a ring, a torus or a plane",
                other.word()
            ))),
        }
    }
}

/// A grid of `rows` x `columns` points; component `r * columns + c` is at row r, column c. A ring is one periodic row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Grid points in the first direction.
    pub rows: usize,
    /// Grid points in the second direction.
    pub columns: usize,
    /// Whether both directions are periodic.
    pub periodic: bool,
}

impl Grid {
    /// The grid of a state of `dim` components.
    ///
    /// # Errors
    /// When rows of that many columns do not hold `dim` components.
    pub fn new(layout: Layout, dim: usize) -> Result<Self> {
        let (columns, periodic) = match layout {
            Layout::Ring => (dim, true),
            Layout::Torus { columns } => (columns, true),
            Layout::Plane { columns } => (columns, false),
        };
        if columns == 0 || dim == 0 || !dim.is_multiple_of(columns) {
            return Err(Error::Shape(format!(
                "a state of {dim} components does not fill rows of {columns}; set `columns` to a divisor of {dim}"
            )));
        }
        Ok(Self { rows: dim / columns, columns, periodic })
    }

    /// The number of points.
    pub fn dim(&self) -> usize {
        self.rows * self.columns
    }

    /// The distance between two places, in grid units: Euclidean, the shorter way round where it is periodic.
    pub fn distance(&self, from: impl Into<Place>, to: impl Into<Place>) -> f64 {
        let (from, to) = (self.position(from.into()), self.position(to.into()));
        let rows = self.separation((from[0] - to[0]).abs(), self.rows);
        let columns = self.separation((from[1] - to[1]).abs(), self.columns);
        rows.hypot(columns)
    }

    /// Row and column.
    fn position(&self, place: Place) -> [f64; 2] {
        let index = [place.component / self.columns, place.component % self.columns];
        [index[0] as f64 + place.beside[0], index[1] as f64 + place.beside[1]]
    }

    /// The distance of two points whose positions differ by `difference`, in a direction of `size` points.
    pub(super) fn separation(&self, difference: f64, size: usize) -> f64 {
        if !self.periodic {
            return difference;
        }
        let difference = difference % size as f64;
        difference.min(size as f64 - difference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_go_the_shorter_way_round_where_there_is_one() {
        let ring = Grid::new(Layout::Ring, 10).unwrap();
        assert_eq!([ring.distance(0, 3), ring.distance(1, 9), ring.distance(7, 2)], [3.0, 2.0, 5.0]);
        // components 0 and 23 of 4 rows of 6 are opposite corners
        let torus = Grid::new(Layout::Torus { columns: 6 }, 24).unwrap();
        let plane = Grid::new(Layout::Plane { columns: 6 }, 24).unwrap();
        assert_eq!(torus.distance(0, 23), 2.0f64.sqrt());
        assert_eq!(plane.distance(0, 23), 34.0f64.sqrt());
        // from (3.5, 5.75) to (0, 0), and round the torus
        let beside = Place { component: 23, beside: [0.5, 0.75] };
        assert_eq!(plane.distance(beside, 0), 3.5f64.hypot(5.75));
        assert_eq!(torus.distance(0, beside), 0.5f64.hypot(0.25));
    }

    #[test]
    fn what_has_no_distances_is_refused_with_the_remedy() {
        let message = Layout::try_from(Geometry::Unstructured).unwrap_err().to_string();
        assert!(message.contains("unstructured") && message.contains("leave `radius` out"), "{message}");
        assert_eq!(Layout::try_from(Geometry::Torus { rows: 3, columns: 4 }).unwrap(), Layout::Torus { columns: 4 });
        let message = Grid::new(Layout::Plane { columns: 7 }, 24).unwrap_err().to_string();
        assert!(message.contains("24 components") && message.contains("rows of 7"), "{message}");
    }
}
