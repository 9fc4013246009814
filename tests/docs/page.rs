//! A page of Markdown: its fenced blocks with the comments before them, and its links.

use std::path::{Path, PathBuf};

/// A fenced block.
pub(crate) struct Block {
    /// Its tag, such as `sh`.
    pub(crate) tag: String,
    pub(crate) text: String,
    /// The line of its fence, from 1.
    pub(crate) line: usize,
    /// The comments on the lines before it, without their brackets.
    marks: Vec<String>,
}

impl Block {
    /// The value of the comment `<!-- name: value -->` before it.
    pub(crate) fn mark(&self, name: &str) -> Option<&str> {
        self.marks.iter().find_map(|mark| mark.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Whether `<!-- slow -->` stands before it.
    pub(crate) fn is_slow(&self) -> bool {
        self.marks.iter().any(|mark| mark == "slow")
    }
}

/// A page.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    /// Its path from the top of the repository, for messages.
    pub(crate) name: String,
    /// Without the fenced blocks.
    pub(crate) prose: String,
    pub(crate) blocks: Vec<Block>,
}

/// The top of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and every page of the book, by name.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths = vec![root().join("README.md")];
    collect(&root().join("docs/src"), &mut paths);
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}

fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("<!-- ")?.strip_suffix(" -->")
}

impl Page {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let (mut blocks, mut marks, mut prose) = (Vec::new(), Vec::new(), String::new());
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(tag)) => {
                    let marks = std::mem::take(&mut marks);
                    open = Some(Block { tag: tag.to_owned(), text: String::new(), line: index + 1, marks });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => block.text.extend([line, "\n"]),
                (None, None) => match comment(line) {
                    Some(mark) => marks.push(mark.to_owned()),
                    None => {
                        marks.clear();
                        prose.extend([line, "\n"]);
                    }
                },
            }
        }
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        assert!(open.is_none(), "{name} leaves a block open");
        Self { path: path.to_owned(), name, prose, blocks }
    }

    /// The targets of its links and pictures.
    pub(crate) fn links(&self) -> Vec<String> {
        let after = self.prose.split("](").skip(1);
        after.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
    }

    /// What stands between backquotes in its prose.
    pub(crate) fn code(&self) -> Vec<&str> {
        self.prose.split('`').skip(1).step_by(2).collect()
    }
}
