//! README's tables are the registries: a line for every entry, in their order. `UPDATE_README=1 cargo test --release
//! --test readme` writes them again.

use std::path::Path;

use scorecast::assimilation::{METHODS, NOISE_LAWS, OPERATORS};
use scorecast::forecast::FORECASTERS;
use scorecast::score::METRICS;
use scorecast::spec::presets::PRESETS;
use scorecast::systems::Entry;
use scorecast::systems::catalogue::SYSTEMS;

fn table<B>(registry: &[Entry<B>]) -> String {
    // a bar would end the cell
    let cell = |text: &str| text.replace('|', "\\|");
    let rows = registry
        .iter()
        .map(|entry| format!("| `{}` | {} | {} |\n", entry.name, cell(entry.about), cell(entry.reference)));
    format!("| name | what it is | source |\n|---|---|---|\n{}", rows.collect::<String>())
}

fn presets() -> String {
    let rows = PRESETS.iter().map(|preset| format!("| `{}` | {} |\n", preset.name, preset.about));
    format!("| name | what it shows |\n|---|---|\n{}", rows.collect::<String>())
}

#[test]
fn the_tables_are_the_registries() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let mut readme = std::fs::read_to_string(&path).unwrap();
    for (name, wanted) in [
        ("systems", table(SYSTEMS)),
        ("forecasters", table(FORECASTERS)),
        ("methods", table(METHODS)),
        ("operators", table(OPERATORS)),
        ("noise laws", table(NOISE_LAWS)),
        ("metrics", table(METRICS)),
        ("presets", presets()),
    ] {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let from = readme.find(&begin).unwrap_or_else(|| panic!("README has no {begin}")) + begin.len();
        let to = from + readme[from..].find(&end).unwrap_or_else(|| panic!("README has no {end}"));
        if std::env::var_os("UPDATE_README").is_some() {
            readme.replace_range(from..to, &wanted);
        } else {
            assert_eq!(readme[from..to], wanted, "README's table of {name}");
        }
    }
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, readme).unwrap();
    }
}
