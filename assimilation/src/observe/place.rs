//! Where an observed value sits.

/// A place on the grid of the components: at a component, or beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place {
    /// The nearest component.
    pub component: usize,
    /// How far from it the value is, down the rows and along a row, in grid units.
    pub beside: [f64; 2],
}

impl From<usize> for Place {
    fn from(component: usize) -> Self {
        Self { component, beside: [0.0; 2] }
    }
}

impl Place {
    /// Whether it is a component's own.
    pub fn is_on_grid(self) -> bool {
        self.beside == [0.0; 2]
    }
}
