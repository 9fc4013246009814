//! `scorecast tune`: settings of methods or of forecasters over a grid.

use super::session::Session;
use scorecast::failure::Result;
use scorecast::spec::{Plan, needs};
use scorecast::stage::Finished;
use scorecast::stage::tune::{self, Asked, Axis};
use scorecast::systems::Value;

/// Tune settings of the methods, or of forecasters, over a grid, each by itself and on truths of its own
#[derive(clap::Args)]
pub(super) struct Args {
    /// A preset's name (see `scorecast list presets`) or a TOML file
    experiment: String,
    /// A setting and its values: inflation=1.0:1.1:0.02 (from, to, step), radius=2,4,8 or rotate=true,false (repeatable)
    #[arg(long, value_name = "KEY=VALUES", required = true, value_parser = parse_axis)]
    grid: Vec<Axis>,
    /// Tune only this row, by its label such as `letkf / shocks` (repeatable); all rows that have a setting if unset
    #[arg(long = "row", value_name = "LABEL")]
    rows: Vec<String>,
    /// Tune this forecaster in place of methods, by its label (repeatable; * for all)
    #[arg(long = "forecaster", value_name = "LABEL", conflicts_with = "rows")]
    forecasters: Vec<String>,
    /// The metric that is made least (or nearest to its ideal); rmse for methods and energy_score_fair for forecasters if unset
    #[arg(long)]
    metric: Option<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    let plan = session.plan(&args.experiment)?;
    match args.forecasters.is_empty() {
        true => methods(args, &plan, session),
        false => forecasters(args, &plan, session),
    }
}

fn methods(args: &Args, plan: &Plan, session: &Session) -> Result<Finished> {
    let rows = tune::rows(plan, &args.rows)?;
    let mut only = Plan { assimilate: rows.iter().map(|&row| plan.assimilate[row].clone()).collect(), ..plan.clone() };
    only.observe.retain(|network| only.assimilate.iter().any(|row| row.observe == network.name));
    let asked = Asked { axes: &args.grid, metric: args.metric.as_deref().unwrap_or("rmse") };
    let grids = tune::row_grids(plan, &rows, asked)?;
    session.run_plan(&only, "tune", &needs::needs(&only, "tune"), || {
        tune::run_rows(plan, &grids, &session.options, &session.progress)
    })
}

fn forecasters(args: &Args, plan: &Plan, session: &Session) -> Result<Finished> {
    let labels = tune::forecasters(plan, &args.forecasters)?;
    let meant = plan.forecasters.iter().filter(|one| labels.iter().any(|label| label == one.reported()));
    let only =
        Plan { forecasters: meant.cloned().collect(), observe: Vec::new(), assimilate: Vec::new(), ..plan.clone() };
    let asked = Asked { axes: &args.grid, metric: args.metric.as_deref().unwrap_or("energy_score_fair") };
    let load = |set: &[String]| session.plan_above(&args.experiment, set);
    let grids = tune::forecaster_grids(plan, &labels, asked, &load)?;
    session.run_plan(&only, "tune", &needs::needs(&only, "tune"), || {
        tune::run_forecasters(plan, &grids, &session.options, &session.progress)
    })
}

/// The most points of an axis.
const MOST: usize = 1000;

/// Parses `KEY=a,b,c` or `KEY=from:to:step`.
fn parse_axis(text: &str) -> Result<Axis, String> {
    let form = "write KEY=a,b,c or KEY=from:to:step, such as inflation=1.0:1.1:0.02";
    let (key, values) =
        text.split_once('=').filter(|(key, values)| !key.is_empty() && !values.is_empty()).ok_or(form)?;
    let values = match values.split(':').collect::<Vec<_>>()[..] {
        [from, to, step] => range(number(from)?, number(to)?, number(step)?)?,
        [list] => list.split(',').map(value).collect(),
        _ => return Err(form.to_owned()),
    };
    Ok(Axis { key: key.to_owned(), values })
}

fn number(text: &str) -> Result<f64, String> {
    let parsed = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    parsed.ok_or_else(|| format!("`{text}` is not a number"))
}

/// The values from `from` up to `to`; those of whole numbers stay whole.
fn range(from: f64, to: f64, step: f64) -> Result<Vec<Value>, String> {
    // with room for rounding
    let count = ((to - from) / step + 1e-9).floor();
    if !(step > 0.0 && count >= 0.0 && count < MOST as f64) {
        return Err(format!("{from}:{to}:{step} is not a range of 1 to {MOST} values; set a step above 0"));
    }
    let whole = [from, step].iter().all(|value| value.fract() == 0.0);
    // to twelve digits, so that 1 + 3 x .02 is 1.06
    let at = |i: usize| {
        let exact = from + step * i as f64;
        format!("{exact:.12e}").parse().unwrap_or(exact)
    };
    Ok((0..=count as usize).map(|i| if whole { Value::Int(at(i) as i64) } else { Value::Float(at(i)) }).collect())
}

fn value(text: &str) -> Value {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Value::Int(whole);
    }
    match (text.parse::<f64>(), text) {
        (Ok(number), _) => Value::Float(number),
        (_, "true" | "false") => Value::Bool(text == "true"),
        _ => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_lists_are_read() {
        let floats = |values: &[f64]| values.iter().map(|value| Value::Float(*value)).collect::<Vec<_>>();
        assert_eq!(parse_axis("inflation=1.0:1.06:0.02").unwrap().values, floats(&[1.0, 1.02, 1.04, 1.06]));
        assert_eq!(parse_axis("x=1e-13:3e-13:1e-13").unwrap().values, floats(&[1e-13, 2e-13, 3e-13]));
        assert_eq!(parse_axis("members=10:30:10").unwrap().values, [10, 20, 30].map(Value::Int));
        let mixed = parse_axis("taper=step,gaussian").unwrap();
        assert_eq!(mixed.values, ["step", "gaussian"].map(|word| Value::Text(word.to_owned())));
        assert_eq!(parse_axis("rotate=true,false").unwrap().values, [true, false].map(Value::Bool));
        for wrong in ["inflation", "=1", "inflation=", "a=1:2", "a=2:1:1", "a=1:2:0", "a=0:1:1e-9", "a=x:2:1"] {
            assert!(parse_axis(wrong).is_err(), "{wrong}");
        }
    }
}
