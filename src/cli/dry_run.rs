//! `--dry-run`: what would run, and how large it is.

use serde_json::json;

use scorecast::spec::size::{self, Need, readable};
use scorecast::spec::{DataSource, Plan};
use scorecast::stage::Finished;
use scorecast::stage::inspect::Inspected;
use scorecast::stage::would_measure;

/// What a stage would do with an experiment; `opened` are its inputs, where they fit in memory.
pub(super) fn describe(
    plan: &Plan,
    stage: &str,
    needs: &[Need],
    max_memory: u64,
    opened: Option<&Inspected>,
) -> Finished {
    let work = work(plan, stage);
    let sum = size::Need::total(needs);
    let mut text = format!("{stage} on `{}` (seed {}) would\n", plan.name, plan.seed);
    work.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    text.push_str(&format!("and hold about {} of at most {}:\n", readable(sum), readable(max_memory)));
    needs.iter().for_each(|need| text.push_str(&format!("  {:>9}  {}\n", readable(need.bytes), need.what)));
    if sum > max_memory {
        text.push_str("which is too much: the run would be refused (exit code 5)\n");
    }
    if let Some(Inspected { inputs, warnings }) = opened {
        inputs.iter().for_each(|input| text.push_str(&format!("opened {input}\n")));
        warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
    }
    let memory: Vec<_> = needs.iter().map(|need| json!({"what": need.what, "bytes": need.bytes})).collect();
    let result = json!({
        "experiment": plan.name, "seed": plan.seed, "would": work, "memory": memory, "memory_bytes": sum,
        "max_memory_bytes": max_memory, "fits": sum <= max_memory,
        "inputs": opened.map(|opened| &opened.inputs), "warnings": opened.map(|opened| &opened.warnings),
    });
    Finished { result, text }
}

/// What several experiments would do.
pub(super) fn joined(all: Vec<Finished>) -> Finished {
    let text = all.iter().map(|one| one.text.as_str()).collect::<Vec<_>>().join("\n");
    Finished { result: json!({ "experiments": all.into_iter().map(|one| one.result).collect::<Vec<_>>() }), text }
}

fn work(plan: &Plan, stage: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let whole = stage == "compare";
    if whole || matches!(stage, "simulate" | "train" | "forecast" | "diagnose" | "dimension") {
        lines.push(trajectories(plan));
    }
    if stage == "diagnose" {
        lines.push(
            "estimate climate, spectra and, of a system whose derivative is known, Lyapunov exponents".to_owned(),
        );
    }
    if stage == "dimension" {
        lines.push("estimate the dimension of the data, and of a law whose denoiser is known".to_owned());
    }
    if whole || stage == "train" {
        lines.extend(would_measure(plan));
        for forecaster in &plan.forecasters {
            lines.push(match &forecaster.model {
                Some(file) => format!("load `{}` from {}", forecaster.label, file.display()),
                None if forecaster.kind == "perfect" => format!("take the true system as `{}`", forecaster.label),
                None if forecaster.pool => {
                    format!("take all {} seeds of `{}` as one forecaster", forecaster.seeds, forecaster.label)
                }
                None => format!("fit `{}` ({})", forecaster.label, forecaster.kind),
            });
        }
    }
    if (whole || stage == "forecast") && !plan.forecast.is_empty() {
        let score = &plan.score;
        lines.push(format!(
            "forecast {} steps with {} members from {} starts a trajectory, by {}",
            score.lead_steps,
            score.members,
            score.starts,
            plan.forecast.join(", ")
        ));
    }
    if whole || matches!(stage, "assimilate" | "reproduce" | "tune") {
        for row in &plan.assimilate {
            lines.push(format!(
                "assimilate by `{}` on network `{}`: {} lead steps, {} replicate(s)",
                row.label, row.observe, row.steps, row.replicates
            ));
        }
    }
    if whole || matches!(stage, "forecast" | "assimilate" | "evaluate") {
        lines.push(format!("score {}", plan.score.metrics.join(", ")));
    }
    lines
}

fn trajectories(plan: &Plan) -> String {
    match (&plan.data.source, &plan.system) {
        (DataSource::File(file), _) => format!("read trajectories from {}", file.display()),
        (DataSource::Simulated { trajectories, steps, spin_up }, system) => format!(
            "simulate {trajectories} trajectories of {steps} lead steps of {} (spin-up {spin_up}) of {}",
            plan.data.stepping.dt,
            system.as_ref().map_or("nothing", |system| system.name.as_str())
        ),
    }
}
