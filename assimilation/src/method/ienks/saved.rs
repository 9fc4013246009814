//! The saved state of the iterative smoother: members at the start, and as further numbers the window, the members at the
//! present, how many more arrays of members and sets there are, these members, and these sets.

use ndarray::Array2;

use super::IEnKsCycle;
use super::passes::Pass;
use crate::problem::{Error, Result};
use crate::state::{pack, unpack};

impl IEnKsCycle {
    /// The whole state.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut numbers = self.window.numbers();
        numbers.extend(&self.front);
        let flag = f64::from(u8::from(self.whole.is_some()));
        numbers.extend([flag, self.trail.len() as f64, self.passes.len() as f64]);
        numbers.extend(self.whole.iter().chain(&self.trail).flatten());
        self.passes.iter().for_each(|pass| pass.write(&mut numbers));
        pack(self.window.start(), &self.start, &numbers)
    }

    /// Takes back what [`IEnKsCycle::to_bytes`] gave.
    pub(super) fn set_from_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, start, numbers) = unpack(bytes)?;
        let foreign = || Error::State("its further numbers are not those of `ienks`".to_owned());
        if start.nrows() != self.members {
            return Err(Error::State(format!(
                "it has {} members but the method is set to {}; set `members` to {}",
                start.nrows(),
                self.members,
                start.nrows()
            )));
        }
        let mut window = self.window.clone();
        let rest = window.restore(step, &numbers)?;
        let array = |numbers: &[f64]| Array2::from_shape_vec(start.raw_dim(), numbers.to_vec()).map_err(|_| foreign());
        let (front, rest) = rest.split_at_checked(start.len()).ok_or_else(foreign)?;
        let (head, rest) = rest.split_at_checked(3).ok_or_else(foreign)?;
        let trail = head[1] as usize;
        if !(head[0] == 0.0 || head[0] == 1.0) || ![0, window.len()].contains(&trail) {
            return Err(foreign());
        }
        let more = (head[0] as usize + trail) * start.len();
        let (members, mut rest) = rest.split_at_checked(more).ok_or_else(foreign)?;
        let members = members.chunks_exact(start.len().max(1)).map(array).collect::<Result<Vec<_>>>()?;
        let mut members = members.into_iter();
        let whole = if head[0] == 1.0 { members.next() } else { None };
        let mut passes = Vec::new();
        while !rest.is_empty() {
            let (pass, behind) = Pass::read(rest).ok_or_else(foreign)?;
            passes.push(pass);
            rest = behind;
        }
        let expected = if self.method.multiple { window.len() } else { 0 };
        if passes.len() != expected || head[2] != expected as f64 {
            return Err(Error::State("it was saved with another setting of `mda`; set it as it was".to_owned()));
        }
        self.front = array(front)?;
        (self.window, self.start, self.whole, self.passes) = (window, start, whole, passes);
        self.trail = members.collect();
        Ok(())
    }
}
