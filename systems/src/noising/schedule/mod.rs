//! Schedules, one a file: the levels (alpha, sigma) of x_t = alpha x_0 + sigma eps as functions of a time t, from data at
//! t = 0 to noise. At which times a sampler stops is another matter ([`super::TimeGrid`]).

mod ensf;
mod exploding;
mod interpolant;
mod process;
mod rectified;
mod vp_cosine;
mod vp_linear;
mod vp_squared_cosine;

pub use ensf::EnsembleScore;
pub use exploding::Exploding;
pub use interpolant::Interpolant;
pub use process::{BuildSchedule, Schedule};
pub use rectified::Rectified;
pub use vp_cosine::VpCosine;
pub use vp_linear::VpLinear;
pub use vp_squared_cosine::VpSquaredCosine;

use crate::error::Result;
use crate::registry::{Entry, Settings, find};

/// Every schedule, in the order in which they are listed.
pub const SCHEDULES: &[Entry<BuildSchedule>] = &[
    exploding::ENTRY,
    vp_linear::ENTRY,
    vp_cosine::ENTRY,
    vp_squared_cosine::ENTRY,
    rectified::ENTRY,
    ensf::ENTRY,
    interpolant::ENTRY,
];

/// The schedule of that name in [`SCHEDULES`], with the defaults of its settings.
///
/// # Errors
/// [`crate::Error::UnknownName`] with the nearest name.
pub fn named(name: &str) -> Result<Box<dyn Schedule>> {
    let entry = find(SCHEDULES, "schedule", name)?;
    let settings = Settings::check(&format!("schedule `{name}`"), entry.params, &std::collections::BTreeMap::new());
    Ok((entry.build)(&settings.map_err(|mut mistakes| mistakes.remove(0))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noising::Level;

    #[test]
    fn time_is_the_inverse_of_the_relative_level_and_levels_grow() {
        for entry in SCHEDULES {
            let schedule = named(entry.name).unwrap();
            let least = schedule.level(0.0).relative();
            assert_eq!(schedule.time(0.0), 0.0, "{}", entry.name);
            let mut before = least;
            for relative in [1e-3, 0.02, 0.2, 0.7, 1.0, 1.9].into_iter().filter(|relative| *relative > least) {
                let level = schedule.level(schedule.time(relative));
                assert!((level.relative() / relative - 1.0).abs() < 1e-9, "{} at {relative}: {level:?}", entry.name);
                assert!(level.relative() > before && level.alpha > 0.0 && level.sigma > 0.0);
                before = level.relative();
            }
        }
    }

    #[test]
    fn data_have_no_noise_where_the_process_begins_with_them() {
        let traced = ["ensf", "vp_squared_cosine"];
        for entry in SCHEDULES.iter().filter(|entry| !traced.contains(&entry.name)) {
            assert_eq!(named(entry.name).unwrap().level(0.0), Level::exploding(0.0), "{}", entry.name);
        }
    }

    #[test]
    fn an_unknown_schedule_is_refused_with_the_nearest() {
        let message = named("vp_cosin").err().map(|error| error.to_string());
        assert_eq!(message.as_deref(), Some("unknown schedule `vp_cosin`; did you mean `vp_cosine`?"));
    }
}
