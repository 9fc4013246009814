//! What the tables say, in sentences: the findings first, then what to mistrust.

use super::fall::Fall;
use super::rough;
use crate::assimilation::METHODS;
use crate::results::{AssimilationRow, Curve, ForecastRow, PairedRow, ParameterSeries, Report, TrainingRow, Verdict};
use crate::spec::{AssimilatePlan, Plan};

/// A weighted ensemble whose median effective sample size is below this share of its members has degenerated.
const DEGENERATE: f64 = 0.2;

/// The sentences that a report opens with, most important first.
pub fn findings(report: &Report) -> Vec<String> {
    let mut out = Vec::new();
    for network in networks(&report.assimilation) {
        out.extend(best_analysis(report, network));
        out.extend(learned_against_perfect(report, network));
    }
    out.extend(report.parameters.iter().filter_map(|series| estimated(report, series)));
    out.extend(best_forecast(report));
    out.extend(distance_to_the_law(&report.forecast));
    out
}

/// Sentences about what to mistrust.
pub fn warnings(plan: &Plan, report: &Report) -> Vec<String> {
    let mut out = Vec::new();
    out.extend(diverged(&report.assimilation));
    out.extend(smoothed_lost(&report.assimilation));
    out.extend(forecasts_lost(&report.forecast));
    out.extend(roughness(&report.assimilation));
    out.extend(report.training.iter().filter_map(|row| row.rollout.as_ref()?.warning(&row.forecaster)));
    out.extend(degenerate_weights(&report.assimilation));
    out.extend(without_spread(&report.assimilation));
    out.extend(caveats(plan));
    out.extend(
        plan.assimilate.iter().filter(|row| row.is_first_seed()).filter_map(|row| without_evidence(row, report)),
    );
    out.extend(report.training.iter().flat_map(|row| overfit(row, report)));
    out.extend(shorter_rows(plan));
    out.extend(report.parameters.iter().filter_map(|series| learned_nothing(plan, series)));
    out.extend(report.parameters.iter().filter_map(|series| is_overconfident(report, series)));
    out
}

/// The networks of a table, in its order.
pub fn networks(rows: &[AssimilationRow]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.observe.as_str()) {
            names.push(&row.observe);
        }
    }
    names
}

fn on(network: &str) -> String {
    if network == "observe" { String::new() } else { format!("On network `{network}`, ") }
}

fn capital(sentence: String) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn figure(value: f64, se: Option<f64>) -> String {
    match se {
        Some(se) if se > 0.0 => {
            let digits = (1.0 - se.log10().floor()).clamp(0.0, 6.0) as usize;
            format!("{value:.digits$} ± {se:.digits$}")
        }
        _ => format!("{value:.3}"),
    }
}

fn best_analysis(report: &Report, network: &str) -> Option<String> {
    let metric = ["rmse", "innovation_log_score"].into_iter().find(|metric| {
        report.assimilation.iter().any(|row| row.observe == network && row.metric == *metric && row.value.is_some())
    })?;
    let rows: Vec<&AssimilationRow> =
        report.assimilation.iter().filter(|row| row.observe == network && row.metric == metric).collect();
    let best = rows
        .iter()
        .filter(|row| row.value.is_some())
        .min_by(|a, b| a.value.unwrap_or(f64::INFINITY).total_cmp(&b.value.unwrap_or(f64::INFINITY)))?;
    let ties = tied(&report.paired, "assimilation", metric, None, &best.label);
    let what = if metric == "rmse" { "analysis rmse" } else { "innovation log score" };
    Some(format!("{}`{}` has the lowest {what}, {}{}", on(network), best.label, figure(best.value?, best.se), ties))
}

/// Where a row puts a parameter, averaged over the analyses of all replicates, beside the truth.
fn estimated(report: &Report, series: &ParameterSeries) -> Option<String> {
    let column = |end: &str| {
        let metric = format!("{}_{end}", series.parameter);
        report.assimilation.iter().find(|row| row.label == series.label && row.metric == metric)
    };
    let (mean, sd) = (column("mean")?, column("sd")?.value?);
    let truth = match (series.truth, column("error").and_then(|error| error.value)) {
        (Some(_), Some(error)) if series.own_truths => {
            format!("; each truth has its own, from which the means are {} away", figure(error, None))
        }
        (Some(truth), _) => format!("; the truth has {truth}"),
        (None, _) => String::new(),
    };
    Some(format!(
        "`{}` estimates `{}` as {} with a posterior standard deviation of {}{truth}.",
        series.label,
        series.parameter,
        figure(mean.value?, mean.se.filter(|se| *se > 1e-6 * sd)),
        figure(sd, None)
    ))
}

