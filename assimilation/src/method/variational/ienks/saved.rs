//! The saved state of the iterative smoother: members at the start, and as further numbers the window, the members at the
//! present, how many more arrays of members and sets there are, these members, and these sets.

use super::IEnKsCycle;
use crate::error::{Error, Result};
use crate::method::variational::stored_set::StoredSet;
use crate::numbers::Numbers;
use crate::problem::require_saved_members;
use crate::state::{pack, unpack};

impl IEnKsCycle {
    /// The whole state.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut numbers = self.window.numbers();
        numbers.extend(&self.front);
        let flag = f64::from(u8::from(self.whole.is_some()));
        numbers.extend([flag, self.trail.len() as f64, self.pending.len() as f64]);
        numbers.extend(self.whole.iter().chain(&self.trail).flatten());
        self.pending.iter().for_each(|pass| pass.write(&mut numbers));
        pack(self.window.start(), &self.start, &numbers)
    }

    /// Takes back what [`IEnKsCycle::to_bytes`] gave.
    pub(super) fn set_from_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let (step, start, numbers) = unpack(bytes)?;
        require_saved_members(start.nrows(), self.members)?;
        let mut numbers = Numbers::new("ienks", &numbers);
        let mut window = self.window.clone();
        window.restore(step, &mut numbers)?;
        let front = numbers.matrix(start.dim())?;
        let (flag, trail, count) = (numbers.flag()?, numbers.count()?, numbers.count()?);
        if ![0, window.len()].contains(&trail) {
            return Err(numbers.refuse(&format!("members at {trail} of {} sets are kept", window.len())));
        }
        if count != if self.method.multiple { window.len() } else { window.waiting() } {
            return Err(Error::State("it was saved with another setting of `mda`; set it as it was".to_owned()));
        }
        let whole = if flag { Some(numbers.matrix(start.dim())?) } else { None };
        let trail = (0..trail).map(|_| numbers.matrix(start.dim())).collect::<Result<_>>()?;
        let pending = (0..count).map(|_| StoredSet::read(&mut numbers)).collect::<Result<_>>()?;
        numbers.end()?;
        (self.window, self.start, self.front) = (window, start, front);
        (self.whole, self.trail, self.pending) = (whole, trail, pending);
        Ok(())
    }
}
