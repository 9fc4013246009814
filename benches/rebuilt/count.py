"""Counts tests, assertions, test binaries and lines of two states of this repository, and what lies between them.

Usage: python benches/rebuilt/count.py [REVISION] [--base REVISION] [--functions]. Without REVISION the working tree
is counted. `--functions` also lists the functions of tests with fewer assertions than before, by their names.

What is counted, from the text alone (nothing is built):
- tests: functions with `#[test]`, wherever they stand, and of them those with `#[ignore]`;
- assertions: uses of `assert!`, `assert_eq!` and `assert_ne!` within tests, and those in code that runs outside of tests,
  counted apart (they are contracts between our own functions);
- test binaries: what Cargo builds from `tests/` of each crate, and one for the unit tests of each library and program;
- lines that are not blank, of code and of tests. A test is what stands in `tests/` or under `#[cfg(test)]`, in its file
  or in the file of the module that it names.
"""

import argparse
import os
import re
import subprocess
from collections import Counter
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
CRATES = {"systems": "scorecast-systems", "assimilation": "scorecast-assimilation", "": "scorecast"}
COLUMNS = ["tests", "ignored", "assertions", "contracts", "binaries", "code", "test lines"]


def git(*words):
    return subprocess.run(["git", "-C", ROOT, *words], check=True, capture_output=True).stdout


def sources(revision):
    """The Rust files of a revision, or of the working tree, as {path: text}."""
    if revision is None:
        names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.rs").decode().split("\0")
        return {name: (ROOT / name).read_text() for name in names if name and (ROOT / name).exists()}
    names = git("ls-tree", "-r", "-z", "--name-only", revision).decode().split("\0")
    names = [name for name in names if name.endswith(".rs")]
    asked = "".join(f"{revision}:{name}\n" for name in names).encode()
    answer = subprocess.run(
        ["git", "-C", ROOT, "cat-file", "--batch"], input=asked, check=True, capture_output=True
    ).stdout
    files = {}
    for name in names:
        head, answer = answer.split(b"\n", 1)
        size = int(head.split()[2])
        files[name], answer = answer[:size].decode(), answer[size + 1 :]
    return files


def crate_of(path):
    first = PurePosixPath(path).parts[0]
    return CRATES.get(first, CRATES[""])


TOKEN = re.compile(
    r"""
    (?P<line>//[^\n]*)
  | (?P<block>/\*.*?\*/)
  | (?P<raw>b?r(?P<hashes>\#*)".*?"(?P=hashes))
  | (?P<string>b?"(?:\\.|[^"\\])*")
  | (?P<char>b?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^'\\])')
    """,
    re.VERBOSE | re.DOTALL,
)


def bare(text):
    """The text with comments and literals blanked, of the same length and lines, so that braces can be matched."""
    return TOKEN.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def end_of_item(text, start):
    """The offset behind the item that begins at `start`: its closing brace, or its semicolon if that comes first."""
    depth = 0
    for at in range(start, len(text)):
        letter = text[at]
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0 and letter == "}":
                return at + 1
        elif letter == ";" and depth == 0:
            return at + 1
    return len(text)


CFG_TEST = re.compile(r"#\[cfg\((?:test|all\(test\b[^\]]*)\)\]")
ATTRIBUTE = re.compile(r"\s*#\[")
MODULE = re.compile(r"\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;")
PATH = re.compile(r'#\[path\s*=\s*"([^"]+)"\]')


def skip_attributes(text, at):
    while found := ATTRIBUTE.match(text, at):
        at, depth = found.end(), 1
        while depth:
            depth += {"[": 1, "]": -1}.get(text[at], 0)
            at += 1
    return at


def module_files(path, name, attributes, files):
    """The file of `mod name;` in `path`, with all that lies in the module's folder; `#[path]` names a file beside."""
    here = PurePosixPath(path)
    if given := PATH.search(attributes):
        named = os.path.normpath(here.parent / given[1])
        return [named] if named in files else []
    folder = here.parent if here.name in ("mod.rs", "lib.rs", "main.rs") else here.with_suffix("")
    inside = f"{folder / name}/"
    return [other for other in files if other == f"{folder / name}.rs" or other.startswith(inside)]


