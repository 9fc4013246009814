"""Whether the check can fail: one value moved by one ulp, one byte of a metric, and both must be told."""

import shutil
from pathlib import Path

import h5py
import numpy as np

import outputs
from experiment import Experiment, Step, text_of
from running import Program, run


def self_test(program: Program, folder: Path) -> int:
    """0 where exactly what was changed is told."""
    words = ("compare", "three.toml", "--out", "run")
    experiment = Experiment("three", (Step(words),), {"three.toml": text_of("three")})
    old, new = folder / "old", folder / "new"
    run(program, experiment, old)
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(old, new)
    changed = {move_array(new / "run/data.nc"), move_tensor(new / "run/models/gaussian.safetensors"),
               move_metric(new / "run/metrics.json")}
    before, after = outputs.items(old), outputs.items(new)
    found = outputs.differences(before, after)
    for difference in found:
        print(f"{difference.item}: {difference.relative:.1e}, {difference.about}")
    seen = {difference.item.removeprefix("run/") for difference in found} == changed
    same = not outputs.differences(before, before)
    verdict = "each of them seen" if seen and same else "NOT as they were"
    print(f"{len(before)} arrays, {len(changed)} changed, {verdict}")
    return 0 if seen and same else 1


def move_array(path: Path) -> str:
    """The last value of the largest array moves by one ulp."""
    name = max(outputs.arrays(path).items(), key=lambda item: item[1].size)[0]
    with h5py.File(path, "r+") as file:
        values = file[name][()]
        values.flat[-1] = np.nextafter(values.flat[-1], np.inf)
        file[name][...] = values
    return f"{path.name}:{name}"


def move_tensor(path: Path) -> str:
    """The lowest bit of a tensor's first number."""
    name = list(outputs.tensors(path))[-1]
    raw = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(raw[:8], "little")
    begin = outputs.header(raw)[name]["data_offsets"][0]
    raw[start + begin] ^= 1
    path.write_bytes(raw)
    return f"models/{path.name}:{name}"


def move_metric(path: Path) -> str:
    """The last digit of the file."""
    text = path.read_text()
    at = max(index for index, letter in enumerate(text) if letter.isdigit())
    path.write_text(text[:at] + ("1" if text[at] == "0" else "0") + text[at + 1:])
    return path.name
