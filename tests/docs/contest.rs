//! The page of the contest has the tables of the results that are kept, and these are of the presets as they are.

use std::path::Path;

use scorecast::spec::suites::{Member, suite};
use scorecast::stage::suite::{SuiteResult, Table, tables};

#[path = "../data/contest.rs"]
mod results;

use super::page::root;
use results::{Kept, kept};

/// What stands around the tables of the page.
const MARKS: [&str; 2] = ["<!-- tables -->\n", "<!-- end of tables -->\n"];

/// The results that are kept, in the order of the suite.
fn all() -> Vec<SuiteResult> {
    let suite = suite("contest_full").unwrap();
    let read = |member: &Member| {
        let text = std::fs::read_to_string(kept(member)).ok()?;
        let kept: Kept = serde_json::from_str(&text).unwrap();
        let doubts = kept.doubts(suite, member);
        assert!(doubts.is_empty(), "{}: {}", member.preset, doubts.join("; "));
        assert_eq!(kept.result.experiment, member.preset);
        Some(kept.result)
    };
    suite.members.iter().filter_map(read).collect()
}

#[test]
fn the_tables_of_the_contest_are_those_of_the_results_that_are_kept() {
    let results = all();
    let made: Vec<String> = tables(&results.iter().collect::<Vec<_>>()).iter().map(Table::markdown).collect();
    let path = root().join(Path::new("docs/src/results/contest.md"));
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).unwrap();
    let (shown, after) = rest.split_once(MARKS[1]).unwrap();
    let made = format!("\n{}\n", made.join("\n"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, [before, MARKS[0], &made, MARKS[1], after].concat()).unwrap();
    } else {
        assert_eq!(shown, made, "run UPDATE_DOCS=1 cargo test --release --workspace --test docs");
    }
}
