"""What a run wrote, decoded, and what differs between two of them.

An item is an array of a file (`data.nc:state`, `models/ar.safetensors:w`), or a text that is compared byte for byte
(`metrics.json`, `metrics.csv`, the results that steps printed, their exit codes). Metadata and formats are left apart.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

# Arrays and tensors that the new tree calls by another name: old item name (after the colon) -> new one.
RENAMED: dict[str, str] = {}

TEXTS = ("metrics.json", "metrics.csv", "diagnose.json", "printed.json", "exit_codes.json")
HDF5 = (".nc", ".hdf5", ".h5")
TENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "|b1",
}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\bNaN\b")


@dataclass
class Difference:
    """An item that differs: by so much of its value, or infinitely where its shape or its text does."""

    item: str
    relative: float
    about: str


def items(folder: Path) -> dict[str, np.ndarray | str]:
    """Every item below a folder, by name."""
    found: dict[str, np.ndarray | str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        if path.name in TEXTS:
            found[name] = path.read_text()
        elif path.suffix in HDF5:
            found |= {f"{name}:{key}": value for key, value in arrays(path).items()}
        elif path.suffix == ".safetensors":
            found |= {f"{name}:{key}": value for key, value in tensors(path).items()}
    return found


def arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an HDF5 or NetCDF-4 file; dimensions that are no variables are none."""
    found = {}

    def visit(name: str, node: h5py.HLObject) -> None:
        if isinstance(node, h5py.Dataset) and not only_dimension(node):
            found[name] = np.asarray(node[()])

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


def only_dimension(node: h5py.Dataset) -> bool:
    return bytes(node.attrs.get("NAME", b"")).startswith(b"This is a netCDF dimension but not a netCDF variable")


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file: the length of a JSON header, the header, the bytes."""
    raw = path.read_bytes()
    data = raw[8 + int.from_bytes(raw[:8], "little"):]
    return {name: tensor(data, entry) for name, entry in header(raw).items()}


def header(raw: bytes) -> dict[str, dict]:
    """The places, shapes and types of a safetensors file."""
    entries = json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])
    entries.pop("__metadata__", None)
    return entries


def tensor(data: bytes, entry: dict) -> np.ndarray:
    begin, end = entry["data_offsets"]
    return np.frombuffer(data[begin:end], TENSORS[entry["dtype"]]).reshape(entry["shape"])


def differences(old: dict, new: dict) -> list[Difference]:
    """What of the old items is not in the new ones, or not the same."""
    found = []
    for name, value in old.items():
        other = new.get(renamed(name))
        if other is None:
            found.append(Difference(name, np.inf, "is missing"))
        elif (relative := change(value, other)) is not None:
            found.append(Difference(name, *relative))
    return found


def added(old: dict, new: dict) -> list[str]:
    """The items that only the new ones have."""
    known = {renamed(name) for name in old}
    return [name for name in new if name not in known]


def renamed(name: str) -> str:
    file, colon, inner = name.partition(":")
    return file + colon + RENAMED.get(inner, inner)


def change(old: np.ndarray | str, new: np.ndarray | str) -> tuple[float, str] | None:
    """The largest relative change and how to tell it; none where nothing has changed."""
    if isinstance(old, str) or isinstance(new, str):
        return None if old == new else changed_text(str(old), str(new))
    if old.shape != new.shape or old.dtype.kind != new.dtype.kind:
        return np.inf, f"was {old.dtype} {old.shape} and is {new.dtype} {new.shape}"
    old, new = native(old), native(new)
    differs = differing(old, new)
    if not differs.any():
        return None
    largest = relative(old[differs], new[differs])
    return largest, f"{differs.sum()} of {differs.size} values"


def native(array: np.ndarray) -> np.ndarray:
    return np.atleast_1d(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))


def differing(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Where the bits differ; one NaN is another."""
    if old.dtype.kind != "f" or old.dtype != new.dtype:
        return np.asarray(old != new)
    bits = f"u{old.dtype.itemsize}"
    return (old.view(bits) != new.view(bits)) & ~(np.isnan(old) & np.isnan(new))


def relative(old: np.ndarray, new: np.ndarray) -> float:
    """The largest of |new - old| / max(|old|, |new|); infinite where one is not finite or they are no numbers."""
    if old.dtype.kind not in "fiu":
        return np.inf
    old, new = old.astype(float).ravel(), new.astype(float).ravel()
    size = np.maximum(abs(old), abs(new))
    with np.errstate(invalid="ignore", divide="ignore"):
        changes = np.where(size > 0, abs(new - old) / size, 0.0)
    return float(np.where(np.isfinite(changes), changes, np.inf).max())


def changed_text(old: str, new: str) -> tuple[float, str]:
    """By how much the numbers of a text have changed where nothing else has."""
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return np.inf, first_line(old, new)
    numbers = [np.array([float(word) for word in NUMBER.findall(text)]) for text in (old, new)]
    both = ~(np.isnan(numbers[0]) & np.isnan(numbers[1]))
    return relative(numbers[0][both], numbers[1][both]), first_line(old, new)


def first_line(old: str, new: str) -> str:
    lines = zip(old.splitlines() + [""], new.splitlines() + [""])
    for number, (a, b) in enumerate(lines, 1):
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            part = slice(max(0, at - 60), at + 60)
            return f"line {number}: `{a[part].strip()}` is now `{b[part].strip()}`"
    return "the ends differ"
