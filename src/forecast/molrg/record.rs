//! The stored form: `weights`, `means`, `bases`, `variances` and `floors`, a row a part; a row of `bases` is a basis, column
//! after column.

use ndarray::{Array1, Array2};
use serde_json::json;

use super::super::stored::{matrix, misfit, reals, tensor, vector};
use super::super::{Fitted, Parts, Result, Training};
use super::conditional::Conditional;
use super::parts::SubspacePart;
use super::{COMPONENTS, DIMENSION, ENTRY, Molrg};
use crate::model::Model;
use crate::systems::gaussian::LowRankGaussian;

/// The forecaster, which is stored as its parts.
pub(super) fn fitted(molrg: Molrg, training: Training) -> Fitted {
    Fitted::new(ENTRY.name, molrg, training, |Molrg { parts, .. }| {
        let (n, d) = parts[0].gaussian.basis.dim();
        let rows = |width: usize, of: &dyn Fn(&LowRankGaussian) -> Array1<f64>| {
            let mut out = Array2::zeros((parts.len(), width));
            out.outer_iter_mut().zip(parts).for_each(|(mut row, part)| row.assign(&of(&part.gaussian)));
            tensor(&out)
        };
        let basis = |part: &LowRankGaussian| part.basis.t().iter().copied().collect();
        Parts::new(
            json!({ COMPONENTS.key: parts.len(), DIMENSION.key: d }),
            [
                ("weights", reals(parts.iter().map(|part| part.gaussian.weight).collect())),
                ("means", rows(n, &|part| part.mean.clone())),
                ("bases", rows(n * d, &basis)),
                ("variances", rows(d, &|part| part.variances.clone())),
                ("floors", reals(parts.iter().map(|part| part.floor).collect())),
            ],
        )
    })
}

/// From plain data.
///
/// # Errors
/// When it is incomplete or damaged.
pub(super) fn load(model: &Model) -> Result<Fitted> {
    let (means, bases, variances) = (matrix(model, "means")?, matrix(model, "bases")?, matrix(model, "variances")?);
    let ((count, n), d) = (means.dim(), variances.ncols());
    let (weights, floors) = (vector(model, "weights", count)?, vector(model, "floors", count)?);
    for (name, found, needed) in
        [("variances", variances.dim(), (count, d)), ("bases", bases.dim(), (count, n.saturating_mul(d)))]
    {
        if found != needed || count == 0 || n == 0 || n % 2 == 1 {
            return Err(misfit(
                model,
                name,
                &format!("is {} x {} beside {count} means of {n} components", found.0, found.1),
            ));
        }
    }
    let part = |k: usize| -> Result<SubspacePart> {
        let gaussian = LowRankGaussian {
            weight: weights[k],
            mean: means.row(k).to_owned(),
            basis: Array2::from_shape_fn((n, d), |(c, j)| bases[[k, j * n + c]]),
            variances: variances.row(k).to_owned(),
        };
        let part = SubspacePart { gaussian, floor: floors[k] };
        let sound = part.floor > 0.0 && part.gaussian.mean.iter().all(|mean| mean.is_finite());
        let problem = match part.law() {
            Ok(_) if sound => return Ok(part),
            Ok(_) => "a floor that is not above 0, or a mean that is not finite".to_owned(),
            Err(problem) => problem.to_string(),
        };
        Err(misfit(model, "bases", &format!("belongs to part {k}, which cannot be used ({problem})")))
    };
    let parts = (0..count).map(part).collect::<Result<Vec<_>>>()?;
    let conditional = Conditional::new(&parts)?;
    Ok(fitted(Molrg { parts, conditional }, Training::load(model)?))
}
