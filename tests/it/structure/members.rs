//! A member of a registry is one file and one line of its registry, beside its `mod` and what is public of it.

use std::path::Path;

use super::every_file;
use super::modules::without_tests;

/// Where the operations lie that networks are made of: `conv2d` brought its own, of the same name.
const OPERATIONS: &str = "src/nn/ops";

/// A registry's folder and the members of it that pages `to add ...` show.
const MEMBERS: &[(&str, &str)] = &[
    ("systems/src/catalogue", "lorenz84"),
    ("systems/src/noising/schedule", "vp_cosine"),
    ("systems/src/noising/sampler", "euler"),
    ("assimilation/src/method/ensemble", "denkf"),
    ("assimilation/src/method/diffusion/guidance", "dps"),
    ("assimilation/src/method/variational", "four_d_envar"),
    ("src/forecast", "persistence"),
    ("src/nn/network", "mlp"),
    ("src/nn/network", "conv2d"),
    ("src/nn/network", "unet2d"),
    ("src/nn/network", "transformer"),
    ("src/nn/objective", "velocity"),
    ("src/score", "bias"),
    ("src/score", "mae_median"),
];

/// Lines of code outside tests in which `name` is a module's name: `mod name` or `name::...`, texts left out.
fn lines_that_name(code: &str, name: &str) -> Vec<String> {
    let code = without_tests(code);
    let (path, module) = (format!("{name}::"), format!("mod {name};"));
    let names = |line: &&str| {
        let outside_texts = line.replace("\\\"", "").split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
        let is_whole = |at: usize| !outside_texts[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        outside_texts.match_indices(&path).any(|(at, _)| is_whole(at)) || outside_texts.contains(&module)
    };
    code.lines().filter(names).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn an_example_of_each_page_is_named_by_its_registry_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (folder, member) in MEMBERS {
        let of_crate = folder.split_inclusive("src").next().unwrap_or(folder);
        let own = root.join(folder).join(format!("{member}.rs"));
        assert!(own.is_file(), "{}", own.display());
        let mut found = Vec::new();
        every_file(&root.join(of_crate), &mut |file, code| {
            if file != own && !file.ends_with("tests.rs") && !file.starts_with(root.join(OPERATIONS)) {
                let lines = lines_that_name(code, member);
                found.extend(lines.into_iter().map(|line| (file.strip_prefix(root).unwrap().to_owned(), line)));
            }
        });
        let entries = found.iter().filter(|(_, line)| line.contains("ENTRY")).count();
        let others = found.iter().filter(|(_, line)| !line.contains("ENTRY"));
        assert_eq!(entries, 1, "{member}: {found:#?}");
        for (_, line) in others {
            let public = line.starts_with("pub use ") && line.contains(&format!("{member}::"));
            let declares = public || line.ends_with(&format!("mod {member};"));
            assert!(declares, "{member}: {line}");
        }
    }
}
