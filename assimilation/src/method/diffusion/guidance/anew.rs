//! Draws by noising anew: z ~ p(z | z_t, y), then z_t' = alpha' z + sigma' xi at the next level, down to no noise (Zhang et al. 2024).
//!
//! If z_t has the law of z given y at its level, so has z_t' at its own, whatever the way between: what one level gets wrong is
//! noised over at the next, and no step is too long. With the exact law of z given z_t and y each level alone would do.

use ndarray::{Array2, ArrayView2};
use scorecast_systems::{Key, Level, Levels, Result, Stream};

/// Members of `shape`, `[member, component]`, at the end of `levels`, by `draw`, which gives z for z_t at the levels of its frames; none
/// where it gives none. Member i draws from stream i of `key`.
///
/// # Errors
/// Those of `draw`.
pub fn noise_anew(
    levels: &Levels,
    shape: (usize, usize),
    key: Key,
    mut draw: impl FnMut(ArrayView2<f64>, &[Level], &mut [Stream]) -> Result<Option<Array2<f64>>>,
) -> Result<Option<Array2<f64>>> {
    let mut streams: Vec<Stream> = (0..shape.0 as u64).map(|member| key.stream(member)).collect();
    let mut z = Array2::zeros(shape);
    add_noise(&mut z, levels.start(), &mut streams);
    for index in 0..levels.steps() {
        let Some(drawn) = draw(z.view(), levels.before(index), &mut streams)? else { return Ok(None) };
        z = drawn;
        add_noise(&mut z, levels.before(index + 1), &mut streams);
    }
    Ok(Some(z))
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
