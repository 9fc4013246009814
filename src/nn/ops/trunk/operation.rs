//! A trunk with its weights, and what Candle sees of it: one operation of x, and of the weights where they are tracked.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Layout, Result, Shape as Dims, Tensor};

use rayon::prelude::*;

use super::super::real::Real;
use super::super::{elements, with};
use super::affine::{Affine, COPIES, Packed, ROWS};
use super::backward::Wanted;
use super::layers::{Layers, Shape, Weights};
use super::workspace::Workspace;
use super::workspaces::{Workspaces, locked};

/// Noise levels whose film is remembered: more than a sampler has.
const REMEMBERED: usize = 128;

/// How the gradient of weights goes.
#[derive(Clone, Debug)]
pub enum Route {
    /// There is none: the weights are plain.
    Plain,
    /// To one flat tensor of all weights and biases, in the order of the maps.
    Flat(Tensor),
    /// What it is made of is kept until it is gathered; the tensor is any that is tracked.
    Gathered(Tensor),
}

/// A trunk: its weights, and the workspaces of its workspaces.
#[derive(Debug)]
pub struct Trunk<T> {
    pub(super) layers: Layers,
    weights: RwLock<Weights<T>>,
    /// The films of plain weights at the last levels, by their bits.
    films: Mutex<Vec<(Bits, Films<T>)>>,
}

/// A row of levels by its bits.
type Bits = Vec<u64>;

/// One row of film for each block.
type Films<T> = Arc<Vec<Vec<T>>>;

/// The workspaces of a trunk, shared by its workspaces.
pub(in crate::nn) type SharedWorkspaces<T> = Arc<Workspaces<T>>;

impl<T: Real> Trunk<T> {
    /// A trunk of this shape whose weights are still to be loaded.
    pub fn new(shape: Shape) -> Self {
        Self { layers: Layers::new(shape), weights: RwLock::default(), films: Mutex::default() }
    }

    /// Loads all weights: `pack` has a map packed, given its index, by [`Affine::pack`].
    ///
    /// # Errors
    /// The errors of `pack`.
    pub(super) fn load<E: Send>(
        &self,
        pack: impl Fn(usize, &Affine, &mut Packed<T>) -> std::result::Result<(), E> + Sync,
    ) -> std::result::Result<(), E>
    where
        T: Send + Sync,
    {
        let mut weights = self.weights.write().unwrap_or_else(PoisonError::into_inner);
        weights.resize_with(self.layers.maps.len(), Default::default);
        let maps = weights.par_iter_mut().zip(&self.layers.maps).enumerate();
        maps.try_for_each(|(index, (packed, map))| pack(index, map, packed))?;
        locked(&self.films).clear();
        Ok(())
    }

    /// A trunk with these weights and biases, in the order of the maps.
    ///
    /// # Errors
    /// When they are not of this precision on the CPU, or too few.
    pub fn with_tensors(shape: Shape, tensors: &[(&Tensor, &Tensor)]) -> Result<Self> {
        let trunk = Self::new(shape);
        trunk.load(|index, map, packed| match tensors.get(index) {
            Some((weight, bias)) => with(weight, |weight: &[T]| {
                with(bias, |bias: &[T]| {
                    map.pack(weight, bias, packed);
                    Ok(())
                })
            }),
            None => candle_core::bail!("a trunk needs more than {index} maps"),
        })?;
        Ok(trunk)
    }

