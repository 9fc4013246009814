"""Files as a user may have them, written here so that no program that is compared has a part in them."""

from pathlib import Path

import h5py
import numpy as np


def mine(path: Path) -> None:
    """Trajectories as a user may have them: dimensions in another order, single precision, a name of their own."""
    states = np.cumsum(np.random.default_rng(1).normal(size=(40, 10, 6)), axis=0) % 7.0
    write(path, "temperature", states.astype("f4"), ("time", "case", "component"))


def seen(path: Path) -> None:
    """Observations of every second component, some missing."""
    values = np.random.default_rng(2).normal(3.0, 1.0, size=(20, 3))
    values[3, 1] = values[7] = np.nan
    write(path, "observation", values, ("time", "observed"))


def write(path: Path, name: str, values: np.ndarray, dimensions: tuple[str, ...]) -> None:
    with h5py.File(path, "w") as file:
        variable = file.create_dataset(name, data=values)
        for axis, (dimension, size) in enumerate(zip(dimensions, values.shape)):
            scale = file.create_dataset(dimension, data=np.arange(size, dtype=float))
            scale.make_scale(dimension)
            variable.dims[axis].attach_scale(scale)
