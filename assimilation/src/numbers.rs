//! The further numbers of a saved state, read back part by part: a count stands before what it counts.

use ndarray::{Array1, Array2};

use crate::error::{Error, Result};

/// What is left to read of the state of a method.
pub(crate) struct Numbers<'a> {
    method: &'static str,
    rest: &'a [f64],
}

impl<'a> Numbers<'a> {
    /// All of `state`, which should be that of `method`.
    pub(crate) fn new(method: &'static str, state: &'a [f64]) -> Self {
        Self { method, rest: state }
    }

    /// The error of a state with this `problem`, a main clause.
    pub(crate) fn refuse(&self, problem: &str) -> Error {
        Error::State(format!("{problem}, which is not the state of `{}`", self.method))
    }

    /// The next `count` numbers.
    ///
    /// # Errors
    /// When fewer are left.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [f64]> {
        let taken = self.rest.get(..count).ok_or_else(|| {
            self.refuse(&format!("{} further numbers are left where {count} should be", self.rest.len()))
        })?;
        self.rest = &self.rest[count..];
        Ok(taken)
    }

    /// The next number, whatever it is.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn number(&mut self) -> Result<f64> {
        Ok(self.take(1)?[0])
    }

    /// The next number, an integer of at least 0.
    ///
    /// # Errors
    /// When there is none or it is not such an integer.
    pub(crate) fn count(&mut self) -> Result<usize> {
        let number = self.number()?;
        if number >= 0.0 && number.fract() == 0.0 && number < 9e15 {
            Ok(number as usize)
        } else {
            Err(self.refuse(&format!("{number} stands where a count should be")))
        }
    }

    /// Minus the next number, which is then read, where that is an integer below 0.
    ///
    /// # Errors
    /// When there is no number.
    pub(crate) fn negative_count(&mut self) -> Result<Option<usize>> {
        match self.rest.first() {
            Some(number) if *number < 0.0 => {
                self.rest = &self.rest[1..];
                Numbers { method: self.method, rest: &[-number] }.count().map(Some)
            }
            Some(_) => Ok(None),
            None => Err(self.refuse("no number is left")),
        }
    }

    /// The next number, 0 or 1, as a truth value.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn flag(&mut self) -> Result<bool> {
        match self.count()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.refuse(&format!("{other} stands where 0 or 1 should be"))),
        }
    }

    /// `[length]`.
    ///
    /// # Errors
    /// When too few numbers are left.
    pub(crate) fn vector(&mut self, length: usize) -> Result<Array1<f64>> {
        Ok(Array1::from_vec(self.take(length)?.to_vec()))
    }

    /// `[rows, columns]`.
    ///
    /// # Errors
    /// When too few numbers are left.
    pub(crate) fn matrix(&mut self, (rows, columns): (usize, usize)) -> Result<Array2<f64>> {
        let count = rows.checked_mul(columns).ok_or_else(|| self.refuse("a matrix is too large"))?;
        let numbers = self.take(count)?.to_vec();
        Array2::from_shape_vec((rows, columns), numbers).map_err(|problem| Error::State(problem.to_string()))
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left, which is then read.
    pub(crate) fn rest(&mut self) -> &'a [f64] {
        std::mem::take(&mut self.rest)
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub(crate) fn end(&self) -> Result<()> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(self.refuse(&format!("{left} numbers are left over"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn parts_come_back_in_order_and_what_does_not_fit_is_refused() {
        let state = [2.0, 1.0, 5.0, 6.0, 7.0, 8.0];
        let mut numbers = Numbers::new("rts", &state);
        assert_eq!((numbers.count().unwrap(), numbers.flag().unwrap()), (2, true));
        assert_eq!(numbers.matrix((1, 2)).unwrap(), array![[5.0, 6.0]]);
        assert!(numbers.end().is_err() && numbers.flag().is_err());
        assert_eq!(numbers.vector(1).unwrap(), array![8.0]);
        assert!(numbers.end().is_ok());
        let message = numbers.take(1).unwrap_err().to_string();
        assert!(message.contains("not the state of `rts`"), "{message}");
        for wrong in [-1.0, 0.5, f64::NAN, f64::INFINITY, 1e17] {
            assert!(Numbers::new("rts", &[wrong]).count().is_err());
        }
        assert!(Numbers::new("rts", &state).matrix((usize::MAX, 2)).is_err());
        let marked = [-3.0, 4.0, -0.5];
        let mut numbers = Numbers::new("rts", &marked);
        assert_eq!(numbers.negative_count().unwrap(), Some(3));
        assert_eq!((numbers.negative_count().unwrap(), numbers.count().unwrap()), (None, 4));
        assert!(numbers.negative_count().is_err() && numbers.negative_count().is_err());
    }
}