    pub(super) fn weights(&self) -> RwLockReadGuard<'_, Weights<T>> {
        self.weights.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// out of x, `[example, ...]` with as many elements as the shape says, as a tensor of dimensions `dims`. `levels` are
    /// one row for each example, one for all, or none.
    ///
    /// # Errors
    /// When the tensors do not fit, or are not of this precision on the CPU.
    pub(in crate::nn) fn apply(
        self: &Arc<Self>,
        x: &Tensor,
        levels: Option<&[f64]>,
        route: &Route,
        workspaces: &SharedWorkspaces<T>,
        dims: (usize, usize, usize),
    ) -> Result<Tensor> {
        let x = x.contiguous()?;
        let levels = levels.unwrap_or_default().to_vec();
        let pass = Call { trunk: self.clone(), workspaces: workspaces.clone(), route: route.clone(), levels, dims };
        match route {
            Route::Plain if !x.track_op() => {
                let mut workspace = workspaces.take();
                let out = with(&x, |x| pass.forward(x, &mut workspace, false));
                workspaces.give(workspace);
                Tensor::from_vec(out?, dims, &Device::Cpu)
            }
            Route::Plain => x.apply_op1(Operation { pass, workspace: Mutex::default() }),
            Route::Flat(weights) | Route::Gathered(weights) => {
                x.apply_op2(weights, Operation { pass, workspace: Mutex::default() })
            }
        }
    }

    /// The films at one row of levels, remembered.
    fn remembered(&self, levels: &[f64], workspace: &mut Workspace<T>) -> Films<T> {
        let own: Bits = levels.iter().map(|level| level.to_bits()).collect();
        let find =
            |films: &[(Bits, Films<T>)]| films.iter().find(|(bits, _)| *bits == own).map(|(_, films)| films.clone());
        if let Some(films) = find(&locked(&self.films)) {
            return films;
        }
        self.layers.film_of(&self.weights(), levels, workspace);
        let row = 2 * self.layers.shape.width;
        let films: Films<T> = Arc::new(workspace.film.iter().map(|film| film[..row].to_vec()).collect());
        let mut all = locked(&self.films);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        if find(&all).is_none() {
            all.push((own, films.clone()));
        }
        films
    }
}

/// One pass.
struct Call<T> {
    trunk: Arc<Trunk<T>>,
    workspaces: SharedWorkspaces<T>,
    route: Route,
    levels: Vec<f64>,
    dims: (usize, usize, usize),
}

impl<T: Real> Call<T> {
    fn forward(&self, x: &[T], workspace: &mut Workspace<T>, kept: bool) -> Result<Vec<T>> {
        let (layers, (examples, components, fields)) = (&self.trunk.layers, self.dims);
        let shape = layers.shape;
        let levels = self.levels.len() / shape.levels.max(1);
        let (inputs, outputs) = (shape.field.positions() * shape.inputs, shape.field.positions() * shape.outputs);
        if x.len() != examples * inputs || components * fields != outputs {
            candle_core::bail!(
                "a trunk of {inputs} inputs and {outputs} outputs was given {} numbers for {examples} examples of \
                 {components} x {fields} outputs",
                x.len()
            );
        }
        if self.levels.len() != levels * shape.levels
            || (levels > 0) != (shape.levels > 0)
            || (levels > 1 && levels != examples)
        {
            candle_core::bail!(
                "{} noise levels were given for {examples} examples: {} for each, or for all",
                self.levels.len(),
                shape.levels
            );
        }
        workspace.forward(layers, examples, levels, kept);
        self.film(workspace);
        layers.forward(&self.trunk.weights(), x, workspace, kept);
        let mut out = vec![T::zero(); examples * outputs];
        shape.field.gather(&workspace.output, &mut out, shape.outputs, examples);
        Ok(out)
    }

    /// The film of the levels, in the workspace: made, or remembered where the weights are plain and there is one row of them.
    fn film(&self, workspace: &mut Workspace<T>) {
        match (&self.route, self.levels.as_slice()) {
            (_, []) => {}
            (Route::Plain, levels) if workspace.levels == 1 => {
                let films = self.trunk.remembered(levels, workspace);
                for (place, film) in workspace.film.iter_mut().zip(films.iter()) {
                    place[..film.len()].copy_from_slice(film);
                }
            }
            (_, levels) => self.trunk.layers.film_of(&self.trunk.weights(), levels, workspace),
        }
    }

