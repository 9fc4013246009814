//! Draws by noising anew: z ~ p(z | z_t, y), then z_t' = alpha' z + sigma' xi at the next level, down to no noise (Zhang et al. 2024).
//!
//! If z_t has the law of z given y at its level, so has z_t' at its own, whatever the way between: what one level gets wrong is
//! noised over at the next, and no step is too long. With the exact law of z given z_t and y each level alone would do.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Key, Level, Levels, Result, Stream};

use super::point::Point;

/// A rule that draws z given z_t and y.
pub trait Drawing {
    /// A draw for each member, `[member, component]`; member i draws from `streams[i]` and from no other. `before` is the draw at
    /// the level before, where there was one: what leaves the law of z given z_t and y as it is may start from there.
    ///
    /// # Errors
    /// When the denoiser itself cannot run.
    fn draw(&self, at: &Point, before: Option<&Array2<f64>>, streams: &mut [Stream]) -> Result<Array2<f64>>;
}

/// z_t of all members.
#[derive(Clone, Copy)]
pub struct Noised<'a> {
    /// `[member, component]`.
    pub x_t: ArrayView2<'a, f64>,
    /// Its levels, one a frame.
    pub levels: &'a [Level],
    /// The z that was drawn at the level before, `[member, component]`, unless this is the first.
    pub before: Option<&'a Array2<f64>>,
}

/// Members of `shape`, `[member, component]`, at the end of `levels`, by `draw`, which gives z for z_t; none where it gives none. Member i draws from stream i of `key`.
///
/// # Errors
/// Those of `draw`.
pub fn noise_anew(
    levels: &Levels,
    shape: (usize, usize),
    key: Key,
    mut draw: impl FnMut(&Noised, &mut [Stream]) -> Result<Option<Array2<f64>>>,
) -> Result<Option<Array2<f64>>> {
    let mut streams: Vec<Stream> = (0..shape.0 as u64).map(|member| key.stream(member)).collect();
    let mut x_t = Array2::zeros(shape);
    add_noise(&mut x_t, levels.start(), &mut streams);
    let mut before = None;
    for index in 0..levels.steps() {
        let noised = Noised { x_t: x_t.view(), levels: levels.before(index), before: before.as_ref() };
        let Some(drawn) = draw(&noised, &mut streams)? else { return Ok(None) };
        x_t.assign(&drawn);
        add_noise(&mut x_t, levels.before(index + 1), &mut streams);
        before = Some(drawn);
    }
    Ok(Some(x_t))
}

/// alpha z + sigma xi in place of z, frame by frame.
fn add_noise(z: &mut Array2<f64>, levels: &[Level], streams: &mut [Stream]) {
    let width = z.ncols() / levels.len();
    for (mut row, stream) in z.outer_iter_mut().zip(streams) {
        for (component, z) in row.iter_mut().enumerate() {
            let Level { alpha, sigma } = levels[component / width];
            *z *= alpha;
            if sigma > 0.0 {
                *z += sigma * stream.normal();
            }
        }
    }
}
