//! The settings of a window.
use scorecast_systems::{Param, Settings};

use crate::error::{Error, Result};

/// The setting `lag` of the methods of a window.
pub(crate) const LAG: Param =
    Param::int("lag", 1, 1, "sets of observations in the window: how far back the state is that they update")
        .up_to(1_000_000);

/// The setting `shift` of the methods of a window.
pub(crate) const SHIFT: Param = Param::int(
    "shift",
    1,
    1,
    "sets used together, by which the window then moves on; the others wait, and the analysis there is the forecast",
)
.up_to(1_000_000);

/// The settings `lag` and `shift`.
///
/// # Errors
/// When `shift` is above `lag`.
pub(crate) fn lag_and_shift(settings: &Settings) -> Result<(usize, usize)> {
    let (lag, shift) = (settings.count("lag"), settings.count("shift"));
    if shift > lag {
        let problem = format!("is {shift}, but must be at most `lag`, which is {lag}; lower it or raise `lag`");
        return Err(settings.mistake("shift", problem).into());
    }
    Ok((lag, shift))
}

/// Refuses a `shift` above 1 where the forecaster has noise, in the name of `method`.
///
/// # Errors
/// [`Error::Unsupported`].
pub(crate) fn require_no_shift(shift: usize, method: &str) -> Result<()> {
    if shift == 1 {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "method `{method}` uses each set of observations as it comes where the forecaster has noise, and cannot let sets \
         wait for a shift of {shift}; set shift to 1, or the noise of the forecaster to 0"
    )))
}