    /// The gradient of x, if it is wanted, from the dense one of out; leaves those of all layers in the workspace.
    fn backward(&self, g: &[T], workspace: &mut Workspace<T>, input: bool) -> Option<Vec<T>> {
        let layers = &self.trunk.layers;
        let wanted = Wanted { weights: !matches!(self.route, Route::Plain), input };
        layers.backward(&self.trunk.weights(), g, workspace, wanted);
        let (field, channels) = (layers.shape.field, layers.shape.inputs);
        input.then(|| {
            let mut dx = vec![T::zero(); workspace.examples * field.positions() * channels];
            field.gather(&workspace.d_input, &mut dx, channels, workspace.examples);
            dx
        })
    }

    /// The gradients of all weights and biases, one after the other.
    fn flat(&self, workspace: &Workspace<T>) -> Vec<T> {
        let (mut flat, mut copies) = (Vec::new(), vec![T::zero(); COPIES]);
        for (index, map) in self.trunk.layers.maps.iter().enumerate() {
            let (mut weight, mut bias) = (vec![T::zero(); map.weights()], vec![T::zero(); map.outputs]);
            let factors = std::iter::once((0, self.trunk.layers.factors(workspace, index)));
            let rows = weight.chunks_mut((ROWS * map.terms()).max(1)).zip(bias.chunks_mut(ROWS));
            for (at, (weight, bias)) in rows.enumerate() {
                map.weight_gradient(factors.clone(), at * ROWS, (weight, bias), &mut copies);
            }
            flat.append(&mut weight);
            flat.append(&mut bias);
        }
        flat
    }
}

/// A pass that can be pulled back: its workspace is there from the forward pass on.
struct Operation<T: Real> {
    pass: Call<T>,
    workspace: Mutex<Option<Workspace<T>>>,
}

impl<T: Real> Operation<T> {
    fn forward(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Dims)> {
        let mut place = locked(&self.workspace);
        let workspace = place.get_or_insert_with(|| self.pass.workspaces.take());
        let out = self.pass.forward(elements(x, layout)?, workspace, true)?;
        Ok((T::to_cpu_storage_owned(out), self.pass.dims.into()))
    }

    /// The gradients of x and of the flat weights, where each is wanted.
    fn backward(&self, x: &Tensor, gradient: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut place = locked(&self.workspace);
        let Some(workspace) = place.as_mut() else {
            candle_core::bail!("a pass was pulled back again after its workspace was given away")
        };
        let dx = with(&gradient.contiguous()?, |g| Ok(self.pass.backward(g, workspace, x.track_op())))?;
        let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), &Device::Cpu)).transpose()?;
        let flat = match &self.pass.route {
            Route::Flat(weights) => Some(Tensor::from_vec(self.pass.flat(workspace), weights.shape(), &Device::Cpu)?),
            Route::Plain | Route::Gathered(_) => None,
        };
        if let (Route::Gathered(_), Some(workspace)) = (&self.pass.route, place.take_if(|_| self.gathered())) {
            self.pass.workspaces.keep(workspace);
        }
        Ok((dx, flat))
    }

    const fn gathered(&self) -> bool {
        matches!(self.pass.route, Route::Gathered(_))
    }
}

impl<T: Real> Drop for Operation<T> {
    fn drop(&mut self) {
        if let Some(workspace) = locked(&self.workspace).take() {
            self.pass.workspaces.give(workspace);
        }
    }
}

impl<T: Real> CustomOp1 for Operation<T> {
    fn name(&self) -> &'static str {
        "trunk"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Dims)> {
        self.forward(x, layout)
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(self.backward(x, gradient)?.0)
    }
}

impl<T: Real> CustomOp2 for Operation<T> {
    fn name(&self) -> &'static str {
        "trunk with tracked weights"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Dims)> {
        self.forward(x, layout)
    }

    fn bwd(
        &self,
        x: &Tensor,
        _weights: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.backward(x, gradient)
    }
}
