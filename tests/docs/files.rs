//! The files that pages name exist, and those that a page asks to read are as short as it says.

use super::exists;
use super::page::{Page, pages, root};

/// Folders of the repository that a path in backquotes may begin with.
const FOLDERS: [&str; 7] = ["systems/", "assimilation/", "src/", "tests/", "benches/", "docs/", ".ci/"];

fn is_a_path(code: &&str) -> bool {
    let plain = code.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    plain && !code.contains("NAME") && FOLDERS.iter().any(|folder| code.starts_with(folder))
}

fn to_read(page: &Page) -> Vec<&str> {
    page.blocks.iter().filter(|block| block.tag == "files").flat_map(|block| block.text.lines()).collect()
}

#[test]
fn every_file_that_a_page_names_exists() {
    let missing: Vec<String> = pages()
        .iter()
        .flat_map(|page| {
            let named = page.code().into_iter().filter(is_a_path).chain(to_read(page));
            let missing = named.filter(|path| !exists(path.split(':').next().unwrap_or_default()));
            missing.map(|path| format!("{}: {path}", page.name)).collect::<Vec<_>>()
        })
        .collect();
    assert!(missing.is_empty(), "files that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn what_must_be_read_to_add_a_member_is_as_short_as_promised() {
    for page in pages() {
        let Some(block) = page.blocks.iter().find(|block| block.tag == "files") else { continue };
        let goal: usize = block.mark("goal").unwrap().parse().unwrap();
        let lines = |path: &str| std::fs::read_to_string(root().join(path)).unwrap_or_default().lines().count();
        let total: usize = block.text.lines().map(lines).sum();
        println!("{}: {total} lines of at most {goal}", page.name);
        assert!(total <= goal, "{} asks to read {total} lines, more than {goal}", page.name);
    }
}
