//! `scorecast dimension`: of a system, of a file, of a model; its folder; what it refuses.

use serde_json::Value;

use super::{json, refused, scorecast, stderr, write};

fn estimate<'a>(result: &'a Value, name: &str) -> &'a Value {
    let all = result["estimates"].as_array().unwrap();
    all.iter().find(|one| one["estimator"] == name).unwrap()
}

fn value(result: &Value, name: &str) -> f64 {
    estimate(result, name)["value"].as_f64().unwrap()
}

const SHORT: &[&str] = &["--set", "data.trajectories=40", "--set", "data.steps=150", "--points", "1500"];

#[test]
fn a_system_gives_a_table_sentences_and_a_figure_with_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("l63");
    let args = [&["dimension", "lorenz63", "--no-pieces", "--out", out.to_str().unwrap()], SHORT].concat();
    let output = scorecast(&[args.as_slice(), &["--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let result = json(&output)["result"].clone();
    let found = value(&result, "levina_bickel");
    assert!((found - 2.06).abs() < 0.2, "{found}");
    assert_eq!(value(&result, "pca_variance"), 3.0);
    assert!(result["window"].as_u64().unwrap() > 0 && result["points"] == 1500, "{result}");
    let (from, to) = (&result["dimension"]["from"], &result["dimension"]["to"]);
    assert!(from.as_f64().unwrap() <= found && found <= to.as_f64().unwrap());
    assert_eq!(super::listing(&out), ["dimension.csv", "dimension.json", "dimension.svg"]);
    let svg = std::fs::read_to_string(out.join("dimension.svg")).unwrap();
    assert!(svg.starts_with("<svg xmlns") && svg.contains("two neighbours") && !svg.contains("NaN"), "{svg}");
    let csv = std::fs::read_to_string(out.join("dimension.csv")).unwrap();
    assert!(csv.starts_with("panel,curve,x,y\n") && csv.contains(",levina_bickel,12,"), "{csv}");
    refused(&args, 7, "exists");
    let text =
        String::from_utf8(scorecast(&[&["dimension", "lorenz63", "--no-pieces"], SHORT].concat()).stdout).unwrap();
    assert!(text.contains("levina_bickel") && text.contains("independent training pairs"), "{text}");
}

#[test]
fn results_do_not_depend_on_threads() {
    let args = [&["dimension", "molrg", "--set", "system.dim=12", "--json"], SHORT].concat();
    let on = |threads: &str| scorecast(&[args.as_slice(), &["--threads", threads]].concat()).stdout;
    assert_eq!(on("1"), on("3"));
}

#[test]
fn exact_denoisers_and_pieces_of_molrg_are_found() {
    let set = ["system.dim=24", "system.intrinsic=3", "system.components=2", "system.ambient_noise=0.02"];
    let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    let output = scorecast(&[&["dimension", "molrg", "--json"], SHORT, &set].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let result = json(&output)["result"].clone();
    for name in ["jacobian_rank", "flipd"] {
        assert!((value(&result, name) - 3.0).abs() < 0.5, "{}", estimate(&result, name));
    }
    let pieces = result["pieces"]["pieces"].as_array().unwrap();
    assert!(pieces.len() == 2 && pieces.iter().all(|piece| piece["rank"] == 3), "{pieces:?}");
}

#[test]
fn a_file_and_a_model_of_it_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let text = "[system]\nname = \"linear_low_rank\"\ndim = 10\nintrinsic = 2\nambient_sd = 0.01\n[data]\ntrajectories = 60\nsteps = \
                60\n[[forecaster]]\nname = \"m\"\nkind = \"molrg\"\n[[forecaster]]\nname = \"near\"\nkind = \"analog\"\n";
    let experiment = write(folder.path(), "x.toml", text.as_bytes());
    let experiment = experiment.to_str().unwrap();
    let made = scorecast(&["train", experiment, "--out", &at("models")]);
    assert!(made.status.success(), "{}", stderr(&made));
    let made = scorecast(&["simulate", experiment, "--out", &at("x.nc")]);
    assert!(made.status.success(), "{}", stderr(&made));
    let of_file = scorecast(&["dimension", &at("x.nc"), "--json"]);
    assert!(of_file.status.success(), "{}", stderr(&of_file));
    let result = json(&of_file)["result"].clone();
    assert_eq!(value(&result, "pca_gap"), 2.0);
    let model = folder.path().join("models/m.safetensors");
    let model = model.to_str().unwrap();
    for data in [&[][..], &["--data", &at("x.nc")]] {
        let output = scorecast(&[&["dimension", model, "--no-pieces", "--json"], data].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let result = json(&output)["result"].clone();
        let rank = estimate(&result, "jacobian_rank");
        assert!((rank["value"].as_f64().unwrap() - 2.0).abs() < 0.5, "{rank}");
    }
    let (said, _) = refused(&["dimension", &at("models/near.safetensors")], 2, "usage");
    assert!(said.contains("has no denoiser"), "{said}");
    let (said, _) = refused(&["dimension", model, "--data", "lorenz63"], 3, "data");
    assert!(said.contains("forecasts 10 components, but the data have 3"), "{said}");
}

#[test]
fn data_without_a_dimension_are_refused_in_words() {
    let still = ["dimension", "ou", "--set", "data.trajectories=3", "--set", "data.steps=4"];
    let (said, _) = refused(&still, 3, "data");
    assert!(said.contains("too few to have a dimension"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let broken = write(folder.path(), "x.nc", b"nothing");
    assert_eq!(scorecast(&["dimension", broken.to_str().unwrap()]).status.code(), Some(3));
    let broken = write(folder.path(), "x.safetensors", b"nothing");
    assert_eq!(scorecast(&["dimension", broken.to_str().unwrap()]).status.code(), Some(3));
    let planned = scorecast(&["dimension", "lorenz63", "--dry-run"]);
    let text = String::from_utf8(planned.stdout).unwrap();
    assert!(planned.status.success() && text.contains("estimate the dimension"), "{text}");
}
