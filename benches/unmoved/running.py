"""Runs the commands of an experiment with one program, in a folder of its own."""

import hashlib
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from experiment import Experiment, Step

# Seconds of one command, at most, and how often a file is looked for.
LONGEST = 24 * 3600
LOOK = 0.002
# What a printed result has that no two runs share, and prose, whose words may change.
UNCOMPARED = {
    "seconds", "seconds_per_cycle", "cost", "run", "folder", "findings", "warnings", "text", "message", "hint",
}


@dataclass(frozen=True)
class Program:
    """One of the two programs, on so many threads."""

    path: Path
    threads: int

    def command(self, step: Step) -> list[str]:
        return [str(self.path), *step.words, "--quiet", "--threads", str(self.threads)]


class Broken(Exception):
    """An experiment that does not run with the base program as it should."""


def run(program: Program, experiment: Experiment, folder: Path) -> None:
    """Runs the commands in a fresh folder, which also gets what they print and their exit codes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in experiment.files.items():
        (folder / name).write_text(content) if isinstance(content, str) else content(folder / name)
    codes, printed = [], []
    for step in experiment.steps:
        code, out = run_step(program, step, folder)
        codes.append(code)
        printed += [compared(out)] if step.printed else []
    (folder / "exit_codes.json").write_text(json.dumps(codes))
    if printed:
        (folder / "printed.json").write_text(json.dumps(printed, indent=1, sort_keys=True))


def run_step(program: Program, step: Step, folder: Path) -> tuple[int, str]:
    """The exit code, and what is printed. A command that is to be killed has no code of its own."""
    if step.killed_at:
        kill(program.command(step), step.killed_at, folder)
        return -9, ""
    done = subprocess.run(program.command(step), cwd=folder, capture_output=True, text=True, timeout=LONGEST)
    with open(folder / "stderr.txt", "a") as file:
        file.write(f"$ {' '.join(step.words)}\n{done.stderr}exit code {done.returncode}\n")
    return done.returncode, done.stdout


def kill(command: list[str], at: str, folder: Path) -> None:
    """Kills a command as soon as a file is there."""
    running = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None and not any(folder.glob(at)):
        time.sleep(LOOK)
    if running.poll() is not None:
        raise Broken(f"`{' '.join(command)}` ended before it could be killed")
    running.kill()
    running.wait()


def compared(printed: str) -> object:
    """What a command printed, without times, paths and prose."""
    try:
        return without(json.loads(printed))
    except json.JSONDecodeError:
        return printed


def without(value: object) -> object:
    if isinstance(value, dict):
        return {key: without(inner) for key, inner in value.items() if key not in UNCOMPARED}
    return [without(inner) for inner in value] if isinstance(value, list) else value


def run_base(program: Program, experiment: Experiment, folder: Path, fresh: bool) -> None:
    """Runs the base program, unless the folder has what the same program made of the same experiment."""
    stamp = folder / "stamp"
    digest = fingerprint(program, experiment)
    if not fresh and stamp.exists() and stamp.read_text() == digest:
        return
    run(program, experiment, folder)
    require_codes(experiment, folder)
    stamp.write_text(digest)


def require_codes(experiment: Experiment, folder: Path) -> None:
    expected = [-9 if step.killed_at else step.code for step in experiment.steps]
    codes = json.loads((folder / "exit_codes.json").read_text())
    if any(wanted not in (None, code) for code, wanted in zip(codes, expected)):
        errors = (folder / "stderr.txt").read_text()
        raise Broken(f"`{experiment.name}` ends with {codes} in place of {expected}:\n{errors}")


def fingerprint(program: Program, experiment: Experiment) -> str:
    digest = hashlib.sha256(hashlib.file_digest(open(program.path, "rb"), "sha256").digest())
    digest.update(repr((experiment.steps, sorted(experiment.files), experiment.texts())).encode())
    return digest.hexdigest()
