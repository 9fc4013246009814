//! What an experiment will hold in memory, estimated before anything is allocated.

use super::plan::{DataSource, Plan};
use crate::failure::{Failure, FailureKind, Result};

/// One array (or a few of one kind) of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// What it is, with its shape.
    pub what: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The large arrays of an experiment. Sizes of files are not known before they are read, and are left out.
pub fn needs(plan: &Plan) -> Vec<Need> {
    let Some(dim) = plan.system.as_ref().map(|system| system.system.dim()) else { return Vec::new() };
    let mut needs = Vec::new();
    let mut test = 1;
    if let DataSource::Simulated { trajectories, steps, .. } = plan.data.source {
        test = plan.data.split_counts(trajectories)[2];
        needs.push(need(format!("trajectories ({trajectories} x {steps} x {dim})"), &[trajectories, steps, dim]));
    }
    if !plan.forecast.is_empty() {
        let (starts, members) = (plan.score.starts, plan.score.members);
        let what = format!("forecast ensembles ({test} trajectories x {starts} starts x {members} members x {dim})");
        needs.push(need(what, &[test, starts, members, dim]));
    }
    for network in &plan.observe {
        let (truths, steps) = (network.replicates, network.steps);
        let what = format!("truth and observations of `{}` ({truths} x {steps} x {dim})", network.name);
        needs.push(need(what, &[2, truths, steps, dim]));
    }
    for row in &plan.assimilate {
        let members = row.settings.count("members").max(1);
        let what = format!("ensembles of `{}` ({members} members x {dim})", row.label);
        // forecast, analysis and what an update makes of them; a smoother carries more
        needs.push(need(what, &[4 + row.settings.count("lag"), members, dim]));
        let sets = plan.observe.iter().find(|network| network.name == row.observe).map_or(1, |network| network.every);
        let sets = row.steps / sets.max(1);
        let (what, shape) = match row.method.as_str() {
            "enrts" | "ffbsi" => ("ensembles of every lead step", vec![row.steps, members, dim]),
            "rts" => ("matrices of every set", vec![4 * sets, dim, dim]),
            "kalman" | "extended" | "unscented" | "climatology" | "optimal_interpolation" | "three_d_var" => {
                ("covariances", vec![8, dim, dim])
            }
            // a matrix for each of the sets that are used together
            "four_d_var" => ("covariances", vec![4 + 4 * row.settings.count("shift"), dim, dim]),
            // the joint covariance of their times
            "four_d_envar" => ("covariances", vec![8 * row.settings.count("shift").pow(2), dim, dim]),
            "hybrid" => ("covariances", vec![8, dim, dim]),
            "kernel_particle_filter" => ("draws of the kernels", vec![members, row.settings.count("expansion"), dim]),
            _ => continue,
        };
        needs.push(need(format!("{what} of `{}`", row.label), &shape));
    }
    needs
}

/// The sum of the needs, in bytes.
pub fn total(needs: &[Need]) -> u64 {
    needs.iter().fold(0, |sum, need| sum.saturating_add(need.bytes))
}

/// Refuses work that needs more than `max_memory` bytes.
///
/// # Errors
/// A failure of kind [`FailureKind::Resource`] that names both numbers and the largest array.
pub fn check(needs: &[Need], max_memory: u64) -> Result<()> {
    let sum = total(needs);
    match needs.iter().max_by_key(|need| need.bytes) {
        Some(largest) if sum > max_memory => {
            let message = format!(
                "the experiment needs about {}, most of it for {} ({}), but --max-memory is {}",
                readable(sum),
                largest.what,
                readable(largest.bytes),
                readable(max_memory)
            );
            Err(Failure::new(FailureKind::Resource, message).hint("make that smaller, or raise --max-memory"))
        }
        _ => Ok(()),
    }
}

/// A size for people, such as `1.5 GiB`.
pub fn readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && size < 100.0);
    format!("{size:.digits$} {}", UNITS[unit])
}

fn need(what: String, shape: &[usize]) -> Need {
    let bytes = shape.iter().fold(8u64, |product, &size| product.saturating_mul(size as u64));
    Need { what, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_saturate_instead_of_overflowing() {
        assert_eq!(need(String::new(), &[usize::MAX, 3]).bytes, u64::MAX);
        assert_eq!(need(String::new(), &[2, 3]).bytes, 48);
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(readable(1000), "1000 B");
        assert_eq!(readable(1536 * 1024), "1.5 MiB");
        assert_eq!(readable(4 << 30), "4.0 GiB");
    }
}
