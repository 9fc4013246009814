//! The grid that the components of a state stand on, for networks that move over one.

use scorecast_systems::Geometry;
use serde::{Deserialize, Serialize};

use crate::nn::ops::Boundary;

/// Positions of all members of a pass over a grid, at most.
const POSITIONS: usize = 640;

/// A grid in two directions, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Positions in the first direction.
    pub rows: usize,
    /// Positions in the second direction.
    pub columns: usize,
    /// Whether it is a torus; otherwise it has walls.
    pub periodic: bool,
}

impl Grid {
    /// The grid of a layout, where it has one in two directions.
    pub fn of(geometry: Geometry) -> Option<Self> {
        match geometry {
            Geometry::Torus { rows, columns } => Some(Self { rows, columns, periodic: true }),
            Geometry::Plane { rows, columns } => Some(Self { rows, columns, periodic: false }),
            _ => None,
        }
    }

    /// The grid of so many components of a layout; those of a ring are one row that closes.
    pub fn laid(geometry: Geometry, components: usize) -> Option<Self> {
        match geometry {
            Geometry::Ring => Some(Self { rows: 1, columns: components, periodic: true }),
            _ => Self::of(geometry),
        }
    }

    /// Members of a pass over its positions.
    pub(super) fn chunk(self) -> usize {
        (POSITIONS / (self.rows * self.columns).max(1)).clamp(1, 16)
    }

    /// What a convolution sees beyond its edge.
    pub const fn boundary(self) -> Boundary {
        if self.periodic { Boundary::Periodic } else { Boundary::Zero }
    }
}
