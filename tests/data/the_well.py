"""Looks at a dataset in the layout of The Well through h5py, as The Well's own readers do.

Usage: the_well.py DATASET. Exits 77 after a line "skipped: ..." where a package is missing.
"""

import glob
import sys

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

BOOLEAN = (bool, np.bool_)


def varying(at, sample, time):
    for name, expected in (("sample_varying", sample), ("time_varying", time)):
        value = at.attrs[name]
        assert isinstance(value, BOOLEAN) and value == expected, (at.name, name, value, type(value))


def texts(at, name, expected):
    values = list(at.attrs[name])
    assert values == expected and all(isinstance(value, str) for value in values), (at.name, name, values)


def check(path, samples):
    with h5py.File(path, "r") as file:
        assert isinstance(file.attrs["dataset_name"], str) and file.attrs["grid_type"] == "cartesian"
        assert isinstance(file.attrs["n_trajectories"], np.integer) and file.attrs["n_trajectories"] == samples
        assert int(file.attrs["n_spatial_dims"]) == 1
        for name in file.attrs["simulation_parameters"]:
            assert float(file.attrs[name]) == float(file["scalars"][name][()])
            varying(file["scalars"][name], False, False)
        texts(file["dimensions"], "spatial_dims", ["x"])
        varying(file["dimensions/time"], False, True)
        varying(file["dimensions/x"], False, False)
        boundary = file["boundary_conditions/x_periodic"]
        texts(boundary, "associated_dims", ["x"])
        texts(boundary, "associated_fields", [])
        varying(boundary, False, False)
        assert boundary.attrs["bc_type"] == "PERIODIC"
        mask = boundary["mask"][:]
        assert mask.dtype == bool and mask[0] and mask[-1] and mask.sum() == 2, mask
        texts(file["t1_fields"], "field_names", [])
        texts(file["t2_fields"], "field_names", [])
        texts(file["t0_fields"], "field_names", ["state"])
        field = file["t0_fields/state"]
        varying(field, True, True)
        assert field.attrs["dim_varying"].dtype == bool and field.dtype == np.float32
        assert field.shape == (samples, file["dimensions/time"].shape[0], file["dimensions/x"].shape[0])
        return field[:].astype("float64")


def check_stats(path, train):
    # Six keys of one line each: read without a YAML package, which not every Python has.
    lines = open(path).read().split("\n")
    stats = {lines[i].strip(":"): float(lines[i + 1].split(":")[1]) for i in range(0, 12, 2)}
    delta = np.diff(train, axis=1)
    expected = {
        "mean": train.mean(), "std": train.std(), "rms": np.sqrt((train**2).mean()),
        "mean_delta": delta.mean(), "std_delta": delta.std(), "rms_delta": np.sqrt((delta**2).mean()),
    }
    assert stats.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(stats[name], value, rtol=1e-10, atol=1e-12, err_msg=name)


def main(dataset):
    fields = {}
    for part, samples in (("train", 3), ("valid", 1), ("test", 1)):
        (path,) = glob.glob(f"{dataset}/data/{part}/*.hdf5")
        fields[part] = check(path, samples)
    check_stats(f"{dataset}/stats.yaml", fields["train"])


main(sys.argv[1])
