//! States of trajectories, `[case, time, component]`: in memory, or in a file of which the system keeps in memory what it has
//! room for.
//!
//! The file is mapped: who reads the states reads an array, whatever holds them, and gets the same bytes.

use std::sync::Arc;

use ndarray::{Array3, ArrayView3};

use super::mapping::Mapping;

/// States of trajectories, `[case, time, component]`. Copies share what they hold.
#[derive(Clone, Debug)]
pub struct States(Held);

#[derive(Clone, Debug)]
enum Held {
    Memory(Arc<Array3<f64>>),
    /// The values from the one of number `first` on.
    Disk {
        file: Arc<Mapping>,
        first: usize,
        shape: [usize; 3],
    },
}

impl From<Array3<f64>> for States {
    fn from(states: Array3<f64>) -> Self {
        // whoever made them may have turned them
        let states = if states.is_standard_layout() { states } else { states.as_standard_layout().into_owned() };
        Self(Held::Memory(Arc::new(states)))
    }
}

impl States {
    /// So many cases after each other out of a file of `[case, time, component]`: one [`States`] for each count.
    pub(super) fn of_file<const N: usize>(
        file: Mapping,
        counts: [usize; N],
        [times, components]: [usize; 2],
    ) -> [Self; N] {
        let (file, state) = (Arc::new(file), times * components);
        assert_eq!(file.values().len(), counts.iter().sum::<usize>() * state, "the values of all states");
        let mut first = 0;
        counts.map(|cases| {
            let held = Held::Disk { file: Arc::clone(&file), first, shape: [cases, times, components] };
            first += cases * state;
            Self(held)
        })
    }

    /// All of them, `[case, time, component]`.
    pub fn view(&self) -> ArrayView3<'_, f64> {
        match &self.0 {
            Held::Memory(states) => states.view(),
            Held::Disk { file, first, shape } => {
                let values = &file.values()[*first..*first + shape.iter().product::<usize>()];
                match ArrayView3::from_shape(*shape, values) {
                    Ok(states) => states,
                    Err(error) => unreachable!("as many values as the shape has: {error}"),
                }
            }
        }
    }

    /// How many cases, times and components.
    pub fn dim(&self) -> (usize, usize, usize) {
        match &self.0 {
            Held::Memory(states) => states.dim(),
            Held::Disk { shape, .. } => (*shape).into(),
        }
    }

    /// Whether they are in a file.
    pub fn is_on_disk(&self) -> bool {
        matches!(self.0, Held::Disk { .. })
    }

    /// Tells the system that these parts of the states are read soon: what is not in memory is read from the disk while this
    /// process does something else. Parts of other arrays are passed over.
    pub fn read_soon(&self, parts: &mut dyn Iterator<Item = &[f64]>) {
        if let Held::Disk { file, .. } = &self.0 {
            file.read_soon(parts);
        }
    }

    /// Tells the system whether states are read here and there, or from one end to the other.
    pub fn read_at_random(&self, random: bool) {
        if let Held::Disk { file, .. } = &self.0 {
            file.read_at_random(random);
        }
    }
}
