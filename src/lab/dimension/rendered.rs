//! What was found, as text, as JSON and as panels.

use std::path::Path;

use serde_json::{Value, json};

use super::estimate::{Dimension, Estimator, Of};
use super::findings::in_words;
use super::noise_floor::NoiseFloor;
use super::pieces::Pieces;
use super::sampled::{Sampled, Scale};
use super::sweep::SIGMA;
use super::training_sizes::TrainingSize;
use crate::report::{self, Panel};
use crate::systems::Entry;

/// Everything that is told.
pub struct Rendered<'a> {
    /// The name of the data.
    pub name: &'a str,
    /// The file of the model, where one was asked.
    pub model: Option<&'a Path>,
    /// The points.
    pub sampled: &'a Sampled,
    /// How components were measured.
    pub scale: Scale,
    /// Estimators with what they gave.
    pub estimates: &'a [(&'static Entry<Estimator>, Option<Dimension>)],
    /// The noise around the set.
    pub floor: &'a NoiseFloor,
    /// The pieces, where they were looked for.
    pub pieces: Option<&'a Pieces>,
    /// The range of the dimension that is left open.
    pub dimension: Option<(f64, f64)>,
    /// Findings.
    pub sentences: Vec<String>,
    /// Training sizes.
    pub sizes: Vec<TrainingSize>,
}

/// What an estimator is asked of, in a word.
fn subject(of: &Of) -> &'static str {
    match of {
        Of::Set(_) => "set",
        Of::Flat(_) => "flat",
        Of::Law(_) => "law",
    }
}

/// The result as a person reads it.
pub fn text(of: &Rendered) -> String {
    let mut text = format!("{}\n", of.name);
    setting(of).iter().for_each(|(what, value)| text.push_str(&format!("  {what:<28} {value}\n")));
    let head = ["estimator", "of the", "dimension ± se", "n", "at other scales"].map(str::to_owned);
    let rows: Vec<Vec<String>> = of.estimates.iter().map(|(entry, found)| row(entry, found.as_ref())).collect();
    text.push_str(&format!("\n{}", report::aligned(&head, &rows)));
    text.push_str("\nset: around each point; flat: the linear span of all points; law: what a denoiser knows of x_{k+1} given x_k\n");
    let range = of.dimension.map_or_else(|| "not known".to_owned(), in_words);
    text.push_str(&format!("\ndimension of the set: {range}\n"));
    text.push_str(&format!("noise: {}\n", noise(of.floor)));
    text.push_str(&format!("pieces: {}\n\n", pieces(of.pieces)));
    of.sentences.iter().for_each(|sentence| text.push_str(&format!("- {sentence}\n")));
    if !of.sizes.is_empty() {
        text.push_str("\nindependent training pairs, as far as theory and measurements say\n");
    }
    for size in &of.sizes {
        text.push_str(&format!("  {}: {}\n    {}\n", size.forecasters.join(", "), sizes(size), size.because));
    }
    text
}

/// The words above the table: what was looked at.
fn setting(of: &Rendered) -> Vec<(&'static str, String)> {
    let Sampled { cloud, states, duplicates, constant, window, unequal } = of.sampled;
    let mut pairs = Vec::new();
    pairs.extend(of.model.map(|path| ("model", path.display().to_string())));
    let left = |count: usize, what: &str| if count > 0 { format!(", {count} {what} left out") } else { String::new() };
    pairs.push(("components", format!("{}{}", cloud.components() + constant, left(*constant, "that do not vary"))));
    pairs.push(("points", format!("{} of {states} states{}", cloud.len(), left(*duplicates, "equal to others"))));
    let scale = match of.scale {
        Scale::Components => "each component in its standard deviation".to_owned(),
        Scale::Common if *unequal > 10.0 => format!(
            "components as they come, with standard deviations up to {unequal:.0} times another; --scale components takes each in \
             its own"
        ),
        Scale::Common => "components as they come".to_owned(),
    };
    pairs.push(("scale", scale));
    let window = match window {
        0 => "successive states are independent enough to be neighbours".to_owned(),
        steps => format!("states of one trajectory within {steps} lead steps are no neighbours"),
    };
    pairs.push(("neighbours", window));
    pairs
}

fn row(entry: &Entry<Estimator>, found: Option<&Dimension>) -> Vec<String> {
    let (value, n, scales) = match found {
        Some(found) => (report::with_se(found.value, found.se), found.n.to_string(), scales(found)),
        None => ("no answer".to_owned(), String::new(), String::new()),
    };
    vec![entry.name.to_owned(), subject(&entry.build.of).to_owned(), value, n, scales]
}

/// The ends of a curve, and between them its lowest point, in a few words.
fn scales(found: &Dimension) -> String {
    let points = &found.curve.points;
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    if points.len() < 2 {
        return String::new();
    }
    let at =
        |(scale, value): &(f64, f64)| format!("{} at {}", report::with_se(*value, None), report::with_se(*scale, None));
    let short = found.curve.scale.split([':', ',']).next().unwrap_or_default();
    format!("{}, {} {short}", at(first), at(last))
}

fn noise(floor: &NoiseFloor) -> String {
    let sd = |value: f64| report::with_se(value, None);
    let flat =
        floor.flat.map(|(noise, rank)| format!("sd {} in each direction outside a flat of rank {rank}", sd(noise)));
    let local = floor.local.map(|(noise, d)| format!("sd {} outside neighbourhoods of {d:.0} directions", sd(noise)));
    let seen = floor.scale.map(|scale| format!("the set has the space's dimension below a distance of {}", sd(scale)));
    let all: Vec<String> = [flat, local, seen].into_iter().flatten().collect();
    if all.is_empty() { "none is seen".to_owned() } else { all.join("; ") }
}

