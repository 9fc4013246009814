"""The two programs: the base commit built in a worktree of its own, and the present tree."""

import subprocess
from pathlib import Path

BASE = "83d3c71"
ROOT = Path(__file__).resolve().parents[2]


def base(folder: Path) -> Path:
    """The program of the base commit, whose tree is checked out into the folder unless it is there."""
    if not (folder / "Cargo.toml").exists():
        run("git", "worktree", "add", "--force", "--detach", str(folder), BASE)
    return build(folder)


def new() -> Path:
    """The program of the present tree."""
    return build(ROOT)


def build(tree: Path) -> Path:
    run("cargo", "build", "--release", "--bin", "scorecast", tree=tree)
    return tree / "target" / "release" / "scorecast"


def run(*command: str, tree: Path = ROOT) -> None:
    subprocess.run(command, cwd=tree, check=True)
