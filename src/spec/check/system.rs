//! `[system]`: the simulator, built at once so that its own sentences come now.

use super::super::keys::SYSTEM;
use super::super::plan::{DataPlan, SystemPlan};
use super::super::read::{Reader, entry, key_of};
use super::context::{Checked, Context};
use crate::systems::Forecaster;
use crate::systems::catalogue::{SYSTEMS, default_stepping};
use crate::systems::system::complete;

pub(super) fn check(cx: &Context) -> Checked<SystemPlan> {
    match cx.one(&SYSTEM) {
        Some(reader) => Checked::from_checked(build(&reader)),
        None if cx.root.get(SYSTEM.name).is_some() => Checked::Broken,
        None => Checked::Absent,
    }
}

fn build(reader: &Reader) -> Option<SystemPlan> {
    let before = reader.mistakes.count();
    let own = reader.own()?;
    let name = own.text("name");
    let entry = entry(SYSTEMS, "system", name, reader.place_of("name"), "system.name", reader.mistakes)?;
    reader.refuse_unknown(entry.params);
    let settings = reader.of_entry(&format!("system `{name}`"), entry)?;
    if reader.mistakes.count() > before {
        return None;
    }
    match (entry.build.make)(&settings) {
        Ok(system) => {
            let default_stepping = default_stepping(name, settings.values()).unwrap_or(entry.build);
            Some(SystemPlan { name: name.to_owned(), settings, system, default_stepping })
        }
        Err(error) => {
            reader.wrong(&key_of(&error).unwrap_or_default(), error.to_string());
            None
        }
    }
}

/// Why there is no forecaster `perfect`, with a remedy; none where there is one.
pub(super) fn no_perfect(system: &Checked<SystemPlan>) -> Option<&'static str> {
    match system {
        Checked::Absent => Some("there is no [system]; add one"),
        Checked::Good(plan) if plan.system.partial().is_some() => Some(
            "a part of its state is hidden, and what is seen does not determine the law of what follows; take the system \
             inside",
        ),
        _ => None,
    }
}

/// The true system as a forecaster, where its whole state is seen; a stepping that does not fit it is a mistake.
pub(super) fn perfect(
    cx: &Context,
    system: &Checked<SystemPlan>,
    data: Option<&DataPlan>,
) -> Option<Box<dyn Forecaster>> {
    let (plan, data) = (system.good()?, data?);
    match complete(&plan.system).clone().forecaster(&data.stepping) {
        Ok(forecaster) => Some(forecaster).filter(|_| plan.system.partial().is_none()),
        Err(error) => {
            let place = cx.one(&super::super::keys::DATA).map_or(cx.place, |reader| reader.place_of("integrator"));
            cx.mistakes.add(place, "data.integrator", error.to_string());
            None
        }
    }
}