fn pieces(found: Option<&Pieces>) -> String {
    let Some(found) = found else { return "not looked for".to_owned() };
    let one =
        |piece: &super::pieces::Piece| format!("rank {} ({:.0} % of the points)", piece.rank, 100.0 * piece.share);
    let all: Vec<String> = found.pieces.iter().map(one).collect();
    format!("{}: {}", found.pieces.len(), all.join(", "))
}

fn sizes(size: &TrainingSize) -> String {
    let count = |value: f64| format!("{value:.0}");
    match size.to {
        _ if size.from.is_infinite() => "no number".to_owned(),
        Some(to) => format!("{} to {}", count(size.from), count(to)),
        None => format!("{} or more, without a bound", count(size.from)),
    }
}

/// The result as JSON.
pub fn object(of: &Rendered) -> Value {
    let estimate = |(entry, found): &(&'static Entry<Estimator>, Option<Dimension>)| {
        let (at, values): (Vec<f64>, Vec<f64>) =
            found.iter().flat_map(|found| found.curve.points.iter().copied()).unzip();
        json!({
            "estimator": entry.name, "of": subject(&entry.build.of), "about": entry.about,
            "value": found.as_ref().map(|found| found.value), "se": found.as_ref().and_then(|found| found.se),
            "n": found.as_ref().map_or(0, |found| found.n),
            "scale": found.as_ref().map(|found| found.curve.scale), "at": at, "values": values,
            "caveat": entry.build.caveat, "reference": entry.reference,
        })
    };
    let size = |size: &TrainingSize| {
        json!({
            "forecasters": size.forecasters, "from": size.from.is_finite().then_some(size.from), "to": size.to,
            "because": size.because,
        })
    };
    let found = |found: &Pieces| {
        let one =
            |piece: &super::pieces::Piece| json!({"share": piece.share, "rank": piece.rank, "noise_sd": piece.noise});
        json!({
            "pieces": found.pieces.iter().map(one).collect::<Vec<_>>(), "gaussians": found.gaussians,
            "at_the_most": found.is_at_the_most(), "criteria": found.criteria, "points": found.points,
        })
    };
    let Sampled { cloud, states, duplicates, constant, window, unequal } = of.sampled;
    json!({
        "name": of.name,
        "model": of.model.map(|path| path.display().to_string()),
        "components": cloud.components() + constant, "constant_components": constant, "states": states,
        "points": cloud.len(), "duplicates": duplicates, "window": window,
        "scale": if of.scale == Scale::Components { "components" } else { "common" }, "sd_ratio": unequal,
        "dimension": of.dimension.map(|(from, to)| json!({"from": from, "to": to})),
        "estimates": of.estimates.iter().map(estimate).collect::<Vec<_>>(),
        "noise": {
            "flat": of.floor.flat.map(|(sd, rank)| json!({"sd": sd, "rank": rank})),
            "local": of.floor.local.map(|(sd, directions)| json!({"sd": sd, "directions": directions})),
            "scale": of.floor.scale, "nearest_neighbour": of.floor.nearest,
        },
        "pieces": of.pieces.map(found),
        "findings": of.sentences,
        "training_pairs": of.sizes.iter().map(size).collect::<Vec<_>>(),
    })
}

/// The figure: estimates against their scales, the eigenvalues, the criterion of pieces.
pub fn panels(of: &Rendered) -> Vec<Panel> {
    let curves = |scale: &str| -> Vec<(String, Vec<(f64, f64)>)> {
        let own = of.estimates.iter().filter_map(|(entry, found)| Some((entry.name, found.as_ref()?)));
        let own = own.filter(|(_, found)| found.curve.scale == scale && found.curve.points.len() > 1);
        own.map(|(name, found)| (name.to_owned(), found.curve.points.clone())).collect()
    };
    let panel = |title: &str, x: &str, log: [bool; 2], curves| Panel { title: title.into(), x: x.into(), log, curves };
    let values = of.sampled.cloud.spectrum().map_or(&[][..], |spectrum| &spectrum.values);
    let positive = values.iter().enumerate().map(|(index, value)| (index as f64 + 1.0, *value)).filter(|at| at.1 > 0.0);
    let criteria = of.pieces.map_or(&[][..], |found| &found.criteria);
    let criteria: Vec<(f64, f64)> = criteria.iter().enumerate().map(|(k, value)| (k as f64 + 1.0, *value)).collect();
    let mut all = vec![
        panel("Dimension by neighbourhoods", "neighbours", [true, false], curves("neighbours")),
        panel("Dimension by the nearest two neighbours", "points", [true, false], curves("points")),
        panel(
            "Eigenvalues of the covariance",
            "number",
            [false, true],
            vec![("eigenvalue".to_owned(), positive.collect())],
        ),
        panel("Dimension of the denoiser's law", SIGMA, [true, false], curves(SIGMA)),
        panel(
            "Information criterion a point",
            "Gaussians around flats",
            [false, false],
            vec![("criterion".to_owned(), criteria)],
        ),
    ];
    all.retain(|panel| panel.curves.iter().any(|(_, points)| !points.is_empty()));
    all
}
