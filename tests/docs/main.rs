//! The book and README are true: commands run, experiments parse, links lead somewhere, reference pages are the registries.
//!
//! A binary of its own: it also writes the reference pages, which a writer asks for without running the tests of the program.
//!
//! `UPDATE_DOCS=1 cargo test --release --test docs` writes the tables of docs/src/reference again; with `DOCS_PAGE=tutorial`
//! only pages with that in their name are run.
//!
//! Pages speak to these tests by HTML comments before a block, which a reader does not see:
//! `<!-- slow -->` a block of commands that take longer than 20 seconds, which are run with `--dry-run`;
//! `<!-- file: my.toml -->` a file that the reader saves and that later commands of the page read;
//! `<!-- from: path -->` lines that stand so in a file of the repository;
//! `<!-- goal: 350 -->` the most lines that the files of a block tagged `files` may have together.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like tests")]

mod commands;
mod files;
mod page;
mod public_docs;
mod reference;
mod schema;
mod suites;

use std::path::Path;

use page::{Page, pages, root};

/// What a link of a page may lead to: files of the repository; from the book, pages of the book alone, since a site of it
/// has no others.
fn broken(page: &Page) -> Vec<String> {
    let folder = page.path.parent().unwrap();
    let book = root().join("docs/src");
    let leads = |link: &str| {
        let file = link.split('#').next().unwrap_or_default();
        let target = folder.join(file).canonicalize();
        target.is_ok_and(|target| !page.path.starts_with(&book) || target.starts_with(book.canonicalize().unwrap()))
    };
    let links = page.links().into_iter().filter(|link| !link.contains("://") && !link.starts_with('#'));
    links.filter(|link| !leads(link)).map(|link| format!("{}: {link}", page.name)).collect()
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let broken: Vec<String> = pages().iter().flat_map(broken).collect();
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn the_summary_has_every_page_of_the_book() {
    let summary = Page::read(&root().join("docs/src/SUMMARY.md"));
    let known: Vec<_> = summary.links().iter().map(|link| root().join("docs/src").join(link)).collect();
    for page in pages().iter().filter(|page| page.name.starts_with("docs/src/") && page.path != summary.path) {
        assert!(known.contains(&page.path), "SUMMARY.md has no {}", page.name);
    }
}

#[test]
fn readme_has_at_most_120_lines() {
    let lines = std::fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= 120, "README.md has {lines} lines");
}

/// Lines of a block, without how far they are indented.
fn trimmed(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn lines_that_are_quoted_from_a_file_stand_in_it() {
    for page in pages() {
        for block in &page.blocks {
            let Some(path) = block.mark("from") else { continue };
            let file = std::fs::read_to_string(root().join(path)).unwrap();
            let (file, wanted) = (trimmed(&file), trimmed(&block.text));
            assert!(
                file.windows(wanted.len()).any(|lines| lines == wanted),
                "{}:{}: these lines do not stand in {path}:\n{}",
                page.name,
                block.line,
                block.text
            );
        }
    }
}

/// Whether a path exists in the repository.
fn exists(path: impl AsRef<Path>) -> bool {
    root().join(path).exists()
}
