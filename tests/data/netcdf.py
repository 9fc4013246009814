"""Opens files that tests/it/contract/netcdf.rs wrote with both engines of xarray, and checks what a user would see.

Usage: netcdf.py FOLDER. Exits 77 after a line "skipped: ..." where a package is missing.
"""

import sys

try:
    import numpy as np
    import xarray as xr
    import h5netcdf  # noqa: F401
    import netCDF4  # noqa: F401
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

ENGINES = ["h5netcdf", "netcdf4"]


def trajectories(folder, engine):
    with xr.open_dataset(f"{folder}/trajectories.nc", engine=engine) as data:
        assert data.state.dims == ("case", "time", "component"), data.state.dims
        assert dict(data.sizes) == {"case": 2, "time": 3, "component": 4}, data.sizes
        assert data.state.dtype == np.float64
        case, time, component = np.meshgrid(range(2), range(3), range(4), indexing="ij")
        np.testing.assert_array_equal(data.state, 100.0 * case + 10.0 * time + component)
        np.testing.assert_array_equal(data.time, [0.0, 0.05, 0.1])
        assert data.time.attrs["units"] == "1" and data.time.attrs["time_unit"] == "model time unit"
        assert data.attrs["Conventions"] == "CF-1.11"
        assert data.attrs["source"].startswith("scorecast ")
        assert data.attrs["seed"] == 3000, data.attrs["seed"]
        assert data.attrs["config_json"] == '{"name":"étude"}', data.attrs["config_json"]
        assert data.state.encoding["fletcher32"] and data.state.encoding["shuffle"]


def forecasts(folder, engine):
    with xr.open_dataset(f"{folder}/forecasts.nc", engine=engine) as data:
        assert data.forecast.dims == ("case", "time", "number", "lead_time", "component")
        assert data.lead_time.dtype == np.dtype("timedelta64[ns]"), data.lead_time.dtype
        np.testing.assert_array_equal(data.lead_time, np.array([6, 12], "timedelta64[h]"))
        np.testing.assert_array_equal(data.number, [0, 1, 2])
        assert data.number.dtype == np.int32
        assert float(data.forecast.sel(number=2, lead_time="12h").isel(case=0, time=0, component=1)) == 2.11
        assert np.isnan(data.forecast[0, 0, 0, 0, 0])
    with xr.open_dataset(f"{folder}/model_time.nc", engine=engine) as data:
        assert data.lead_time.dtype == np.float64, data.lead_time.dtype
        np.testing.assert_array_equal(data.lead_time, [0.05, 0.1])


def observations(folder, engine):
    with xr.open_dataset(f"{folder}/observations.nc", engine=engine) as data:
        assert data.observation.dims == ("time", "observed")
        np.testing.assert_array_equal(data.observation, [[1.0, np.nan], [3.0, 4.0]])
        assert np.isnan(data.observation.encoding["_FillValue"])


def kinds(folder, engine):
    with xr.open_dataset(f"{folder}/kinds.nc", engine=engine) as data:
        assert [str(text) for text in data.label.values] == ["étkf", "", "enkf"], data.label.values
        assert data.flag.dtype == np.int8
        np.testing.assert_array_equal(data.flag.attrs["flag_values"], [0, 1])
        assert data.single.dtype == np.float32 and data.long.dtype == np.int64
        assert float(data.dt) == 0.05 and data.dt.dims == ()
        assert len(data.attrs["config_json"]) == 100_000


def write_back(folder):
    """What a user would write with xarray, for our reader."""
    values = np.arange(24, dtype="float32").reshape(4, 2, 3)
    data = xr.Dataset(
        {"u": (("x", "trajectory", "time"), values)},
        coords={"time": [0.0, 0.5, 1.0], "name": ("x", ["a", "b", "c", "ä"])},
        attrs={"title": "a user's file"},
    )
    for engine in ENGINES:
        data.to_netcdf(f"{folder}/user_{engine}.nc", engine=engine)


def main(folder):
    for engine in ENGINES:
        for check in (trajectories, forecasts, observations, kinds):
            check(folder, engine)
    write_back(folder)


main(sys.argv[1])
