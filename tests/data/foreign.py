"""Writes the files of tests/data/foreign: small ones as h5py and xarray write them, whose own structures carry no checksums.

Usage: foreign.py FOLDER. Needs h5py, xarray, netCDF4 and h5netcdf.
"""

import sys

import h5py
import numpy as np
import xarray as xr


def wave(*shape):
    return np.sin(0.37 * np.arange(np.prod(shape))).reshape(shape)


def trajectories(folder):
    """Six-hourly trajectories of named stations, chunked, with checksums of the data."""
    with h5py.File(f"{folder}/trajectories_h5py.nc", "w", libver="earliest") as file:
        state = file.create_dataset("u", data=wave(6, 20, 3), chunks=(2, 5, 3), fletcher32=True, compression="gzip")
        state.attrs["units"] = "m s-1"
        for axis, (name, size) in enumerate([("case", 6), ("time", 20), ("x", 3)]):
            scale = file.create_dataset(name, data=(np.arange(size) * [1, 6, 10][axis]).astype("float64"))
            scale.make_scale(name)
            state.dims[axis].attach_scale(scale)
        file["time"].attrs["units"] = "hours since 2000-01-01"
    data = xr.Dataset(
        {"u": (("case", "time", "station"), wave(6, 20, 3), {"units": "m s-1", "standard_name": "eastward_wind"})},
        coords={
            "time": np.datetime64("2000-01-01T06", "ns") + np.arange(20) * np.timedelta64(6, "h"),
            "name": ("station", ["Bergen", "Ås", "Tromsø"]),
            "lat": ("station", [60.4, 59.7, 69.6], {"units": "degrees_north"}),
        },
    )
    encoding = {"u": {"zlib": True, "fletcher32": True, "chunksizes": (2, 5, 3), "_FillValue": None}}
    encoding["time"] = {"units": "hours since 2000-01-01", "dtype": "float64"}
    data.to_netcdf(f"{folder}/trajectories_netcdf4.nc", engine="netcdf4", encoding=encoding)
    data.to_netcdf(f"{folder}/trajectories_h5netcdf.nc", engine="h5netcdf", encoding=encoding)


def observations(folder):
    data = xr.Dataset(
        {"observation": (("time", "observed"), wave(12, 3), {"units": "m s-1"})},
        coords={"time": np.datetime64("2000-03-01T12", "ns") + np.arange(12) * np.timedelta64(12, "h")},
    )
    encoding = {"observation": {"zlib": True, "fletcher32": True, "chunksizes": (4, 3)}}
    encoding["time"] = {"units": "hours since 2000-01-01", "dtype": "float64"}
    data.to_netcdf(f"{folder}/observations_netcdf4.nc", engine="netcdf4", encoding=encoding)


def forecasts(folder):
    values, truth = wave(8, 4, 2, 3), wave(8, 2, 3) + 0.1
    data = xr.Dataset(
        {
            "forecast": (("time", "number", "lead_time", "component"), values),
            "truth": (("time", "lead_time", "component"), truth),
        },
        coords={"time": np.arange(8.0), "lead_time": [1.0, 2.0]},
    )
    encoding = {name: {"zlib": True, "fletcher32": True} for name in ["forecast", "truth"]}
    data.to_netcdf(f"{folder}/forecasts_netcdf4.nc", engine="netcdf4", encoding=encoding)


for write in (trajectories, observations, forecasts):
    write(sys.argv[1])
