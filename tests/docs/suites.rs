//! The pages of suites have the tables of the results that are kept, and these are of the presets as they are.

use scorecast::spec::suites::{Member, SUITES, Suite};
use scorecast::stage::suite::{SuiteResult, Table, tables};

#[path = "../data/kept.rs"]
mod results;

use results::{Kept, kept, page};

/// What stands around the tables of a page.
const MARKS: [&str; 2] = ["<!-- tables -->\n", "<!-- end of tables -->\n"];

/// The results that are kept of a suite, in its order.
fn all(suite: &Suite) -> Vec<SuiteResult> {
    let read = |member: &Member| {
        let text = std::fs::read_to_string(kept(suite, member)).ok()?;
        let kept: Kept = serde_json::from_str(&text).unwrap();
        let doubts = kept.doubts(suite, member);
        assert!(doubts.is_empty(), "{}: {}", member.preset, doubts.join("; "));
        assert_eq!(kept.result.experiment, member.preset);
        Some(kept.result)
    };
    suite.members.iter().filter_map(read).collect()
}

#[test]
fn the_tables_of_suites_are_those_of_the_results_that_are_kept() {
    let long: Vec<&Suite> = SUITES.iter().filter(|suite| suite.name.ends_with("_full")).collect();
    assert!(!long.is_empty());
    for suite in long {
        let results = all(suite);
        assert!(!results.is_empty(), "nothing is kept of {}", suite.name);
        let made: Vec<String> = tables(&results.iter().collect::<Vec<_>>()).iter().map(Table::markdown).collect();
        let text = std::fs::read_to_string(page(suite)).unwrap();
        let (before, rest) = text.split_once(MARKS[0]).unwrap();
        let (shown, after) = rest.split_once(MARKS[1]).unwrap();
        let made = format!("\n{}\n", made.join("\n"));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(page(suite), [before, MARKS[0], &made, MARKS[1], after].concat()).unwrap();
        } else {
            assert_eq!(shown, made, "{}: run UPDATE_DOCS=1 cargo test --release --workspace --test docs", suite.name);
        }
    }
}