def test_spans(files, texts):
    """{path: [(from, to), ...]}: where tests stand in each file."""
    spans = {path: [] for path in files}
    for path, text in texts.items():
        if "tests" in PurePosixPath(path).parts[:-1]:
            spans[path] = [(0, len(text))]
            continue
        if re.search(r"#!\[cfg\(test\)\]", text):
            spans[path] = [(0, len(text))]
            continue
        for found in CFG_TEST.finditer(text):
            if any(start <= found.start() < end for start, end in spans[path]):
                continue
            item = skip_attributes(text, found.end())
            spans[path].append((found.start(), end_of_item(text, item)))
            if module := MODULE.match(text, item):
                attributes = files[path][found.start() : item]
                for other in module_files(path, module[1], attributes, files):
                    spans[other] = [(0, len(texts[other]))]
    return {path: merged(of) for path, of in spans.items()}


def merged(spans):
    """Spans in order, and what lies in another is left out."""
    out = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not out or start >= out[-1][1]:
            out.append((start, end))
    return out


ASSERTION = re.compile(r"(?<![\w])assert(?:_eq|_ne)?!")
TEST = re.compile(r"#\[test\]")


def count_file(text, original, spans):
    inside = "".join(text[start:end] for start, end in spans)
    lines = sum(bool(line.strip()) for line in original.splitlines())
    test_lines = sum(bool(line.strip()) for start, end in spans for line in original[start:end].splitlines())
    assertions = len(ASSERTION.findall(inside))
    return Counter({
        "tests": len(TEST.findall(inside)),
        "ignored": len(re.findall(r"#\[ignore\b", inside)),
        "assertions": assertions,
        "contracts": len(ASSERTION.findall(text)) - assertions,
        "code": lines - test_lines,
        "test lines": test_lines,
    })


def binaries(crate_folder, files):
    """Integration binaries of a crate (as Cargo finds them), and one for each library and program."""
    prefix = f"{crate_folder}/" if crate_folder else ""
    single = re.compile(re.escape(prefix) + r"tests/(\w+\.rs|\w+/main\.rs)$")
    own = re.compile(re.escape(prefix) + r"src/(lib|main|bin/\w+|bin/\w+/main)\.rs$")
    return sum(bool(single.match(path) or own.match(path)) for path in files)


def count(revision):
    """({crate: counts}, {function of a test: assertions}) of a revision."""
    files = sources(revision)
    texts = {path: bare(text) for path, text in files.items()}
    spans = test_spans(files, texts)
    crates = {name: Counter() for name in CRATES.values()}
    by_test = Counter()
    for path, text in texts.items():
        of_file = count_file(text, files[path], spans[path])
        crates[crate_of(path)] += of_file
        by_test.update(assertions_by_test(text, spans[path]))
    for folder, name in CRATES.items():
        crates[name]["binaries"] = binaries(folder, files)
    return crates, by_test


FUNCTION = re.compile(r"\bfn\s+(\w+)")


def assertions_by_test(text, spans):
    """Assertions of each function in tests, by its name: names stay where files move."""
    out = Counter()
    for start, end in spans:
        starts = [(found.start(), found[1]) for found in FUNCTION.finditer(text, start, end)]
        for (at, name), (behind, _) in zip(starts, starts[1:] + [(end, "")]):
            out[name] += len(ASSERTION.findall(text, at, behind))
    return out


def print_table(title, crates):
    print(f"\n{title}")
    print(f"{'':24}" + "".join(f"{column:>12}" for column in COLUMNS))
    total = {column: sum(row[column] for row in crates.values()) for column in COLUMNS}
    for name, row in [*crates.items(), ("all", total)]:
        print(f"{name:24}" + "".join(f"{row[column]:>12}" for column in COLUMNS))


def difference(now, base):
    return {name: Counter({column: now[name][column] - base[name][column] for column in COLUMNS}) for name in now}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("revision", nargs="?", help="a git revision (default: the working tree)")
    parser.add_argument("--base", default="83d3c71", help="the revision to compare with (default: 83d3c71)")
    parser.add_argument("--functions", action="store_true", help="list functions of tests with fewer assertions")
    given = parser.parse_args()
    (base, base_functions), (now, functions) = count(given.base), count(given.revision)
    print_table(f"before: {given.base}", base)
    print_table(f"after: {given.revision or 'working tree'}", now)
    print_table("difference", difference(now, base))
    if given.functions:
        print("\nfunctions of tests with fewer assertions than before")
        for name, before in sorted(base_functions.items()):
            if functions[name] < before:
                print(f"{name:80}{before:>4} -> {functions[name]}")


if __name__ == "__main__":
    main()