/// Squared errors of a parameter over its posterior variance, above which the posterior is not to be trusted.
const OVERCONFIDENT: f64 = 9.0;

/// A row whose parameter is further from the truth than its posterior explains.
fn is_overconfident(report: &Report, series: &ParameterSeries) -> Option<String> {
    let metric = format!("{}_chi_square", series.parameter);
    let row = report.assimilation.iter().find(|row| row.label == series.label && row.metric == metric)?;
    let square = row.value.filter(|square| *square > OVERCONFIDENT)?;
    Some(format!(
        "`{}` is overconfident of `{}`: squared errors are {} times the posterior variance; take more members, a `walk` \
         that keeps the spread, or less inflation of the state.",
        series.label,
        series.parameter,
        figure(square, None)
    ))
}

/// A posterior spread of at least this share of the prior's is no news of a parameter.
const NO_NEWS: f64 = 0.95;

/// A row whose observations, or whose method, say nothing of a parameter: its posterior stays as wide as the prior.
fn learned_nothing(plan: &Plan, series: &ParameterSeries) -> Option<String> {
    let row = plan.assimilate.iter().find(|row| row.reported() == series.label)?;
    let parameter = row.estimate.iter().find(|parameter| parameter.name == series.parameter)?;
    let (_, prior) = parameter.moments(parameter.mean, parameter.sd * parameter.sd);
    let last = series.sd.iter().rev().find_map(|sd| *sd)?;
    (last >= NO_NEWS * prior).then(|| {
        format!(
            "`{}` has learned nothing of `{}`: at the end its spread is {}, and the prior's {}; `{}` on these observations \
             does not tell it.",
            row.reported(),
            series.parameter,
            figure(last, None),
            figure(prior, None),
            row.method
        )
    })
}

/// "; as good, within a tenth: a, b; cannot be told from it by these runs: c." or "; every row is significantly worse."
fn tied(paired: &[PairedRow], table: &str, metric: &str, lead: Option<usize>, best: &str) -> String {
    let compared: Vec<&PairedRow> = paired
        .iter()
        .filter(|p| p.table == table && p.metric == metric && p.lead_step == lead && p.best == best)
        .collect();
    let named = |verdict: Verdict, phrase: &str| {
        let labels: Vec<&str> =
            compared.iter().filter(|pair| pair.verdict == verdict).map(|pair| pair.other.as_str()).collect();
        (!labels.is_empty()).then(|| format!("; {phrase}: `{}`", labels.join("`, `")))
    };
    let phrases = [
        named(Verdict::Alike, "as good, within a tenth"),
        named(Verdict::CannotTell, "cannot be told from it by these runs"),
    ];
    let said: String = phrases.into_iter().flatten().collect();
    match (compared.is_empty(), said.is_empty()) {
        (true, _) => ".".into(),
        (false, true) => "; every row it was compared with is significantly worse (Diebold-Mariano, Holm, 5 %).".into(),
        (false, false) => format!("{said}."),
    }
}

/// What is rough about the standard errors of each network's rows.
fn roughness(rows: &[AssimilationRow]) -> Vec<String> {
    let of = |network: &str| {
        let rows: Vec<&AssimilationRow> = rows.iter().filter(|row| row.observe == network).collect();
        rough::sentences(&rows).into_iter().map(move |clause| capital(on(network) + &clause)).collect::<Vec<_>>()
    };
    networks(rows).into_iter().flat_map(of).collect()
}

/// What a row's label says beside its forecaster and its network: rows of one method with other settings have other labels.
fn without_forecaster(row: &AssimilationRow) -> String {
    let parts = row.label.split(" / ").filter(|part| *part != row.forecaster && *part != row.observe);
    parts.collect::<Vec<_>>().join(" / ")
}

