#!/usr/bin/env python3
"""Numbers do not move: the same experiments with the program of the base commit and with that of the present tree.

    pip install numpy h5py
    python benches/unmoved/compare.py                     # builds both, then the short suite
    python benches/unmoved/compare.py --suite full        # presets and papers as they are: hours
    python benches/unmoved/compare.py --base PROGRAM --new PROGRAM --only 'preset*'
    python benches/unmoved/compare.py --self-test         # the check itself sees one ulp and one byte

The rebuilding that this script was made for ended with commit cf9810d, where nothing differs. Later commits change numbers
on purpose: energy scores of more than 512 members, scores that cannot be had, names of files of labels.

`metrics.json`, `metrics.csv`, exit codes and what `evaluate`, `tune`, `reproduce` and `diagnose` print (times, paths
and prose left out) are compared byte for byte; every array of `.nc` and `.hdf5` files and every tensor of models by
name and bit for bit, one NaN as another. Metadata and formats are left apart. Each item that differs is a line with its
largest relative change, and the exit code is 1 unless EXCEPTIONS below lists it. The short suite must run every entry
of the base program's registries, with every setting; otherwise the exit code is 2. Entries that only the new program
has are told and do not count.

What the base program writes is kept under --out and used again, as long as it is the same program and the same
experiment. Both programs must run on one machine. To add an experiment, put a TOML file beside this script and name it
in `suite.py`; rows for each method and setting are made from the registries (`rows.py`). Where the new tree gives an
array another name on purpose, `outputs.py` has a table for it.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

sys.dont_write_bytecode = True  # nothing is left beside the scripts

import binaries
import coverage
import outputs
from experiment import Experiment
from running import Broken, Program, run, run_base
from selftest import self_test
from suite import Suite


@dataclass(frozen=True)
class Allowed:
    """Items that may differ a little, and why; experiment and item are patterns as of a shell."""

    experiment: str
    item: str
    relative: float
    why: str


# No relative change above LARGEST is ever allowed.
LARGEST = 1e-12
EXCEPTIONS: list[Allowed] = []


@dataclass(frozen=True)
class Result:
    """One experiment with both programs."""

    experiment: str
    items: int
    differences: list[outputs.Difference]
    added: list[str]
    broken: str = ""


def main() -> int:
    options = parse()
    base, new = programs(options)
    if options.self_test:
        return self_test(base, options.out / "self-test")
    registries = listed(base)
    suite = Suite(registries)
    experiments = suite.short() if options.suite == "short" else suite.full()
    if options.suite == "short" and (missing := coverage.missing(registries, experiments)):
        print("\n".join(missing))
        return 2
    tell_added(registries, listed(new))
    chosen = [experiment for experiment in experiments if fnmatchcase(experiment.name, options.only)]
    results = compare_all((base, new), chosen, options)
    faults = judge(results)
    if any(result.broken for result in results):
        return 2
    return 1 if faults else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=("short", "full"), default="short")
    parser.add_argument("--base", type=Path, help="the base program; built in --base-dir if unset")
    parser.add_argument("--new", type=Path, help="the new program; built here if unset")
    target = binaries.ROOT / "target" / "unmoved"
    parser.add_argument("--base-dir", type=Path, default=target / "base", help="where the base commit is checked out")
    parser.add_argument("--out", type=Path, default=target / "runs", help="what the programs write")
    parser.add_argument("--only", default="*", help="a pattern of experiments' names, such as 'system *'")
    parser.add_argument("--workers", type=int, default=2, help="experiments at a time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each")
    parser.add_argument("--fresh", action="store_true", help="run the base program again, too")
    parser.add_argument("--keep", action="store_true", help="keep what the new program writes where nothing differs")
    parser.add_argument("--self-test", action="store_true", help="see whether the check sees a change of one bit")
    return parser.parse_args()


def programs(options: argparse.Namespace) -> tuple[Program, Program]:
    base = options.base or binaries.base(options.base_dir)
    new = options.new or (base if options.self_test else binaries.new())
    return Program(base.resolve(), options.threads), Program(new.resolve(), options.threads)


def listed(program: Program) -> dict[str, list[dict]]:
    """The registries, as `list` gives them."""
    done = subprocess.run([program.path, "list", "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["result"]


def tell_added(base: dict[str, list[dict]], new: dict[str, list[dict]]) -> None:
    for registry, entries in new.items():
        known = {entry["name"] for entry in base.get(registry, [])}
        if added := [entry["name"] for entry in entries if entry["name"] not in known]:
            print(f"only the new program has, of {registry}: {', '.join(added)}")


def compare_all(
    programs: tuple[Program, Program], chosen: list[Experiment], options: argparse.Namespace
) -> list[Result]:
    """The longest experiments come first in the suite, so that no worker waits for long at the end."""
    with ThreadPoolExecutor(options.workers) as pool:
        return list(pool.map(lambda experiment: compare(*programs, experiment, options), chosen))


def compare(base: Program, new: Program, experiment: Experiment, options: argparse.Namespace) -> Result:
    begun = time.monotonic()
    folders = [options.out / side / experiment.name for side in ("base", "new")]
    try:
        run_base(base, experiment, folders[0], options.fresh)
        run(new, experiment, folders[1])
    except Broken as broken:
        print(broken, flush=True)
        return Result(experiment.name, 0, [], [], str(broken))
    old, now = (outputs.items(folder) for folder in folders)
    result = Result(experiment.name, len(old), outputs.differences(old, now), outputs.added(old, now))
    if not result.differences and not options.keep:
        shutil.rmtree(folders[1])
    print(f"{experiment.name}: {result.items} items, {len(result.differences)} differ, "
          f"{time.monotonic() - begun:.1f} s", flush=True)
    return result


def judge(results: list[Result]) -> int:
    """Tells every difference and gives the number of those that no exception allows."""
    faults = 0
    for result in results:
        for difference in result.differences:
            allowed = exception(result.experiment, difference)
            faults += allowed is None
            print(f"{result.experiment}: {difference.item}: {difference.relative:.1e}, {difference.about}"
                  + (f" (allowed: {allowed.why})" if allowed else ""))
        if result.added:
            print(f"{result.experiment}: only the new program writes {', '.join(result.added)}")
    items = sum(result.items for result in results)
    differ = sum(len(result.differences) for result in results)
    if broken := [result.experiment for result in results if result.broken]:
        print(f"could not be run: {', '.join(broken)}")
    print(f"{len(results)} experiments, {items} arrays, {differ} differ, {differ - faults} of them as listed")
    return faults


def exception(experiment: str, difference: outputs.Difference) -> Allowed | None:
    for allowed in EXCEPTIONS:
        named = fnmatchcase(experiment, allowed.experiment) and fnmatchcase(difference.item, allowed.item)
        if named and difference.relative <= min(allowed.relative, LARGEST):
            return allowed
    return None


if __name__ == "__main__":
    sys.exit(main())
