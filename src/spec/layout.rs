//! How components are laid out in space: the words that a user may say of it.

use crate::systems::Geometry;

/// How components are laid out in space, as far as it is known before any file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As the system says.
    System(Geometry),
    /// As the file says; separate quantities where it says nothing.
    AsFile,
    /// As the user says of a file, in a word of [`Layout::WORDS`].
    Word(&'static str),
}

impl Layout {
    /// The words that a user may say.
    pub const WORDS: &'static [&'static str] = &["unstructured", "ring", "torus", "plane"];

    /// Whether it is one field on a periodic one-dimensional grid.
    pub fn is_ring(self) -> bool {
        matches!(self, Self::System(Geometry::Ring) | Self::Word("ring"))
    }

    /// The layout of trajectories from a file whose states have these sizes in space and which says `own` of itself.
    ///
    /// # Errors
    /// A clause that says why the user's word does not fit the file.
    pub fn of_file(self, space: &[usize], own: Option<Geometry>) -> Result<Geometry, String> {
        match (self, space, own) {
            (Self::System(geometry), ..) => Ok(geometry),
            (Self::AsFile, _, own) => Ok(own.unwrap_or(Geometry::Unstructured)),
            (Self::Word("ring"), [_], _) => Ok(Geometry::Ring),
            (Self::Word("torus"), &[rows, columns], _)
            | (Self::Word("torus"), _, Some(Geometry::Torus { rows, columns } | Geometry::Plane { rows, columns })) => {
                Ok(Geometry::Torus { rows, columns })
            }
            (Self::Word("plane"), &[rows, columns], _)
            | (Self::Word("plane"), _, Some(Geometry::Torus { rows, columns } | Geometry::Plane { rows, columns })) => {
                Ok(Geometry::Plane { rows, columns })
            }
            (Self::Word("unstructured"), ..) => Ok(Geometry::Unstructured),
            (Self::Word(word), ..) => {
                let sizes = space.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
                let needed = if word == "ring" { 1 } else { 2 };
                Err(format!("geometry `{word}` needs states in {needed} dimension(s) of space, and these have {sizes}"))
            }
        }
    }
}
