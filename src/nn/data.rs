//! What a network learns from: the last step (x_k, x_{k+1}) of each window, with the states before x_k where it has a history and
//! the parameters of its trajectory where it is conditioned on them, and the scales that make it about a unit normal.
//!
//! scaled state = (x_k - mean) / sd, scaled increment z = (x_{k+1} - x_k - mean') / sd', with a mean and sd for each
//! component, or one for all components where they are one field at the positions of a grid.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayView3, ArrayViewMut1, Axis, s};

use super::windows::{Windows, evenly};
use super::{Error, Result};

/// Which part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset {
    /// What is learned from.
    Train,
    /// What decides which weights are kept.
    Valid,
}

/// Some steps, scaled.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Scaled x_k, `[row, component]`, behind it the states before it, as many as the history has, the newest first, and then
    /// the scaled parameters, each repeated for all components: a constant field.
    pub states: Array2<f64>,
    /// Scaled increments z, `[row, component]`.
    pub increments: Array2<f64>,
    /// Scaled increments of the lead steps after, one after the other, `[row, component]` each; none where one step is learned.
    pub later: Vec<Array2<f64>>,
    /// Which pair of its part of the data each row is.
    pub pairs: Vec<usize>,
}

/// Who holds states that are not all in memory.
pub trait Prefetch: Sync {
    /// These parts of them are read soon: they may be made ready in the meantime.
    fn read_soon(&self, parts: &mut dyn Iterator<Item = &[f64]>);

    /// From now on they are read here and there, or else from one end to the other.
    fn read_at_random(&self, random: bool);
}

/// Training and validation steps with their scales.
pub struct Data<'a> {
    train: Windows<'a>,
    valid: Windows<'a>,
    history: usize,
    /// Lead steps of a row.
    steps: usize,
    scales: Scales,
    /// The parameters of training and validation trajectories, `[case, parameter]`.
    parameters: Option<[ArrayView2<'a, f64>; 2]>,
    /// Who holds the states, where they are not all in memory.
    held_by: Option<&'a dyn Prefetch>,
}

impl<'a> Data<'a> {
    /// Of trajectories `[case, time, component]`, scaled by the training part; with one scale for all components where
    /// they are `one_field`. A step is given with the states before it, `history` with x_k.
    ///
    /// # Errors
    /// When there is nothing to learn from.
    pub fn new(
        train: ArrayView3<'a, f64>,
        valid: ArrayView3<'a, f64>,
        one_field: bool,
        history: usize,
    ) -> Result<Self> {
        let of = |part| Windows::new(part, history + 1, 1);
        let train = of(train);
        let scales = Scales::of(&train, one_field)?;
        Ok(Self { train, valid: of(valid), history, steps: 1, scales, parameters: None, held_by: None })
    }

    /// This data, whose states are held by another, who is told what is read soon.
    #[must_use]
    pub fn held_by(self, held_by: Option<&'a dyn Prefetch>) -> Self {
        Self { held_by, ..self }
    }