/// How far each learned forecaster takes a method from what the same method reaches with the true system.
fn learned_against_perfect(report: &Report, network: &str) -> Vec<String> {
    let rows: Vec<&AssimilationRow> = report
        .assimilation
        .iter()
        .filter(|row| row.observe == network && row.metric == "rmse" && row.value.is_some())
        .collect();
    let mut out = Vec::new();
    // a row that does not know its parameters is no yardstick
    let knows = |row: &AssimilationRow| report.parameters.iter().all(|series| series.label != row.label);
    for exact in rows.iter().filter(|row| row.forecaster == "perfect" && knows(row)) {
        let ratios: Vec<String> = rows
            .iter()
            .filter(|row| row.forecaster != "perfect" && without_forecaster(row) == without_forecaster(exact))
            .filter_map(|row| {
                let ratio = row.value? / exact.value? - 1.0;
                Some(format!("`{}` {:+.1} %", row.forecaster, 100.0 * ratio))
            })
            .collect();
        if !ratios.is_empty() {
            out.push(capital(format!(
                "{}analysis rmse of `{}` against the same method on the true system: {}.",
                on(network),
                without_forecaster(exact),
                ratios.join(", ")
            )));
        }
    }
    out
}

fn best_forecast(report: &Report) -> Option<String> {
    let metric = ["crps_fair", "energy_score_fair", "rmse"]
        .into_iter()
        .find(|metric| report.forecast.iter().any(|row| row.metric == *metric && row.lead_step.is_some()))?;
    let mut leads: Vec<usize> =
        report.forecast.iter().filter(|row| row.metric == metric).filter_map(|row| row.lead_step).collect();
    leads.sort_unstable();
    leads.dedup();
    let lead = *leads.first()?;
    let best = report
        .forecast
        .iter()
        .filter(|row| row.metric == metric && row.lead_step == Some(lead) && row.forecaster != "perfect")
        .filter(|row| row.value.is_some())
        .min_by(|a, b| a.value.unwrap_or(f64::INFINITY).total_cmp(&b.value.unwrap_or(f64::INFINITY)))?;
    let exact = report
        .forecast
        .iter()
        .find(|row| row.metric == metric && row.lead_step == Some(lead) && row.forecaster == "perfect")
        .and_then(|row| row.value)
        .map_or_else(String::new, |value| format!(" (the true system: {value:.4})"));
    Some(format!(
        "Of the forecasters that learned from data, `{}` has the lowest {metric} at lead step {lead}, {}{exact}.",
        best.forecaster,
        figure(best.value?, best.se)
    ))
}

/// The distance of each one-step law to fresh draws of the true one, where it was measured.
fn distance_to_the_law(rows: &[ForecastRow]) -> Option<String> {
    let of = |metric: &str| -> Vec<&ForecastRow> { rows.iter().filter(|row| row.metric == metric).collect() };
    let scores = of("energy_score_law");
    let floor = scores.iter().find(|row| row.forecaster == "perfect")?.value?;
    let others: Vec<String> = scores
        .iter()
        .filter(|row| row.forecaster != "perfect")
        .filter_map(|row| Some(format!("`{}` {}", row.forecaster, figure(row.value?, row.se))))
        .collect();
    Some(format!(
        "Energy score against fresh draws of the true law at lead step {}: {}; the floor, which only the true law \
         reaches, is {floor:.4}.",
        scores.first()?.lead_step.unwrap_or(1),
        others.join(", ")
    ))
}

fn diverged(rows: &[AssimilationRow]) -> Option<String> {
    let named: Vec<String> = rows
        .iter()
        .filter(|row| row.metric == "rmse" && row.diverged > 0)
        .map(|row| format!("`{}` ({} of {})", row.label, row.diverged, row.replicates))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "Diverged, in so many of their replicates: {}. Their scores are left out rather than averaged over the survivors.",
            named.join(", ")
        )
    })
}

/// Rows that analyse well and whose smoother loses the truth.
fn smoothed_lost(rows: &[AssimilationRow]) -> Option<String> {
    let alive = |row: &AssimilationRow| {
        let filter = rows.iter().find(|other| other.label == row.label && other.metric == "rmse");
        filter.is_some_and(|filter| filter.diverged < row.diverged)
    };
    let named: Vec<String> = rows
        .iter()
        .filter(|row| row.metric == "rmse_smoothed" && row.diverged > 0 && alive(row))
        .map(|row| format!("`{}` ({} of {})", row.label, row.diverged, row.replicates))
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "The smoothed states have lost the truth, in so many replicates, where the analyses have not: {}. Scores of the \
             smoothed states are left out.",
            named.join(", ")
        )
    })
}

