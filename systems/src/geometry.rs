//! How the components of a state are laid out in space.

/// The places of the components of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Geometry {
    /// No spatial structure: components are separate quantities.
    Unstructured,
    /// One field on a periodic one-dimensional grid, component i at position i of `dim`.
    Ring,
    /// One field on a doubly periodic grid, row by row: component `r * columns + c`.
    Torus {
        /// Grid points in the first direction.
        rows: usize,
        /// Grid points in the second direction.
        columns: usize,
    },
    /// One field on a grid with boundaries, row by row.
    Plane {
        /// Grid points in the first direction.
        rows: usize,
        /// Grid points in the second direction.
        columns: usize,
    },
}

impl Geometry {
    /// The word for it, in experiments and files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unstructured => "unstructured",
            Self::Ring => "ring",
            Self::Torus { .. } => "torus",
            Self::Plane { .. } => "plane",
        }
    }
}