    /// This data with the parameters of each trajectory, `[case, parameter]` of training and validation, that every step of it is
    /// given with, scaled by the training part; `names` are theirs.
    ///
    /// # Errors
    /// When one is the same in all training trajectories.
    pub fn with_parameters(mut self, parts: [ArrayView2<'a, f64>; 2], names: &[String]) -> Result<Self> {
        let scale = Scale::of(names.len(), || parts[0].outer_iter().map(|row| row.to_owned()), false);
        if let Some(j) = (0..names.len()).find(|j| scale.sd[*j] <= 1e-12 * scale.mean[*j].abs()) {
            return Err(Error::Data(format!(
                "the parameter `{}` is the same in all {} training trajectories, so there is nothing to learn about it; leave \
                 it out of those that are drawn, or give more trajectories or a larger spread",
                names[j],
                parts[0].nrows()
            )));
        }
        self.scales.parameters = scale;
        self.parameters = Some(parts);
        Ok(self)
    }

    /// This data in rows of so many lead steps.
    ///
    /// # Errors
    /// When no trajectory is as long.
    pub fn ahead(&self, steps: usize) -> Result<Self> {
        let length = self.history + steps;
        let [train, valid] = [&self.train, &self.valid].map(|part| part.of_length(length));
        if train.is_empty() {
            return Err(Error::Data(format!(
                "training over {steps} lead steps takes {length} successive states, and no training trajectory has as many; \
                 set a smaller `rollout`, or give longer trajectories"
            )));
        }
        Ok(Self {
            train,
            valid,
            history: self.history,
            steps,
            scales: self.scales.clone(),
            parameters: self.parameters,
            held_by: self.held_by,
        })
    }

    /// This data scaled as other data were.
    #[must_use]
    pub fn scaled_by(self, scales: Scales) -> Self {
        Self { scales, ..self }
    }

    /// How many steps a part has.
    pub fn pairs(&self, part: Subset) -> usize {
        self.part(part).len()
    }

    /// How many states a step is given with.
    pub fn history(&self) -> usize {
        self.history
    }

    /// The scales.
    pub fn scales(&self) -> &Scales {
        &self.scales
    }

    /// These steps of a part, scaled.
    pub fn batch(&self, part: Subset, rows: &[usize]) -> Batch {
        let windows = self.part(part);
        let (count, dim) = (rows.len(), windows.dim());
        let mut states = Array2::zeros((count, (self.history + self.scales.parameters.len()) * dim));
        let mut increments = vec![Array2::zeros((count, dim)); self.steps];
        for (i, row) in rows.iter().enumerate() {
            let window = windows.get(*row);
            let (past, next) = window.split_at(Axis(0), self.history);
            for (back, x) in past.outer_iter().rev().enumerate() {
                (0..dim).for_each(|c| states[[i, back * dim + c]] = self.scales.states.scaled(x[c], c));
            }
            let from = past.outer_iter().skip(self.history - 1).chain(next.outer_iter());
            for ((x, next), increments) in from.zip(next.outer_iter()).zip(&mut increments) {
                (0..dim).for_each(|c| increments[[i, c]] = self.scales.increments.scaled(next[c] - x[c], c));
            }
            if let Some(parameters) = self.parameters_of(part, windows.case(*row)) {
                self.scales.parameters.put(parameters, states.slice_mut(s![i, self.history * dim..]));
            }
        }
        let later = increments.split_off(1);
        Batch { states, increments: increments.swap_remove(0), later, pairs: rows.to_vec() }
    }

    /// Whether it helps to say early which steps are wanted.
    pub fn is_held(&self) -> bool {
        self.held_by.is_some()
    }

    /// Says that these steps of a part are wanted soon.
    pub fn read_soon(&self, part: Subset, rows: &[usize]) {
        let Some(held_by) = self.held_by else { return };
        let windows = self.part(part);
        held_by.read_soon(&mut rows.iter().filter_map(|row| windows.get(*row).to_slice()));
    }

    /// Says whether steps are wanted here and there from now on, or one after the other.
    pub fn read_at_random(&self, random: bool) {
        self.held_by.iter().for_each(|held_by| held_by.read_at_random(random));
    }

    /// At most so many steps that the weights were not fitted to, evenly spaced; of the training part where there are none.
    pub fn withheld(&self, most: usize) -> Batch {
        let part = if self.pairs(Subset::Valid) > 0 { Subset::Valid } else { Subset::Train };
        let available = self.pairs(part);
        self.batch(part, &evenly(available, available.min(most)).collect::<Vec<_>>())
    }

    /// The parameters of a trajectory of a part.
    fn parameters_of(&self, part: Subset, case: usize) -> Option<ArrayView1<'_, f64>> {
        let [train, valid] = self.parameters.as_ref()?;
        Some(match part {
            Subset::Train => train.row(case),
            Subset::Valid => valid.row(case),
        })
    }

    fn part(&self, part: Subset) -> &Windows<'a> {
        match part {
            Subset::Train => &self.train,
            Subset::Valid => &self.valid,
        }
    }
}

/// A mean and a standard deviation for each component, in the units of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// `[component]`.
    pub mean: Array1<f64>,
    /// `[component]`, positive.
    pub sd: Array1<f64>,
}