/// Forecasters whose forecasts left the climate, from the first lead step at which some did.
fn forecasts_lost(rows: &[ForecastRow]) -> Option<String> {
    let mut named: Vec<(&str, usize, String)> = Vec::new();
    for row in rows.iter().filter(|row| row.n_diverged > 0) {
        let Some(lead) = row.lead_step else { continue };
        let said = format!("`{}` (from lead step {lead} on, {} of {} there)", row.forecaster, row.n_diverged, row.n);
        match named.iter_mut().find(|(label, ..)| *label == row.forecaster) {
            Some(known) if known.1 <= lead => {}
            Some(known) => *known = (&row.forecaster, lead, said),
            None => named.push((&row.forecaster, lead, said)),
        }
    }
    let said: Vec<String> = named.into_iter().map(|(_, _, said)| said).collect();
    (!said.is_empty()).then(|| {
        format!(
            "Forecasts are not finite, have left everything that the training data show, or are worse than a random draw of \
             the climate: {}. Their scores are left out.",
            said.join(", ")
        )
    })
}

fn degenerate_weights(rows: &[AssimilationRow]) -> Vec<String> {
    rows.iter()
        .filter(|row| row.metric == "ess_share")
        .filter_map(|row| {
            let share = row.value.filter(|share| *share < DEGENERATE)?;
            Some(format!(
                "The weights of `{}` have degenerated: its effective sample size is {:.1} % of its members on average; its \
                 ensemble stands for a handful of states, and its spread is not to be trusted.",
                row.label,
                100.0 * share
            ))
        })
        .collect()
}

/// A row with quality control, whose evidence would be that of the values that it kept.
fn without_evidence(row: &AssimilatePlan, report: &Report) -> Option<String> {
    row.settings.optional_number("outlier_threshold")?;
    let others = report.assimilation.iter().any(|other| other.observe == row.observe && other.metric == "log_evidence");
    others.then(|| {
        format!(
            "`{}` rejects values, so that it has no log_evidence to compare; its innovation scores are over all values, those that \
             it rejected among them.",
            row.reported()
        )
    })
}

/// A rise of the validation loss since its least by this share of what it had fallen by, and of what the training loss has
/// fallen by meanwhile, is that of a network that learns its data by heart.
const OVERFIT: f64 = 0.25;

/// Kinds whose validation looks at another loss than their training makes least, so that the two are not held against each
/// other.
const VALIDATED_OTHERWISE: [&str; 1] = ["consistency"];

/// The trainings of a forecaster whose losses go on to fall where those of validation have risen.
fn overfit(row: &TrainingRow, report: &Report) -> Vec<String> {
    let own = |curve: &&Curve| curve.label == row.forecaster;
    let comparable = |curve: &&Curve| curve.of.is_some() || !VALIDATED_OTHERWISE.contains(&row.kind.as_str());
    report.curves.iter().filter(own).filter(comparable).filter_map(overfitted).collect()
}

fn overfitted(curve: &Curve) -> Option<String> {
    let fall = Fall::of(&curve.points)?;
    let (rise, gained) = (fall.rise(), fall.least.train - fall.last.train);
    let risen = fall.rose() && rise > OVERFIT * fall.fall().max(0.0);
    (risen && gained > 0.0 && rise > OVERFIT * gained).then(|| {
        format!(
            "`{}` has overfitted: at the end its training loss is {} and its validation loss {} (at best {}); give it more \
             trajectories, fewer `steps`, or a smaller network.",
            curve.title(),
            figure(fall.last.train, None),
            figure(fall.last.valid, None),
            figure(fall.least.valid, None)
        )
    })
}

/// A spread that is so small a share of the error is none.
const NO_SPREAD: f64 = 1e-8;

fn without_spread(rows: &[AssimilationRow]) -> Vec<String> {
    let of = |row: &AssimilationRow, metric: &str| {
        rows.iter().find(|other| other.label == row.label && other.metric == metric)?.value
    };
    let none = |row: &&AssimilationRow| {
        let error = of(row, "rmse").unwrap_or(f64::INFINITY);
        row.metric == "spread"
            && row.value.is_some_and(|spread| spread == 0.0 || spread <= NO_SPREAD * error && error.is_finite())
    };
    let warning = |row: &AssimilationRow| {
        format!(
            "The members of `{}` have no spread: they are one state, which no observation moves. Give it jitter, \
             regularization or inflation, a forecaster with noise, or more members.",
            row.label
        )
    };
    rows.iter().filter(none).map(warning).collect()
}

