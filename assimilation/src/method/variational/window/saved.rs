//! The saved state of a window, as numbers.

use super::Window;
use crate::error::{Error, Result};
use crate::numbers::Numbers;

impl Window {
    /// What a saved state needs: lag, whether there was a set at the start, how many sets, their lead steps; before them,
    /// where `shift` is above 1, minus `shift` and how many sets wait, so that the state of a window without a shift stays
    /// what it was.
    pub fn numbers(&self) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.sets.len() + 5);
        if self.shift > 1 {
            out.extend([-(self.shift as f64), self.waiting as f64]);
        }
        out.extend([self.lag as f64, f64::from(u8::from(self.after_set)), self.sets.len() as f64]);
        out.extend(self.sets.iter().map(|step| *step as f64));
        out
    }

    /// Takes back what [`Window::numbers`] gave.
    ///
    /// # Errors
    /// When they are not those of a window of this lag and shift that starts at lead step `start`.
    pub fn restore(&mut self, start: usize, numbers: &mut Numbers) -> Result<()> {
        let other = |what: &str, found: usize, set: usize| {
            Err(Error::State(format!(
                "it has a window of {what} {found} but the method is set to {set}; set `{what}` to {found}"
            )))
        };
        let (shift, waiting) = match numbers.negative_count()? {
            Some(shift) => (shift, numbers.count()?),
            None => (1, 0),
        };
        let (lag, after_set, count) = (numbers.count()?, numbers.flag()?, numbers.count()?);
        if lag != self.lag {
            return other("lag", lag, self.lag);
        }
        if shift != self.shift {
            return other("shift", shift, self.shift);
        }
        if waiting >= shift || waiting > count || count - waiting > lag - shift {
            return Err(numbers.refuse(&format!(
                "{count} sets, of which {waiting} wait, stand in a window of lag {lag} and shift {shift}"
            )));
        }
        let sets = (0..count).map(|_| numbers.count()).collect::<Result<Vec<_>>>()?;
        if std::iter::once(&start).chain(&sets).zip(&sets).any(|(before, after)| before > after) {
            return Err(numbers.refuse("lead steps stand out of order"));
        }
        *self = Self { lag, shift, waiting, start, after_set, sets };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_window_are_refused() {
        let good = [3.0, 1.0, 2.0, 9.0, 12.0];
        let restore = |numbers: &[f64]| Window::new(3).restore(7, &mut Numbers::new("ienks", numbers));
        assert!(restore(&good).is_ok());
        for (at, value) in [(0, 2.0), (1, 2.0), (1, f64::NAN), (2, 3.0), (2, -1.0), (3, 9.5), (3, 6.0), (4, 8.0)] {
            let mut bad = good;
            bad[at] = value;
            assert!(restore(&bad).is_err(), "{at} {value}");
        }
        assert!(restore(&good[..4]).is_err() && restore(&[]).is_err());
        // minus the shift and how many sets wait, before the rest
        let good = [-2.0, 1.0, 3.0, 1.0, 2.0, 9.0, 12.0];
        let restore = |numbers: &[f64]| Window::new(3).with_shift(2).restore(7, &mut Numbers::new("ienks", numbers));
        assert!(restore(&good).is_ok() && restore(&good[2..]).is_err());
        for (at, value) in [(0, -3.0), (0, -1.5), (0, f64::NEG_INFINITY), (1, 2.0), (1, 0.0), (4, 0.0), (4, 3.0)] {
            let mut bad = good;
            bad[at] = value;
            assert!(restore(&bad).is_err(), "{at} {value}");
        }
    }
}
