//! The settings of a window.

use scorecast_systems::registry::Default;
use scorecast_systems::{Kind, Param, Settings};

use crate::problem::{Error, Result};

/// The setting `lag` of the methods of a window.
pub(in crate::method) const LAG: Param = Param {
    key: "lag",
    kind: Kind::Int { min: 1, max: 1_000_000 },
    default: Default::Int(1),
    about: "sets of observations in the window: how far back the state is that they update",
};

/// The setting `shift` of the methods of a window.
pub(in crate::method) const SHIFT: Param = Param {
    key: "shift",
    kind: Kind::Int { min: 1, max: 1_000_000 },
    default: Default::Int(1),
    about: "sets used together, by which the window then moves on; the others wait, and the analysis there is the forecast",
};

/// The settings `lag` and `shift`.
///
/// # Errors
/// When `shift` is above `lag`.
pub(in crate::method) fn lag_and_shift(settings: &Settings) -> Result<(usize, usize)> {
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
pub(in crate::method) fn require_no_shift(shift: usize, method: &str) -> Result<()> {
    if shift == 1 {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "method `{method}` uses each set of observations as it comes where the forecaster has noise, and cannot let sets \
         wait for a shift of {shift}; set shift to 1, or the noise of the forecaster to 0"
    )))
}
