//! `scorecast diagnose` and what `scorecast list systems` says: of a system, of a file, of what has no answer.

use serde_json::Value;

use super::{json, refused, scorecast, stderr};

const SHORT: &[&str] = &["--set", "data.steps=400", "--set", "data.trajectories=8"];

fn value(result: &Value, key: &str) -> (f64, f64) {
    (result[key]["value"].as_f64().unwrap(), result[key]["se"].as_f64().unwrap())
}

#[test]
fn a_system_gives_exponents_climate_and_a_folder_of_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("l63");
    let args = [&["diagnose", "lorenz63", "--json", "--out", out.to_str().unwrap()], SHORT].concat();
    let output = scorecast(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    let result = json(&output)["result"].clone();
    let (exponent, se) = value(&result, "leading_exponent");
    assert!((exponent - 0.9056).abs() < 5.0 * se && se < 0.1, "{exponent} {se}");
    let (sum, _) = value(&result, "sum_of_exponents");
    assert!((sum + 41.0 / 3.0).abs() < 1e-3, "{sum}");
    let (sd, se) = value(&result, "sd");
    // the root of the mean of 7.92^2, 9.01^2 and 8.63^2 (the table of climates)
    assert!((sd - 8.534).abs() < 5.0 * se, "{sd} {se}");
    assert_eq!(result["positive_exponents"], 1);
    assert_eq!(result["exponents"].as_array().unwrap().len(), 3);
    let written: Value = serde_json::from_slice(&std::fs::read(out.join("diagnose.json")).unwrap()).unwrap();
    assert_eq!(written["leading_exponent"], result["leading_exponent"]);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("Kaplan-Yorke dimension") && !page.contains("NaN") && !page.contains("http"));
    for name in ["sample", "sample_2", "exponents", "histogram_1", "autocorrelation", "power_spectrum"] {
        let svg = std::fs::read_to_string(out.join(name).with_extension("svg")).unwrap();
        assert!(svg.starts_with("<svg xmlns") && svg.contains("<path") && !svg.contains("NaN"), "{name}");
    }
    refused(
        &args[..args.len() - SHORT.len()].iter().copied().filter(|arg| *arg != "--json").collect::<Vec<_>>(),
        7,
        "exists",
    );
}

#[test]
fn a_file_gives_what_needs_no_equations() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.nc");
    let file = file.to_str().unwrap();
    let still = ["--set", "system.noise=0"];
    let simulated = scorecast(&[&["simulate", "lorenz96", "--out", file], SHORT, &still].concat());
    assert!(simulated.status.success(), "{}", stderr(&simulated));
    let output = scorecast(&["diagnose", file, "--set", "data.geometry=ring", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let result = json(&output)["result"].clone();
    assert_eq!((result["dim"].as_u64(), result["trajectories"].as_u64()), (Some(40), Some(8)));
    assert!((result["dt"].as_f64().unwrap() - 0.05).abs() < 1e-12);
    assert_eq!((&result["leading_exponent"], &result["exponents"]), (&Value::Null, &Value::Null));
    let (sd, se) = value(&result, "sd");
    assert!((sd - 3.64).abs() < 5.0 * se && se < 0.05, "{sd} {se}");
    assert_eq!(result["spatial_spectrum"]["wavenumber"].as_array().unwrap().len(), 21);
    let text = String::from_utf8(scorecast(&["diagnose", file]).stdout).unwrap();
    assert!(text.contains("Kaplan-Yorke dimension                              n/a"), "{text}");
}

#[test]
fn a_file_without_trajectories_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.nc");
    let said = scorecast(&["diagnose", missing.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(74), "{}", stderr(&said));
    let (experiment, out) = (folder.path().join("ou.toml"), folder.path().join("f"));
    let text = "[system]\nname = \"ou\"\n[data]\ntrajectories = 10\nsteps = 20\n[[forecaster]]\nname = \"linear\"\nkind = \
                \"linear\"\n[score]\nlead_steps = 2\nmembers = 2\nstarts = 1\n";
    std::fs::write(&experiment, text).unwrap();
    let made = scorecast(&["forecast", experiment.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert!(made.status.success(), "{}", stderr(&made));
    let forecasts = out.join("linear.nc");
    let (said, _) = refused(&["diagnose", forecasts.to_str().unwrap()], 3, "data");
    assert!(said.contains("has no variable of numbers with the right dimensions"), "{said}");
}

#[test]
fn a_system_that_diverges_is_a_numerical_failure() {
    let wild = ["diagnose", "lorenz96", "--set", "data.dt=2", "--set", "data.steps=50"];
    let (said, _) = refused(&wild, 4, "numerical");
    assert!(said.contains("diverged at lead step"), "{said}");
}

#[test]
fn the_list_of_systems_carries_what_was_measured() {
    let list = json(&scorecast(&["list", "systems", "--json"]));
    for system in list["result"]["systems"].as_array().unwrap() {
        for key in ["dim", "noise", "lyapunov_time", "kaplan_yorke_dimension", "climatology", "citation", "usual"] {
            assert!(system.get(key).is_some(), "{}: {key}", system["name"]);
        }
        if system["name"] == "lorenz96" {
            assert_eq!((system["dim"].as_u64(), system["noise"].as_str()), (Some(40), Some("none")));
            assert!((system["lyapunov_time"].as_f64().unwrap() * 1.68 - 1.0).abs() < 0.02);
            assert!((system["climatology"]["sd"][0]["value"].as_f64().unwrap() - 3.64).abs() < 0.01);
        }
    }
}

#[test]
fn the_gallery_is_one_picture_of_the_systems() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("g.svg");
    let output = scorecast(&["diagnose", "--gallery", out.to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let result = json(&output)["result"].clone();
    let svg = std::fs::read_to_string(&out).unwrap();
    for name in result["systems"].as_array().unwrap() {
        assert!(svg.contains(&format!(">{}</text>", name.as_str().unwrap())), "{name}");
    }
    assert!(!svg.contains("NaN") && svg.len() < 4_000_000, "{} bytes", svg.len());
}