/// What the methods of the plan say against themselves with the settings of its rows.
fn caveats(plan: &Plan) -> Vec<String> {
    let caveat = |row: &AssimilatePlan| {
        let entry = METHODS.iter().find(|entry| entry.name == row.method)?;
        let caveat = (entry.build.caveat)(&row.settings)?;
        Some(format!("`{}` {caveat}", row.reported()))
    };
    plan.assimilate.iter().filter(|row| row.is_first_seed()).filter_map(caveat).collect()
}

fn shorter_rows(plan: &Plan) -> Vec<String> {
    plan.assimilate
        .iter()
        .filter(|row| row.is_first_seed())
        .filter_map(|row| {
            let network = plan.observe.iter().find(|network| network.name == row.observe)?;
            (row.steps < network.steps || row.replicates < network.replicates).then(|| {
                format!(
                    "`{}` was run for {} of {} lead steps and {} of {} replicates, to save time; its n says so, and it is \
                     compared with the others on the times that both have.",
                    row.reported(), row.steps, network.steps, row.replicates, network.replicates
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::CurvePoint;
    use crate::systems::{Domain, Key};

    /// A report of one training with these losses (train, valid) at successive points.
    fn trained(losses: &[(f64, f64)]) -> Option<String> {
        trained_as("gaussian", losses)
    }

    fn trained_as(kind: &str, losses: &[(f64, f64)]) -> Option<String> {
        let points = losses.iter().enumerate();
        let points = points.map(|(step, &(train, valid))| CurvePoint { step: step as u64, train, valid }).collect();
        let row = TrainingRow {
            forecaster: "net".into(),
            kind: kind.into(),
            parameters: 1,
            pairs: 1,
            steps: 1,
            best_step: 1,
            best_valid: None,
            evaluations: 1,
            training_flops: None,
            inference_flops: None,
            rollout: None,
        };
        let curves = vec![Curve { label: "net".into(), of: None, points }];
        overfit(&row, &Report { curves, ..Report::default() }).pop()
    }

    #[test]
    fn a_training_whose_losses_part_is_said_and_another_is_not() {
        let told = trained(&[(1.0, 1.1), (0.2, 0.7), (0.021, 4.46)]).unwrap();
        assert!(told.contains("0.021") && told.contains("4.460") && told.contains("0.700"), "{told}");
        // log likelihoods, which may be negative
        assert!(trained(&[(1.0, 1.0), (-1.0, -0.5), (-3.0, 1.5)]).is_some());
        assert_eq!(trained(&[(1.0, 1.0), (0.4, 0.45), (0.30, 0.36)]), None);
        assert_eq!(trained(&[(1.0, 1.0), (-1.0, -0.9), (-3.0, -2.6)]), None);
        assert_eq!(trained(&[]), None);
        // a likelihood that passes 0 while its validation still falls, where a ratio of the two says anything
        assert_eq!(trained(&[(1.0, 1.0), (0.3, 0.4), (0.05, 0.2), (0.001, 0.11)]), None);
        assert_eq!(trained(&[(-1.0, -1.0), (-1.7, -1.6), (-1.95, -1.8), (-1.999, -1.89)]), None);
        // shifted by any constant it is the same training
        let overfitted =
            |shift: f64| trained(&[(1.0, 1.1), (0.2, 0.7), (0.02, 1.2)].map(|(a, b)| (a + shift, b + shift)));
        assert!([-5.0, -0.7, 0.0, 80.0].map(overfitted).iter().all(Option::is_some));
        // validations that go up and down by chance
        let normals = Key::new(5, Domain::Data).normals(40, 1);
        let noisy: Vec<(f64, f64)> = (0..40).map(|i| (1.0 / (1 + i) as f64, 0.5 + 0.1 * normals[[i, 0]])).collect();
        assert_eq!(trained(&noisy), None);
        // an energy score beside the loss of a distillation says nothing
        assert_eq!(trained_as("consistency", &[(0.1, 0.6), (0.01, 0.54), (0.001, 0.53)]), None);
    }
}