impl Scale {
    /// From rows of `dim` components.
    pub(super) fn of<R: Iterator<Item = Array1<f64>>>(dim: usize, rows: impl Fn() -> R, one_field: bool) -> Self {
        let average = |term: &dyn Fn(&Array1<f64>) -> Array1<f64>| {
            let (sum, count) = rows().fold((Array1::zeros(dim), 0usize), |(sum, n), row| (sum + term(&row), n + 1));
            let mean: Array1<f64> = sum / count.max(1) as f64;
            match one_field {
                true => Array1::from_elem(dim, mean.sum() / dim as f64),
                false => mean,
            }
        };
        let mean = average(&|row| row.clone());
        let sd = average(&|row| (row - &mean).mapv(|value| value * value)).mapv(f64::sqrt);
        Self { mean, sd }
    }

    /// (value - mean) / sd of component c.
    pub fn scaled(&self, value: f64, c: usize) -> f64 {
        (value - self.mean[c]) / self.sd[c]
    }

    /// Of nothing.
    pub fn none() -> Self {
        Self { mean: Array1::zeros(0), sd: Array1::zeros(0) }
    }

    /// How many it is of.
    pub fn len(&self) -> usize {
        self.mean.len()
    }

    /// Whether it is of nothing.
    pub fn is_empty(&self) -> bool {
        self.mean.is_empty()
    }

    /// Puts `values`, scaled, into fields one after the other, each the same at all its positions.
    pub fn put(&self, values: ArrayView1<f64>, mut fields: ArrayViewMut1<f64>) {
        let positions = fields.len() / self.len().max(1);
        for (j, value) in values.iter().enumerate() {
            fields.slice_mut(s![j * positions..(j + 1) * positions]).fill(self.scaled(*value, j));
        }
    }
}

/// The scales of states, of increments and of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Scales {
    /// Of x_k.
    pub states: Scale,
    /// Of x_{k+1} - x_k.
    pub increments: Scale,
    /// Of the parameters that a step is given with, `[parameter]`.
    pub parameters: Scale,
}

impl Scales {
    /// Of the steps of some windows.
    ///
    /// # Errors
    /// When there are fewer than two, or a component never changes.
    pub fn of(windows: &Windows, one_field: bool) -> Result<Self> {
        let (count, dim) = (windows.len(), windows.dim());
        if count < 2 {
            return Err(Error::Data(format!(
                "a network learns from {} successive states at a time, and the training data have {count} such; give longer \
                 or more trajectories",
                windows.length()
            )));
        }
        let increment = |row| {
            let (x, next) = windows.step(row);
            &next - &x
        };
        let states = Scale::of(dim, || (0..count).map(|row| windows.step(row).0.to_owned()), one_field);
        let increments = Scale::of(dim, || (0..count).map(increment), one_field);
        for (scale, what) in [(&states, "has the same value in"), (&increments, "changes by the same amount in")] {
            // a spread at the level of rounding is none
            let spread = |c: usize| scale.sd[c] > 1e-12 * (scale.mean[c].abs() + states.mean[c].abs());
            if let Some(c) = (0..dim).find(|c| !spread(*c)) {
                return Err(Error::Data(format!(
                    "component {c} {what} all {count} training pairs, so there is nothing to learn about it; leave it out"
                )));
            }
        }
        Ok(Self { states, increments, parameters: Scale::none() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn scaled_pairs_have_unit_moments() {
        let data = array![[[0.0, 10.0], [1.0, 30.0], [4.0, 20.0], [2.0, 25.0]]];
        for one_field in [false, true] {
            let Batch { states, increments, .. } =
                Data::new(data.view(), data.view(), one_field, 1).unwrap().batch(Subset::Train, &[0, 1, 2]);
            for values in [states, increments] {
                let groups: Vec<Vec<f64>> = match one_field {
                    true => vec![values.iter().copied().collect()],
                    false => values.columns().into_iter().map(|c| c.to_vec()).collect(),
                };
                for group in groups {
                    let n = group.len() as f64;
                    assert!((group.iter().sum::<f64>() / n).abs() < 1e-12);
                    assert!((group.iter().map(|v| v * v).sum::<f64>() / n - 1.0).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn a_component_that_never_changes_is_refused() {
        let data = array![[[0.0, 7.0], [1.0, 7.0], [4.0, 7.0]]];
        let pairs = Windows::pairs(data.view());
        let message = Scales::of(&pairs, false).unwrap_err().to_string();
        assert!(message.contains("component 1") && message.contains("all 2 training pairs"), "{message}");
        // as a position of a field it is a wall
        assert!(Scales::of(&pairs, true).is_ok());
    }
}
