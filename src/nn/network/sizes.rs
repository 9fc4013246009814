//! What a network of a description holds and costs, found by going through it without drawing a weight.

use super::{NetworkConfig, Operations};
use crate::nn::Result;
use crate::nn::weights::Counted;

impl NetworkConfig {
    /// How many parameters the network has; none of them is drawn. The largest number there is stands for all that are
    /// larger. Blocks have the same number each, so that those beyond the second are not gone through.
    ///
    /// # Errors
    /// When there is no such network.
    pub fn parameters(&self) -> Result<usize> {
        let count = |blocks: usize| -> Result<usize> {
            let mut counted = Counted::default();
            Self { blocks, ..self.clone() }.network(&mut counted)?;
            Ok(counted.0)
        };
        let (one, two) = (count(self.blocks.min(1))?, count(self.blocks.min(2))?);
        Ok(two.saturating_add((two - one).saturating_mul(self.blocks.saturating_sub(2))))
    }

    /// Floating-point operations of the network; nothing of it is drawn. Blocks have the same number each, so that those
    /// beyond the second are not gone through.
    ///
    /// # Errors
    /// When there is no such network.
    pub fn operations(&self) -> Result<Operations> {
        let of = |blocks: usize| -> Result<Operations> {
            Ok(Self { blocks, ..self.clone() }.network(&mut Counted::default())?.operations())
        };
        let (one, two) = (of(self.blocks.min(1))?, of(self.blocks.min(2))?);
        let more = self.blocks.saturating_sub(2) as f64;
        let all = |of: fn(&Operations) -> f64| of(&two) + more * (of(&two) - of(&one));
        Ok(Operations { evaluation: all(|o| o.evaluation), level: all(|o| o.level), training: all(|o| o.training) })
    }

    /// The width at which the network has nearest to so many parameters; its own where these are beyond all numbers.
    ///
    /// # Errors
    /// When there is no such network.
    pub fn nearest_width(&self, parameters: usize) -> Result<usize> {
        let count = |width: usize| Self { width, ..self.clone() }.parameters();
        if parameters == usize::MAX {
            return Ok(self.width);
        }
        let mut width = 1;
        while count(width + 1)? <= parameters {
            width += 1;
        }
        let nearer = count(width + 1)?.abs_diff(parameters) < count(width)?.abs_diff(parameters);
        Ok(width + usize::from(nearer))
    }
}
