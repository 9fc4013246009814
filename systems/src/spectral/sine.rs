//! The sine transform F_k = sum_{j=1}^{N-1} f_j sin(pi j k / N), k = 1 ... N - 1, through one real Fourier transform of
//! length N (Cooley, Lewis and Welch 1970): of y_j = sin(pi j / N) (f_j + f_{N-j}) + (f_j - f_{N-j}) / 2, the sine sums
//! are F_2, F_4, ... and the cosine sums F_{2k+1} - F_{2k-1}. Its own inverse up to the factor 2 / N. N is even.

use super::{Complex64, Line};

/// A sine transform of N - 1 points.
pub struct SineTransform {
    line: Line,
    /// sin(pi j / N).
    sines: Vec<f64>,
}

impl SineTransform {
    /// Between N = `intervals` intervals, an even number.
    pub fn new(intervals: usize) -> Self {
        assert!(intervals.is_multiple_of(2), "a sine transform of {intervals} intervals, an odd number");
        let sines = (0..intervals).map(|j| (std::f64::consts::PI * j as f64 / intervals as f64).sin()).collect();
        Self { line: Line::new(intervals), sines }
    }

    /// N.
    pub fn intervals(&self) -> usize {
        self.line.points()
    }

    /// The lengths of the real and of the complex scratch below.
    pub fn scratch_len(&self) -> (usize, usize) {
        (self.intervals(), self.line.modes() + self.line.scratch_len())
    }

    /// F over f, N - 1 numbers.
    pub fn transform(&self, f: &mut [f64], fields: &mut [f64], spectra: &mut [Complex64]) {
        let n = self.intervals();
        assert_eq!(f.len(), n - 1, "a sine transform of {} points for {}", n - 1, f.len());
        let (spectrum, scratch) = spectra.split_at_mut(self.line.modes());
        fields[0] = 0.0;
        for (j, (y, sine)) in fields.iter_mut().zip(&self.sines).enumerate().skip(1) {
            let (here, there) = (f[j - 1], f[n - j - 1]);
            *y = sine * (here + there) + 0.5 * (here - there);
        }
        self.line.forward(fields, spectrum, scratch);
        let mut odd = 0.5 * spectrum[0].re;
        f[0] = odd;
        for k in 1..n / 2 {
            odd += spectrum[k].re;
            (f[2 * k - 1], f[2 * k]) = (-spectrum[k].im, odd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_of_sines() {
        for n in [4usize, 12, 64] {
            let transform = SineTransform::new(n);
            let f: Vec<f64> = (1..n).map(|j| (j as f64).sqrt() - 0.3 * (j % 3) as f64).collect();
            let (real, complex) = transform.scratch_len();
            let mut found = f.clone();
            transform.transform(&mut found, &mut vec![0.0; real], &mut vec![Complex64::default(); complex]);
            for (k, found) in (1..n).zip(found) {
                let sine = |j: usize| (std::f64::consts::PI * (j * k) as f64 / n as f64).sin();
                let expected: f64 = (1..n).map(|j| f[j - 1] * sine(j)).sum();
                assert!((found - expected).abs() < 1e-12 * n as f64 * 8.0, "{n}: {k}: {found} {expected}");
            }
        }
    }
}
