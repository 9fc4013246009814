"""Writes variants of every fault of foreign files (K1), as xarray writes them with both of its engines, and what is right.

Usage: variants.py FOLDER. Exits 77 after a line "skipped: ..." where a package is missing.

FOLDER/cases.json lists the cases; tests/it/contract/variants.rs runs the program on each, in FOLDER, and compares:

    {"kind": "K1.1", "name": ..., "engine": ..., "command": [arguments], "expect": {
        "exit": exit code,
        "stderr_contains": [...], "stdout_contains": [...],
        "said_contains": [...]                                               on stdout or stderr
        "warnings_contains": [...], "no_warnings": true,                     on stderr or in the JSON
        "config": {"data.dt": value},                                        of the JSON of `config show`
        "value": [{"table", "where": {column: cell}, "field", "value", "tolerance", "absolute"}],     of the JSON; one row
        "rows": [{"table", "where", "count"}],
        "written": [{"file", "variable", "at", "values", "tolerance", "attributes": {...}}]}}         as a reader decodes it

All numbers that are expected are made here, in NumPy, from the numbers that went into the files.
"""

import json
import sys

try:
    import numpy as np
    import xarray as xr
    import cftime
    import h5netcdf  # noqa: F401
    import h5py
    import netCDF4  # noqa: F401
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

FOLDER = sys.argv[1]
ENGINES = ["netcdf4", "h5netcdf"]
CASES = []
START = np.datetime64("2000-01-01T00", "ns")
HOUR = np.timedelta64(1, "h")


class Kind:
    """The cases of one point, for one engine."""

    def __init__(self, kind, engine):
        self.kind, self.engine = kind, engine

    def stem(self, name):
        return f"{self.kind}_{name}_{self.engine}".replace(".", "_")

    def save(self, name, data, encoding=None, unlimited=()):
        """Writes a dataset; attributes are written as they are, so that packing may be spelled out in them."""
        file = f"{self.stem(name)}.nc"
        encoding = {key: dict(value) for key, value in (encoding or {}).items()}
        data = data.copy()
        for key, variable in data.variables.items():
            # xarray adds a fill value to floating-point numbers unless it is told not to
            if "_FillValue" in variable.attrs and variable.attrs["_FillValue"] is None:
                del variable.attrs["_FillValue"]
                encoding.setdefault(key, {})["_FillValue"] = None
        unlimited = [name for name in unlimited if name in data.dims]
        data.to_netcdf(f"{FOLDER}/{file}", engine=self.engine, encoding=encoding, unlimited_dims=unlimited)
        return file

    def experiment(self, name, text):
        file = f"{self.stem(name)}.toml"
        with open(f"{FOLDER}/{file}", "w") as out:
            out.write(text)
        return file

    def case(self, name, command, **expect):
        expect.setdefault("exit", 0)
        CASES.append(
            {"kind": self.kind, "name": name, "engine": self.engine, "command": command, "expect": expect}
        )

    def run(self, name, command, experiment, *more, **expect):
        """A command that writes into a folder of its own."""
        out = f"{self.stem(name)}_{command}"
        self.case(f"{name}, {command}", [command, experiment, "--out", out, "--json", *more], **expect)
        return out

    def refused(self, name, file, experiment, says, commands=("compare", "train", "forecast", "diagnose", "validate")):
        """The same file in every command that reads trajectories: the file's fault, in the same words."""
        for command in commands:
            if command in ("diagnose", "validate"):
                words = ["diagnose", file] if command == "diagnose" else ["data", "validate", file]
                self.case(f"{name}, {command}", words, exit=3, said_contains=says)
            else:
                self.run(name, command, experiment, exit=3, said_contains=says)


# --- trajectories -----------------------------------------------------------------------------------------------------

LEARNED = """[data]
file = "FILE"
split = [0.5, 0.25, 0.25]
[[forecaster]]
kind = "linear"
[score]
lead_steps = 2
members = 4
starts = 4
forecasters = ["persistence"]
"""
# how far the ramps rise in a lead step; persistence is wrong by just that, and twice that after two
RISE = 0.25
STEPS = 40


def ramps(rises=(RISE,) * 6, steps=STEPS):
    """(case, time, x): a straight line each, so that what persistence scores is known."""
    rises = np.asarray(rises)[:, None, None]
    starts = 0.5 * np.arange(len(rises))[:, None, None] + np.array([0.0, 10.0, 20.0])[None, None, :]
    return starts + rises * np.arange(steps)[None, :, None]


def hours(steps=STEPS, step=6):
    return START + np.arange(steps) * step * HOUR


def trajectories(times=None, values=None, attributes=None, along="time"):
    """Trajectories with times, which are a variable, values of a coordinate, or none."""
    data = xr.Dataset({"u": (("case", along, "x"), ramps() if values is None else values)})
    if times is None:
        return data
    if isinstance(times, xr.Variable):
        return data.assign_coords({"time": times})
    return data.assign_coords({"time": (along, times, attributes or {})})


def persistence(rise, lead):
    return {"table": "forecast", "where": {"forecaster": "persistence", "metric": "rmse", "lead_step": lead},
            "value": rise * lead, "tolerance": 1e-6}


def lead_steps(engine):
    """K1.1: the lead step and its unit are those of the file; said twice and different is refused with both."""
    kind = Kind("K1.1", engine)
    count = np.arange(STEPS)
    days = {"units": "days since 1999-12-31"}
    variants = [
        # name, times, attributes, encoding of the times, lead step, unit
        ("hours_int64", hours(), None, {"units": "hours since 2000-01-01", "dtype": "int64"}, 6, "hours"),
        ("days_float64", hours(), None, {"units": "days since 1970-01-01", "dtype": "float64"}, 0.25, "days"),
        ("seconds_int32", hours(), None, {"units": "seconds since 2000-01-01", "dtype": "int32"}, 21600, "seconds"),
        ("minutes_float32", hours(), None, {"units": "minutes since 2000-01-01", "dtype": "float32"}, 360, "minutes"),
        ("milliseconds", hours(), None, {"units": "milliseconds since 2000-01-01"}, 21_600_000, "milliseconds"),
        ("nanoseconds", hours(), None, {"units": "nanoseconds since 1970-01-01"}, 2.16e13, "nanoseconds"),
        ("default_encoding", hours(step=1), None, {}, 1, "hours"),
        ("durations", count * 3 * HOUR, None, {}, 3, "hours"),
        ("noleap", xr.date_range("2000-01-01", periods=STEPS, freq="D", calendar="noleap", use_cftime=True), None, {},
         1, "days"),
        ("months_of_360_days", xr.date_range("2000-01-01", periods=STEPS, freq="MS", calendar="360_day",
                                             use_cftime=True), None, {"units": "days since 2000-01-01"}, 30, "days"),
        ("model_time", 0.05 * count, None, {}, 0.05, "1"),
        ("model_time_in_words", 0.05 * count, {"units": "1", "time_unit": "model time unit"}, {}, 0.05, "1"),
        ("model_time_float32", (0.5 + 0.125 * count).astype("float32"), None, {}, 0.125, "1"),
        ("model_time_int8", (3 * count).astype("int8"), None, {}, 3, "1"),
        ("packed_int16", count.astype("int16"), {"scale_factor": 0.1, "add_offset": 7.0}, {}, 0.1, "1"),
        ("packed_hours", (2 * count).astype("int16"), {"units": "hours since 2000-01-01", "scale_factor": 1.5}, {}, 3,
         "hours"),
        ("unsigned", (200 + count).astype("uint8").view("int8"), {"_Unsigned": "true", **days}, {}, 1, "days"),
        ("big_fill", (250 * count).astype("uint16"), {"units": "seconds", "_FillValue": np.uint16(65535)}, {}, 250,
         "seconds"),
        ("plural_of_few", 0.5 * count, {"units": "hrs since 2000-1-1 00:00"}, {}, 0.5, "hrs"),
    ]
    for name, times, attributes, encoding, step, unit in variants:
        data = trajectories(times, attributes=attributes)
        file = kind.save(name, data, {"time": encoding} if encoding else {}, ["time"] if "int" in name else [])
        toml = kind.experiment(name, LEARNED.replace("FILE", file))
        kind.case(f"{name}, shown", ["config", "show", toml, "--json"], config={"data.dt": step})
        out = f"{kind.stem(name)}_forecast"
        leads = {"file": f"{out}/persistence.nc", "variable": "lead_time", "values": [step, 2 * step],
                 "tolerance": 1e-6 * step, "attributes": {"units": unit}}
        kind.run(name, "forecast", toml, written=[leads])
        kind.run(name, "compare", toml, value=[persistence(RISE, 1), persistence(RISE, 2)])
        # the same step said by the user, and others
        kind.run(f"{name}, said", "train", toml, "--set", f"data.dt={step}")
        # the step in another unit, too
        other = 7.0 * step if unit == "1" else step / 24
        kind.run(f"{name}, another", "compare", toml, "--set", f"data.dt={other!r}", exit=3,
                 stderr_contains=[f"data.dt is {number(other)}", file, "set data.dt to"])
    # where the times are not along a dimension of their name
    for name, data in {
        "auxiliary": trajectories(hours(), along="step"),
        "beside_a_counter": trajectories(hours(), along="step").assign_coords(step=count),
        "valid_time": trajectories(hours()).rename(time="valid_time"),
        "upper_case": trajectories(hours()).rename(time="Time", case="Trajectory", x="LON"),
        "turned": trajectories(hours()).transpose("x", "time", "case"),
        "of_each_case": trajectories().assign_coords(
            time=(("case", "time"), (6.0 * count[None, :] + 500 * np.arange(6)[:, None]),
                  {"units": "hours since 2000-01-01"})).rename_dims(time="step"),
    }.items():
        toml = kind.experiment(name, LEARNED.replace("FILE", kind.save(name, data)))
        kind.case(f"{name}, shown", ["config", "show", toml, "--json"], config={"data.dt": 6})
        kind.run(name, "compare", toml, value=[persistence(RISE, 1), persistence(RISE, 2)])
        kind.run(f"{name}, as 1", "train", toml, "--set", "data.dt=1", exit=3,
                 stderr_contains=["its states are 6 apart (hours), but data.dt is 1"])
    # without any the user says it, or it is 1
    toml = kind.experiment("timeless", LEARNED.replace("FILE", kind.save("timeless", trajectories())))
    kind.case("timeless, shown", ["config", "show", toml, "--json"], config={"data.dt": 1})
    grown = kind.save("timeless_unlimited", trajectories(), unlimited=["time", "case"])
    toml_grown = kind.experiment("timeless_unlimited", LEARNED.replace("FILE", grown))
    kind.run("timeless_unlimited", "compare", toml_grown, value=[persistence(RISE, 1), persistence(RISE, 2)])
    kind.case("timeless, said", ["config", "show", toml, "--json", "--set", "data.dt=0.3"], config={"data.dt": 0.3})
    # a system whose time is model time steps by that of the file; hours are no model time
    for name, times, attributes, step in [("system", 0.02 * count, {}, 0.02), ("system_seconds", 60.0 * count,
                                                                               {"units": "seconds"}, None)]:
        file = kind.save(name, trajectories(times, attributes=attributes))
        toml = kind.experiment(name, '[system]\nname = "lorenz63"\n' + LEARNED.replace("FILE", file))
        if step:
            kind.case(f"{name}, shown", ["config", "show", toml, "--json"], config={"data.dt": step})
            kind.run(f"{name}, as .05", "compare", toml, "--set", "data.dt=0.05", exit=3,
                     stderr_contains=["0.02", "data.dt is 0.05"])
        else:
            kind.run(name, "compare", toml, exit=3, stderr_contains=["seconds", "model time"])


def number(value):
    """A number as the program prints it: whole ones without a point."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def unusable_times(engine):
    """K1.2: one rule for times in every command."""
    kind = Kind("K1.2", engine)
    count = np.arange(STEPS, dtype="float64")
    six = {"units": "hours since 2000-01-01"}
    missing = hours().copy()
    missing[7] = np.datetime64("NaT")

    def at(place, value, times=6 * count):
        changed = times.copy()
        changed[place] = value
        return changed

    gapped = np.where(count > 20, count + 5, count)
    variants = {
        "nan": (at(7, np.nan), six, ["time 7 is NaN", "finite times that increase"]),
        "nan_at_the_start": (at(0, np.nan), six, ["time 0 is NaN"]),
        "nan_at_the_end": (at(STEPS - 1, np.nan), {}, [f"time {STEPS - 1} is NaN"]),
        "infinite": (at(9, np.inf), {}, ["time 9 is inf"]),
        "nat": (missing, None, ["time 7 is NaN", "finite times that increase"]),
        "filled": (at(7, -999.0), {**six, "_FillValue": -999.0}, ["time 7 is NaN"]),
        "filled_int": (at(7, -1).astype("int32"), {**six, "missing_value": np.int32(-1)}, ["time 7 is NaN"]),
        "beyond_valid_max": (at(7, 9e6), {**six, "valid_max": 1e6}, ["time 7 is NaN"]),
        "reversed": (hours()[::-1], None, ["increase"]),
        "reversed_by_packing": (np.arange(STEPS, dtype="int16"), {"scale_factor": -0.5}, ["the times go from"]),
        "repeated": (at(7, 36.0), six, ["from time 6 to 7 is 0"]),
        "all_one": (0 * count, {}, ["the times go from 0 to 0"]),
        "gapped": (6 * gapped, six, ["from time 20 to 21 is 36", "most are 6"]),
        "one_left_out": (np.delete(np.arange(STEPS + 1), 13) * 6 * HOUR + START, None, ["from time 12 to 13 is 12"]),
        "one_left_out_float32": (np.delete(np.arange(STEPS + 1), 13).astype("float32") * np.float32(0.1), {},
                                 ["from time 12 to 13"]),
        "two_swapped": (at([7, 8], [48.0, 42.0]), six, ["from time 6 to 7 is 12"]),
        "months": (np.arange(STEPS), {"units": "months since 2000-01-01"}, ["not all of one length"]),
        "years": (count, {"units": "years since 1900-01-01"}, ["not all of one length"]),
        "first_of_months": (xr.date_range("2001-01-01", periods=STEPS, freq="MS"), None, ["most are"]),
        "drifting": (6 * count * (1 + 1e-4 * count), six, ["from time"]),
        "text": (np.array([str(time)[:16] for time in hours()]), {}, ["text"]),
        # of single precision, which holds no such small step so far from 0
        "coarse_float32": ((1e6 + 0.1 * count).astype("float32"), {}, ["double precision"]),
    }
    for name, (times, attributes, says) in variants.items():
        file = kind.save(name, trajectories(times, attributes=attributes))
        kind.refused(name, file, kind.experiment(name, LEARNED.replace("FILE", file)), says)
    # beside the dimension, in a variable along it, and of one trajectory alone
    turned = trajectories(along="step").assign_coords(time=("step", at(7, np.nan), six))
    each = 6 * count[None, :] + 0.0 * np.arange(6)[:, None]
    one = each.copy()
    one[4, 9] = np.nan
    slower = each * np.where(np.arange(6) == 3, 2.0, 1.0)[:, None]
    of_each = trajectories(along="step")
    for name, data, says in [
        ("auxiliary_nan", turned, ["time 7 is NaN"]),
        ("one_case_nan", of_each.assign_coords(time=(("case", "step"), one, six)), ["NaN in trajectory 4"]),
        ("one_case_slower", of_each.assign_coords(time=(("case", "step"), slower, six)), ["in trajectory 3"]),
        ("two_clocks", turned.assign_coords(time=("step", 6 * count, six), valid_time=("step", 12 * count, six)),
         ["`time`", "`valid_time`"]),
    ]:
        file = kind.save(name, data)
        kind.refused(name, file, kind.experiment(name, LEARNED.replace("FILE", file)), says)


# --- observations -----------------------------------------------------------------------------------------------------

PHI = 0.8
OBSERVED = """[data]
file = "FILE"
[observe]
file = "SEEN"
burn_in = 0
every = EVERY
[[forecaster]]
kind = "linear"
[[assimilate]]
method = "kalman"
forecaster = "linear"
[score]
forecasters = []
"""


def autoregression():
    """Twenty trajectories of x' = 0.8 x + N(0, 1), long enough that `linear` finds them to a hundredth."""
    draw = np.random.default_rng(1)
    x = np.zeros((20, 500, 1))
    x[:, 0] = draw.normal(size=(20, 1)) / np.sqrt(1 - PHI**2)
    for step in range(1, x.shape[1]):
        x[:, step] = PHI * x[:, step - 1] + draw.normal(size=(20, 1))
    return x


def riccati(steps, seen=None):
    """The sd of the exact analyses of sets at lead steps, observed with an error of sd 1; a set may be empty."""
    variance, last, out = 1 / (1 - PHI**2), 0, []
    for set_, step in enumerate(steps):
        for _ in range(step - last):
            variance = PHI**2 * variance + 1
        last = step
        if seen is None or np.isfinite(seen[set_]):
            variance = variance / (variance + 1)
        out.append(np.sqrt(variance))
    return out


SETS = np.array([1, 2, 5, 6, 7, 11, 12, 13])
SEEN = np.array([0.5, -1.25, 2.0, 0.75, -0.5, 1.5, 0.25, -2.25])


def observations(times=None, attributes=None, along="time", values=SEEN, more=None):
    data = xr.Dataset({"seen": ((along, "observed"), np.asarray(values)[:, None], more or {})})
    return data if times is None else data.assign_coords(time=(along, times, attributes or {}))


def analyses(kind, name, steps, seen=SEEN, more=None):
    """What is in the analyses of `compare`: the sd says at which lead steps the sets landed."""
    file = f"{kind.stem(name)}_compare/analysis_observe.nc"
    written = [{"file": file, "variable": "analysis_sd", "values": list(riccati(steps, seen)), "tolerance": 0.01},
               {"file": file, "variable": "observation", "values": none_for_nan(seen), "tolerance": 1e-9}]
    return written + ([{"file": file, "variable": "time", **more}] if more else [])


def none_for_nan(values):
    return [None if np.isnan(value) else float(value) for value in np.ravel(values)]


def observed_times(engine):
    """K1.3: sets lie where their times are, and what is made of them keeps those times."""
    kind = Kind("K1.3", engine)
    models = {
        "hours": kind.save("hourly", trajectories(hours(500), values=autoregression())),
        "model": kind.save("timeless", trajectories(values=autoregression())),
        "tenth": kind.save("tenth", trajectories(0.1 * np.arange(500), values=autoregression())),
    }
    stamps = np.datetime64("2000-03-01T06", "ns") + (SETS - 1) * 6 * HOUR
    since = {"units": "hours since 2000-03-01"}

    def landed(name, times, attributes=None, encoding=None, data="hours", every=1, steps=SETS, along="time", kept=None,
               seen=None):
        seen = seen if seen is not None else observations(times, attributes, along)
        file = kind.save(name, seen, {"time": encoding} if encoding else {}, ["time"] if along == "time" else [])
        text = OBSERVED.replace("FILE", models[data]).replace("SEEN", file).replace("EVERY", str(every))
        kind.run(name, "compare", kind.experiment(name, text), written=analyses(kind, name, steps, more=kept))

    def kept(values, units):
        return {"values": [float(value) for value in values], "tolerance": 1e-6, "attributes": {"units": units}}

    six = 6 * SETS
    landed("hours", stamps, encoding={"units": "hours since 2000-01-01", "dtype": "int64"},
           kept=kept(1440 + six, "hours since 2000-01-01"))
    landed("days", stamps, encoding={"units": "days since 2000-03-01", "dtype": "float64"},
           kept=kept(six / 24, "days since 2000-03-01"))
    landed("minutes_int32", stamps, encoding={"units": "minutes since 2000-03-01", "dtype": "int32"},
           kept=kept(60 * six, "minutes since 2000-03-01"))
    landed("seconds_float32", stamps, encoding={"units": "seconds since 2000-03-01", "dtype": "float32"},
           kept=kept(3600 * six, "seconds since 2000-03-01"))
    landed("default_encoding", stamps)
    landed("nanoseconds", stamps, encoding={"units": "nanoseconds since 1970-01-01", "dtype": "int64"})
    landed("durations", six * HOUR)
    landed("noleap", [cftime.DatetimeNoLeap(2001, 2, 28) + int(hour) * HOUR.astype("timedelta64[s]").item()
                      for hour in six])
    landed("int16", six.astype("int16"), since, kept=kept(six, since["units"]))
    landed("plain", six.astype("float64"))
    landed("packed", (SETS * 2).astype("int16"), {**since, "scale_factor": 3.0, "add_offset": 6.0},
           kept=kept(six + 6, since["units"]))
    landed("packed_days", (SETS * 25).astype("int32"), {"units": "days since 2000-03-01", "scale_factor": 0.01})
    landed("unsigned", (six + 150).astype("uint8").view("int8"), {**since, "_Unsigned": "true"},
           kept=kept(six + 150, since["units"]))
    landed("ten_minutes", 36.0 * SETS, {"units": "10 minutes since 2000-03-01"})
    landed("auxiliary", six, since, along="step", kept=kept(six, since["units"]))
    landed("beside_a_counter", None, seen=observations(six, since, "step").assign_coords(step=np.arange(8)),
           kept=kept(six, since["units"]))
    landed("counter_alone", None, data="model", steps=np.arange(1, 9), seen=observations().rename_dims(time="step"))
    landed("without", None, steps=np.arange(1, 9))
    landed("without_each_third", None, every=3, steps=3 * np.arange(1, 9))
    landed("each_second", 2.0 * six, since, every=2, steps=2 * SETS)
    landed("later_first", six + 1200, since)
    landed("model_time", 0.1 * SETS, data="tenth", kept=kept(0.1 * SETS, "1"))
    landed("model_time_float32", (3 + 0.1 * SETS).astype("float32"), data="tenth")
    landed("model_time_packed", SETS.astype("int8"), {"scale_factor": 0.1}, data="tenth")
    # half a percent of each gap, and it adds up: the 30th is a sixth of a step off
    drift = observations(np.arange(1, 41) * 6 * 1.01, since, values=np.linspace(-1, 1, 40))
    wrong = {
        "drift": (drift, "hours", ["observe.every * data.dt = 6"]),
        "drift_float32": (drift.assign_coords(time=drift.time.astype("float32")), "hours", ["data.dt = 6"]),
        "drift_model": (observations(0.1009 * np.arange(1, 301), values=np.zeros(300)), "tenth", ["data.dt = 0.1"]),
        "minutes": (observations(six, {"units": "minutes since 2000-03-01"}), "hours", ["data.dt = 6"]),
        "months": (observations(SETS, {"units": "months since 2000-03-01"}), "hours", ["not all of one length"]),
        "hours_of_model": (observations(six, since), "model", ["in hours, but lead steps are in model time"]),
        "hours_of_tenths": (observations(six, since), "tenth", ["in hours, but lead steps are in model time"]),
        "other_unit": (observations(six, {"units": "Lyapunov times"}), "hours", ["Lyapunov times"]),
        "reversed": (observations(six[::-1].copy(), since), "hours", ["does not ascend: set 1"]),
        "repeated": (observations(np.where(SETS == 6, 30, six), since), "hours", ["does not ascend"]),
        "nat": (observations(np.where(SETS == 6, np.datetime64("NaT"), stamps)), "hours", ["set 4", "NaN"]),
        "first_nan": (observations(np.where(SETS == 1, np.nan, six), since), "hours", ["set 1", "NaN"]),
        "filled": (observations(np.where(SETS == 6, -1, six), {**since, "_FillValue": np.int64(-1)}), "hours",
                   ["set 4", "NaN"]),
        "text": (observations(np.array([str(stamp) for stamp in stamps])), "hours", ["text"]),
    }
    for name, (data, model, says) in wrong.items():
        file = kind.save(f"wrong_{name}", data)
        text = OBSERVED.replace("FILE", models[model]).replace("SEEN", file).replace("EVERY", "1")
        toml = kind.experiment(f"wrong_{name}", text)
        for command in ("compare", "assimilate"):
            kind.run(f"wrong_{name}", command, toml, exit=3, stderr_contains=[file, *says])
    # observations of states are in their unit, however it is written; one that says none is taken to be
    states = trajectories(hours(500), values=autoregression())
    for name, of_states, of_seen, exit, says in [
        ("units_alike", "m/s", " m s-1 ", 0, []),
        ("units_of_states_alone", "K", None, 0, []),
        ("units_of_observations_alone", None, "K", 0, []),
        ("units_differ", "K", "degC", 3, ["`degC`", "`K`"]),
        ("units_of_another_power", "m s-1", "m s-2", 3, ["`m s-2`", "`m s-1`"]),
    ]:
        model = kind.save(f"{name}_states", states.assign(u=states.u.assign_attrs(units=of_states)) if of_states else states)
        file = kind.save(name, observations(six, since, more={"units": of_seen} if of_seen else {}))
        text = OBSERVED.replace("FILE", model).replace("SEEN", file).replace("EVERY", "1")
        kind.run(name, "compare", kind.experiment(name, text), exit=exit, stderr_contains=says and [file, *says])


# --- scored files -----------------------------------------------------------------------------------------------------


def scores(members, truth, weights=None):
    """Scores of one ensemble [member, component], NaN for what is missing: rmse^2, CRPS (fair) and variance."""
    known = np.isfinite(truth)
    there = np.isfinite(members[:, known]).all(axis=1)
    weights = np.ones(len(members)) if weights is None else np.asarray(weights, dtype="float64")
    there &= weights > 0
    x, y, w = members[there][:, known], truth[known], weights[there] / weights[there].sum()
    mean = (w[:, None] * x).sum(axis=0)
    free = 1 - (w**2).sum()
    pairs = np.abs(x[:, None] - x[None, :]) * w[:, None, None] * w[None, :, None]
    crps = (w[:, None] * np.abs(x - y)).sum(axis=0) - 0.5 * pairs.sum(axis=(0, 1)) / free
    return np.mean((mean - y) ** 2), np.mean(crps), np.mean((w[:, None] * (x - mean) ** 2).sum(axis=0) / free)


def forecast_scores(members, truth, weights=None, leads=None, label=None):
    """What `evaluate` is to say of forecasts (time, number, lead, component) at each lead."""
    out = []
    for place, lead in enumerate(range(members.shape[2]) if leads is None else leads):
        of = [scores(members[t, :, lead], truth[t, lead], None if weights is None else weights[t])
              for t in range(len(members)) if np.isfinite(truth[t, lead]).any()]
        square, crps, variance = np.mean(of, axis=0)
        for metric, value in [("rmse", np.sqrt(square)), ("crps_fair", crps), ("spread", np.sqrt(variance))]:
            where = {"metric": metric, "lead_step": place + 1}
            where.update({"forecaster": label} if label else {})
            out.append({"table": "forecast", "where": where, "value": value, "tolerance": 1e-9})
            out.append({"table": "forecast", "where": where, "field": "n_diverged", "value": 0, "tolerance": 0})
            out.append({"table": "forecast", "where": where, "field": "n", "value": len(of), "tolerance": 0})
    return out


def analysis_scores(members, truth, weights=None):
    """What `evaluate` is to say of analyses (time, number, component)."""
    of = [scores(members[t], truth[t], None if weights is None else weights[t]) for t in range(len(members))
          if np.isfinite(truth[t]).any()]
    square, crps, variance = np.array(of).T
    table = [("rmse", np.mean(np.sqrt(square))), ("crps_fair", np.mean(crps)), ("spread", np.mean(np.sqrt(variance)))]
    return [{"table": "assimilation", "where": {"metric": metric}, "value": value, "tolerance": 1e-9}
            for metric, value in table]


DIMENSIONS = ("time", "number", "lead_time", "component")
TRUTHS = ("time", "lead_time", "component")


def drawn(seed=2, times=12, members=5, leads=2, components=3):
    """Members and truths in thousandths, so that packing keeps them."""
    draw = np.random.default_rng(seed)
    members = np.round(draw.normal(size=(times, members, leads, components)), 3)
    return members, np.round(0.7 * draw.normal(size=(times, leads, components)), 3)


def forecasts(members, truth, weights=None, time=None, lead=None, members_more=None, truth_more=None):
    data = xr.Dataset({"forecast": (DIMENSIONS, members, members_more or {}), "truth": (TRUTHS, truth, truth_more or {})})
    if weights is not None:
        data["weight"] = (("time", "number"), weights)
    coordinates = {} if time is None else {"time": time}
    return data.assign_coords({**coordinates, **({} if lead is None else {"lead_time": lead})})


def packed(values, dtype, scale, offset=0.0, missing=None, **more):
    """Stored integers and the attributes that say what they mean; NaN becomes `missing`."""
    stored = np.round((np.where(np.isnan(values), 0, values) - offset) / scale)
    if missing is not None:
        stored = np.where(np.isnan(values), missing, stored)
    assert np.all(stored == stored.astype(dtype)), "it must fit"
    return stored.astype(dtype), {"scale_factor": scale, "add_offset": offset, **more}


def evaluate(kind, name, data, encoding=None, unlimited=(), **expect):
    file = kind.save(name, data, encoding, unlimited)
    kind.case(name, ["evaluate", file, "--json"], **expect)
    return file


def packed_scores(engine):
    """K1.4: `evaluate` decodes; what is missing is no divergence; lead times are the file's."""
    kind = Kind("K1.4", engine)
    x, y = drawn()
    right = forecast_scores(x, y)
    plain = forecasts(x, y)
    everywhere = {"forecast": {"dtype": "int16", "scale_factor": 0.001, "_FillValue": -32768}}
    everywhere["truth"] = {"dtype": "int32", "scale_factor": 0.0005, "add_offset": -7.0, "_FillValue": 0}
    evaluate(kind, "plain", plain, value=right, no_warnings=True)
    evaluate(kind, "by_encoding", plain, everywhere, value=right, no_warnings=True)
    evaluate(kind, "compressed", plain, {name: {**encoding, "zlib": True, "shuffle": True, "fletcher32": True}
                                         for name, encoding in everywhere.items()}, ["time"], value=right)

    def spelled(name, members, truth, **expect):
        data = forecasts(members[0], truth[0], members_more=members[1], truth_more=truth[1])
        evaluate(kind, name, data, **{"value": right, **expect})

    spelled("int32", packed(x, "int32", 1e-3, 5.0), packed(y, "int16", 1e-3, 0.1))
    spelled("negative_scale", packed(x, "int16", -1e-3), packed(y, "int16", -1e-3, -2.0))
    bits = packed(x + 6, "uint16", 1e-3)
    spelled("unsigned", (bits[0].view("int16"), {**bits[1], "_Unsigned": "true", "add_offset": -6.0}), (y, {}))
    spelled("uint16", (bits[0], {**bits[1], "add_offset": -6.0}), packed(y, "int16", 1e-3))
    signed = packed(x, "int16", 1e-3)
    spelled("signed", (signed[0].view("uint16"), {**signed[1], "_Unsigned": "false"}), (y, {}))
    spelled("float32_scaled", ((1000 * x).astype("float32"), {"scale_factor": 0.001}), (y, {}))
    spelled("single_scale", (signed[0], {"scale_factor": np.array([0.001])}), (y, {}))
    whole, tenths = np.round(3 * x), np.round(10 * y) / 10
    rough = forecast_scores(whole, tenths)
    spelled("int8", (whole.astype("int8"), {}), packed(tenths, "int8", 0.1, 1.0), value=rough)
    spelled("integers", (whole.astype("int64"), {}), (tenths, {}), value=rough)
    spelled("float32", (whole.astype("float32"), {}), ((8 * tenths).astype("float32"), {"scale_factor": 0.125}),
            value=[{**one, "tolerance": 1e-7} for one in rough])
    evaluate(kind, "turned", plain.transpose("component", "lead_time", "time", "number"), everywhere, value=right)
    evaluate(kind, "truth_turned", plain.assign(truth=plain.truth.transpose("component", "time", "lead_time")),
             value=right)
    for name, names in {
        "member_lead": {"number": "member", "lead_time": "lead", "component": "station"},
        "realization": {"number": "realization", "lead_time": "prediction_timedelta", "component": "x"},
        "init_time": {"time": "init_time", "number": "Ensemble", "component": "node"},
    }.items():
        evaluate(kind, name, plain.rename(names), everywhere, value=right)
    # truths that are missing leave their case or component
    lost = y.copy()
    lost[3, 0, 1] = lost[5, 1] = np.nan
    left = forecast_scores(x, lost)
    told = ["4 components were left out", "1 cases were left out"]
    evaluate(kind, "truth_nan", forecasts(x, lost), value=left, warnings_contains=told)
    evaluate(kind, "truth_filled", forecasts(x, lost), everywhere, value=left, warnings_contains=told)
    evaluate(kind, "truth_float_fill", forecasts(x, np.nan_to_num(lost, nan=1e20), truth_more={"_FillValue": 1e20}),
             value=left, warnings_contains=told)
    evaluate(kind, "truth_missing_value",
             forecasts(x, np.nan_to_num(lost, nan=-99.0), truth_more={"missing_value": -99.0, "_FillValue": -1e9}),
             value=left, warnings_contains=told)
    spelled("truth_two_missing_values", (x, {}),
            packed(lost, "int16", 1e-3, missing=-9999, missing_value=np.array([-9999, -8888], "int16")), value=left,
            warnings_contains=told)
    # the bounds, of stored numbers where they are integers; netCDF4 masks by them and xarray does not, so it is told
    spelled("truth_valid_range", (x, {}),
            packed(lost, "int16", 1e-3, missing=30000, valid_range=np.array([-20000, 20000], "int16")), value=left,
            warnings_contains=[*told, "4 of", "`truth`"])
    spelled("truth_valid_max", (x, {}), (np.nan_to_num(lost, nan=1e3), {"valid_max": 100.0}), value=left,
            warnings_contains=[*told, "4 of"])
    spelled("truth_valid_min_unpacked", (x, {}), packed(lost, "int16", 1e-3, missing=-32000, valid_min=-20.0),
            value=left, warnings_contains=[*told, "4 of"])
    spelled("truth_unwritten", (x, {}), (np.nan_to_num(lost, nan=9.969209968386869e36), {"_FillValue": None}),
            value=left, warnings_contains=[*told, "4 of"])
    infinite = y.copy()
    infinite[2, 1, 0] = np.inf
    evaluate(kind, "truth_infinite", forecasts(x, infinite), exit=3, stderr_contains=["truth", "inf"])
    evaluate(kind, "truth_infinite_packed", forecasts(x, infinite, truth_more={"scale_factor": 0.5}), exit=3,
             stderr_contains=["`truth` is inf", "time 2", "lead_time 1", "component 0"])
    infinite[2, 1, 0] = -np.inf
    of_analyses = {"analysis": (("time", "number", "component"), x[:, :, 1]), "truth": (TRUTHS[::2], infinite[:, 1])}
    evaluate(kind, "truth_infinite_of_analyses", xr.Dataset(of_analyses), exit=3,
             stderr_contains=["`truth` is -inf", "time 2", "component 0"])
    # units of values: said on both sides and different is refused with both
    for name, of_forecast, of_truth, said in [
        ("units_alike", "m/s", "m s-1", []), ("units_trimmed", "K", " K ", []), ("units_of_one", "K", None, []),
        ("units_differ", "K", "degC", ["`K`", "`degC`"]), ("units_of_another_power", "m s-1", "m s-2", ["`m s-2`"]),
    ]:
        units = [{"units": units} if units else {} for units in (of_forecast, of_truth)]
        evaluate(kind, name, forecasts(x, y, members_more=units[0], truth_more=units[1]), exit=3 if said else 0,
                 stderr_contains=said, value=[] if said else right)
        of_analyses = {"analysis": (("time", "number", "component"), x[:, :, 0], units[0]),
                       "truth": (TRUTHS[::2], y[:, 0], units[1])}
        evaluate(kind, f"{name}_of_analyses", xr.Dataset(of_analyses), exit=3 if said else 0, stderr_contains=said)
    evaluate(kind, "truth_text", plain.assign(truth=(("time",), np.array(["a"] * 12))), exit=3,
             stderr_contains=["truth"])
    evaluate(kind, "truth_smaller", plain.assign(truth=(("time", "lead_time", "station"), y[:, :, :2])), exit=3,
             stderr_contains=["truth", "12, 2, 3"])
    evaluate(kind, "no_truth", plain.drop_vars("truth"), exit=3, stderr_contains=["has no variable `truth`"])
    evaluate(kind, "scale_zero", forecasts(signed[0], y, members_more={"scale_factor": 0.0}), exit=3,
             stderr_contains=["`scale_factor` of `forecast`", "0"])
    evaluate(kind, "scale_nan", forecasts(signed[0], y, members_more={"scale_factor": np.nan}), exit=3,
             stderr_contains=["`forecast`", "finite"])
    evaluate(kind, "scale_text", forecasts(signed[0], y, members_more={"scale_factor": "0.001"}), exit=3,
             stderr_contains=["`scale_factor` of `forecast`", "must be numbers"])
    # lead times are those of the file, in its unit and in their own order
    for name, leads, encoding, words in [
        ("leads_hours", np.array([6, 12]) * HOUR, {}, ["lead 1 (6)", "lead 2 (12)", "lead times in hours"]),
        ("leads_days", np.array([24, 48]) * HOUR, {"units": "days"}, ["lead 1 (1)", "lead 2 (2)", "lead times in days"]),
        ("leads_model_time", np.array([0.05, 0.1]), {}, ["lead 1 (0.05", "lead 2 (0.1"]),
        ("leads_packed", np.array([1, 2]) * HOUR, {"units": "minutes", "dtype": "int16"}, ["lead 1 (60)", "lead 2 (120)"]),
    ]:
        file = kind.save(name, forecasts(x, y, lead=("lead_time", leads)), {"lead_time": encoding} if encoding else {})
        kind.case(f"{name}, scores", ["evaluate", file, "--json"], value=right)
        kind.case(f"{name}, shown", ["evaluate", file], stdout_contains=words)
    late = forecasts(x, y, lead=("lead_time", np.array([12, 6]) * HOUR))
    evaluate(kind, "leads_reversed", late, value=forecast_scores(x, y, leads=[1, 0]))
    evaluate(kind, "leads_reversed_plain", forecasts(x, y, lead=("lead_time", [2.0, 1.0])),
             value=forecast_scores(x, y, leads=[1, 0]))
    for name, leads in [("leads_repeated", [1.0, 1.0]), ("leads_missing", [1.0, np.nan]), ("leads_infinite", [np.inf, 1.0])]:
        evaluate(kind, name, forecasts(x, y, lead=("lead_time", leads)), exit=3, stderr_contains=["lead_time"])


def decoding(engine):
    """K1.5: every rule of CF, in trajectories, observations and parts."""
    kind = Kind("K1.5", engine)
    u = ramps()
    score = [persistence(RISE, 1), persistence(RISE, 2)]

    def scored(name, stored, attributes=None, encoding=None, value=score, **expect):
        data = trajectories(0.1 * np.arange(STEPS), values=stored)
        data.u.attrs.update(attributes or {})
        file = kind.save(name, data, {"u": encoding} if encoding else {})
        toml = kind.experiment(name, LEARNED.replace("FILE", file))
        kind.run(name, "compare", toml, **({"value": value} if expect.get("exit", 0) == 0 else {}), **expect)
        if expect.get("exit", 0):
            kind.case(f"{name}, validate", ["data", "validate", file], exit=3,
                      said_contains=expect.get("stderr_contains", []))

    scored("int16", *packed(u, "int16", 0.01, 20.0))
    scored("int16_by_encoding", u, encoding={"dtype": "int16", "scale_factor": 0.25, "_FillValue": -32767})
    scored("int8", *packed(u, "int8", 0.25, 12.0))
    # all of 0 to 200 in one byte
    unsigned, attributes = packed(u, "uint8", 0.25)
    scored("unsigned_byte", unsigned.view("int8"), {**attributes, "_Unsigned": "true"})
    scored("unsigned_byte_in_words", unsigned.view("int8"), {**attributes, "_Unsigned": "TRUE"})
    scored("uint8", unsigned, attributes)
    scored("uint32", *packed(u, "uint32", 0.25))
    scored("int64", *packed(u, "int64", 0.25, -3.0))
    scored("integers", np.round(4 * u).astype("int32"), value=[persistence(4 * RISE, 1), persistence(4 * RISE, 2)])
    scored("float32", u.astype("float32"))
    scored("float32_scaled", (4 * u).astype("float32"), {"scale_factor": np.float32(0.25)})
    scored("offset_alone", np.round(4 * u).astype("int16"), {"add_offset": 100.0},
           value=[persistence(4 * RISE, 1), persistence(4 * RISE, 2)])
    scored("big_endian", u.astype(">f8"))
    scored("compressed", u, encoding={"zlib": True, "shuffle": True, "fletcher32": True, "chunksizes": (1, 7, 2)})
    holed = u.copy()
    holed[2, 30, 1] = np.nan
    # what is missing in trajectories is refused with its place, however it is said
    lost = ["missing", "case 2, time 30, component 1"]
    scored("nan", holed, exit=3, stderr_contains=lost)
    scored("filled", *packed(holed, "int16", 0.01, missing=-7, _FillValue=np.int16(-7)), exit=3, stderr_contains=lost)
    scored("missing_value", np.nan_to_num(holed, nan=-99.0), {"missing_value": -99.0}, exit=3, stderr_contains=lost)
    # an attribute of double precision stands for the number that the variable can hold
    scored("missing_value_float32", np.nan_to_num(holed, nan=1e20).astype("float32"), {"missing_value": 1e20}, exit=3,
           stderr_contains=lost)
    scored("unsigned_fill", np.where(np.isnan(holed), 255, np.nan_to_num(4 * holed)).astype("uint8").view("int8"),
           {"_Unsigned": "true", "_FillValue": np.int8(-1), "scale_factor": 0.25}, exit=3, stderr_contains=lost)
    scored("valid_min", np.nan_to_num(holed, nan=-5.0), {"valid_min": 0.0}, exit=3, stderr_contains=lost)
    scored("valid_range", *packed(holed, "int16", 0.01, missing=9000, valid_range=np.array([0, 8000], "int16")), exit=3,
           stderr_contains=lost)
    scored("unwritten", *packed(holed, "int16", 0.01, missing=-32767), exit=3, stderr_contains=lost)
    scored("no_range", u, {"valid_min": 5.0, "valid_max": 1.0}, exit=3, stderr_contains=["valid", "`u`"])
    scored("three_bounds", u, {"valid_range": np.array([0.0, 1.0, 2.0])}, exit=3, stderr_contains=["`valid_range` of `u`"])
    scored("unsigned_what", unsigned, {"_Unsigned": "yes"}, exit=3, stderr_contains=["`_Unsigned` of `u`"])
    # packed states beside another field: which is meant is not to be guessed from how numbers are stored
    both = trajectories(0.1 * np.arange(STEPS), values=packed(u, "int16", 0.01)[0])
    both.u.attrs.update(scale_factor=0.01)
    both["error"] = (("case", "time", "x"), 0 * u + 0.5 + np.random.default_rng(3).normal(size=u.shape))
    toml = kind.experiment("beside", LEARNED.replace("FILE", kind.save("beside", both)))
    kind.run("beside", "compare", toml, exit=3, stderr_contains=["several variables", "`u`", "`error`", "data"])
    kind.run("beside, named", "compare", toml, "--set", "data.variable=u", value=score)

    # what is made of a file keeps its places, packed as they are there
    degrees = np.array([10.0, 40.0, 60.0])
    short = np.round(1000 * degrees).astype("uint16")
    for name, (stored, more) in {
        "places": (degrees, {}),
        "places_float32": (degrees.astype("float32"), {}),
        "places_packed": ((short // 2).astype("int16"), {"scale_factor": 0.002}),
        "places_uint16": (short, {"scale_factor": 0.001}),
        "places_unsigned": (short.view("int16"), {"scale_factor": 0.001, "_Unsigned": "true"}),
        "places_unsigned_byte": (np.array([10, 40, 60], "uint8") * np.uint8(4), {"scale_factor": 0.25}),
    }.items():
        if name == "places_unsigned_byte":
            stored, more = stored.view("int8"), {**more, "_Unsigned": "true"}
        data = trajectories(0.1 * np.arange(STEPS)).assign_coords(lat=("x", stored, {"units": "degrees_north", **more}))
        toml = kind.experiment(name, LEARNED.replace("FILE", kind.save(name, data)))
        kept = {"variable": "lat", "values": list(degrees), "tolerance": 1e-9, "attributes": {"units": "degrees_north"}}
        out = kind.stem(name)
        kind.run(name, "compare", toml, written=[{"file": f"{out}_compare/data.nc", **kept}])
        kind.run(name, "forecast", toml, written=[{"file": f"{out}_forecast/persistence.nc", **kept}])

    # what each trajectory is for, in every way to store a word; the test trajectory rises by RISE, others otherwise
    rises = [1.0, 2.0, RISE, 3.0, 1.5]
    parts = ["train", "valid", "test", "train", "train"]
    split = {
        "words": np.array(parts),
        "objects": np.array(parts, dtype=object),
        "bytes": np.array([part.encode() for part in parts]),
        "capitals": np.array(["Train", "VALIDATION", "Test", " train", "train "]),
        "flags_int8": np.array([0, 1, 2, 0, 0], "int8"),
        "flags_int64": np.array([0, 1, 2, 0, 0]),
        "flags_uint8": np.array([0, 1, 2, 0, 0], "uint8"),
        "flags_float": np.array([0.0, 1.0, 2.0, 0.0, 0.0]),
        "flags_packed": (np.array([10, 12, 14, 10, 10], "int16"), {"scale_factor": 0.5, "add_offset": -5.0}),
    }
    for name, flags in split.items():
        flags, attributes = flags if isinstance(flags, tuple) else (flags, {})
        data = trajectories(0.1 * np.arange(STEPS), values=ramps(rises)).assign(split=("case", flags, attributes))
        encodings = [("", {})]
        if name == "words":
            encodings = [("", {}), ("_as_characters", {"split": {"dtype": "S1"}})]
        for more, encoding in encodings:
            toml = kind.experiment(f"split_{name}{more}",
                                   LEARNED.replace("FILE", kind.save(f"split_{name}{more}", data, encoding)))
            kind.run(f"split_{name}{more}", "compare", toml, value=score)
    for name, flags, says in [
        ("none", np.array(["train", "valid", "tset", "train", "train"]), ["`split` is tset for case 2"]),
        ("flag", np.array([0, 1, 2, 3, 0]), ["`split` is 3 for case 3"]),
        ("empty", np.array(["train", "valid", "test", "", "train"]), ["`split` is", "for case 3"]),
        ("missing", np.array([0.0, 1.0, 2.0, np.nan, 0.0]), ["for case 3"]),
        ("no_test", np.array([0, 1, 0, 0, 0]), ["test"]),
    ]:
        data = trajectories(0.1 * np.arange(STEPS), values=ramps(rises)).assign(split=("case", flags))
        file = kind.save(f"split_{name}", data)
        toml = kind.experiment(f"split_{name}", LEARNED.replace("FILE", file))
        kind.refused(f"split_{name}", file, toml, says, ("compare", "train", "validate"))

    # observations: integers and packed ones, and what is missing in them
    model = kind.save("hourly", trajectories(hours(500), values=autoregression()))
    some = SEEN.copy()
    some[[2, 5]] = np.nan
    stored = {
        "seen_nan": (some, {}, []),
        "seen_float32": (some.astype("float32"), {}, []),
        "seen_int16": (*packed(some, "int16", 0.25, 1.0, missing=-99, _FillValue=np.int16(-99)), []),
        "seen_int8": (*packed(some, "int8", 0.25, missing=99, missing_value=np.int8(99)), []),
        "seen_unsigned": (np.where(np.isnan(some), 255, np.nan_to_num(4 * some + 128)).astype("uint8").view("int8"),
                          {"_Unsigned": "true", "_FillValue": np.int8(-1), "scale_factor": 0.25, "add_offset": -32.0}, []),
        "seen_valid": (*packed(some, "int32", 0.25, missing=10**6, valid_max=np.int32(1000)), ["2 of 8", "`seen`"]),
        "seen_valid_float": (np.nan_to_num(some, nan=1e6), {"valid_range": np.array([-10.0, 10.0])}, ["2 of 8", "`seen`"]),
        "seen_unwritten": (*packed(some, "int16", 0.25, missing=-32767), ["2 of 8", "`seen`"]),
        # an integer that no double holds
        "seen_int64": (np.where(np.isnan(some), 2**60 + 1, np.nan_to_num(4 * some).astype("int64")),
                       {"_FillValue": np.int64(2**60 + 1), "scale_factor": 0.25}, []),
    }
    for name, (values, attributes, told) in stored.items():
        data = observations(6 * SETS, {"units": "hours since 2000-03-01"}, values=values, more=attributes)
        file = kind.save(name, data)
        toml = kind.experiment(name, OBSERVED.replace("FILE", model).replace("SEEN", file).replace("EVERY", "1"))
        kind.run(name, "compare", toml, written=analyses(kind, name, SETS, some), stderr_contains=told)
    counts = np.array([1, -1, 2, 0, 0, 1, 0, -2])
    toml = OBSERVED.replace("FILE", model).replace("EVERY", "1")
    data = observations(6 * SETS, {"units": "hours since 2000-03-01"}, values=counts)
    kind.run("seen_counts", "compare", kind.experiment("seen_counts", toml.replace("SEEN", kind.save("seen_counts", data))),
             written=analyses(kind, "seen_counts", SETS, counts.astype("float64")))
    data["other"] = data.seen * 2
    file = kind.save("seen_two", data)
    toml = kind.experiment("seen_two", toml.replace("SEEN", file))
    kind.run("seen_two", "compare", toml, exit=3, stderr_contains=[file, "`seen`, `other`", "[observe]"])
    kind.run("seen_two, named", "compare", toml, "--set", "observe.variable=other")
    kind.run("seen_two, misnamed", "compare", toml, "--set", "observe.variable=others", exit=3,
             stderr_contains=[file, "has no variable `others`"])


# --- damage -----------------------------------------------------------------------------------------------------------


def tree(content, dimensions):
    """Where the index of chunks begins that has this many dimensions: the only leaf of a tree of chunks in the file."""
    found = [at for at in range(len(content)) if content[at:at + 6] == b"TREE\x01\x00"]
    assert len(found) == 1, found
    return found[0], 24, 8 + 8 * (dimensions + 1)


def damage(engine):
    """K1.6: no chunk is lost, no checksum switched off, in silence."""
    kind = Kind("K1.6", engine)
    draw = np.random.default_rng(5)
    u = draw.normal(size=(6, 40, 3))
    encoding = {"u": {"zlib": True, "fletcher32": True, "chunksizes": (2, 10, 3), "_FillValue": None}}

    def changed(name, change, says, data=None, command=None, encoding=encoding, exit=3):
        # without times: the states are then the only array with chunks
        file = kind.save(name, trajectories(values=u) if data is None else data, encoding)
        path = f"{FOLDER}/{file}"
        with open(path, "rb") as whole:
            content = bytearray(whole.read())
        content = change(content)
        with open(path, "wb") as whole:
            whole.write(content)
        check(name, file, says, command, exit)

    def check(name, file, says, command=None, exit=3):
        if command:
            kind.case(name, [*command, file], exit=exit, said_contains=says)
            return
        kind.refused(name, file, kind.experiment(name, LEARNED.replace("FILE", file)), says)

    def entries(content, count):
        at, _, _ = tree(content, 3)
        content[at + 6] = count
        return content

    def key(place, offset, value):
        """Changes a byte of the key of a chunk: its size (0), its filters (4), its first indices (8, 16, 24)."""
        def change(content):
            at, first, size = tree(content, 3)
            content[at + first + place * (size + 8) + offset] = value
            return content
        return change

    # netCDF4 leaves a fill value where nothing was written: values are missing there; h5netcdf leaves zeros
    lost = ["`u`", "not there"] if engine == "h5netcdf" else ["of 720 values", "missing"]
    changed("last_chunk_lost", lambda content: entries(content, 11), lost)
    changed("half_lost", lambda content: entries(content, 6), lost)
    changed("all_lost", lambda content: entries(content, 0), ["missing"] if engine == "netcdf4" else lost)
    changed("moved_off_the_grid", key(3, 16, 3), ["`u`"])
    changed("twice", key(3, 16, 20), ["`u`"])
    changed("filters_off_in_the_index", key(2, 4, 4), ["`u`"])
    changed("checksum", flipped, ["`u`"])
    changed("cut", lambda content: content[: 3 * len(content) // 4], [kind.stem("cut")])
    changed("no_signature", lambda content: bytearray(b"\0" * 8) + content[8:], [kind.stem("no_signature")])
    changed("empty", lambda content: bytearray(), [kind.stem("empty")])

    # a chunk past which the checksum was switched off, as a program may ask the library for
    for name in ("mask_checksum", "mask_all"):
        file = kind.save(name, trajectories(values=u), encoding)
        with h5py.File(f"{FOLDER}/{file}", "r+") as whole:
            chunks = whole["u"].id
            _, raw = chunks.read_direct_chunk((2, 10, 0))
            # of shuffle, deflate and fletcher32 the last one is left out, or all are
            bare, mask = (raw[:-4], 4) if name == "mask_checksum" else (u[2:4, 10:20].tobytes(), 7)
            chunks.write_direct_chunk((2, 10, 0), bare, filter_mask=mask)
        with h5py.File(f"{FOLDER}/{file}") as whole:
            assert whole["u"].id.read_direct_chunk((2, 10, 0))[0] == mask
        check(name, file, ["`u`", "filters were switched off"])

    # the same in what is scored; and in observations, of which values that are missing by the file's own word are let go
    x, y = drawn(times=12)
    scored = {"truth": {"chunksizes": (3, 2, 3), "_FillValue": None}}
    if engine == "h5netcdf":
        changed("truth_lost", lambda content: entries(content, 3), ["`truth`", "not there"], forecasts(x, y),
                ["evaluate"], scored)
    else:
        changed("truth_lost", lambda content: entries(content, 3), ["1 of 4 chunks of `truth` were never written"],
                forecasts(x, y), ["evaluate"], scored, exit=0)
    # members that are missing by the file's own word
    scored = {"forecast": {"chunksizes": (3, 5, 2, 3), "_FillValue": np.nan}, "truth": {"_FillValue": None}}

    def four(content, count=3):
        at, _, _ = tree(content, 4)
        content[at + 6] = count
        return content

    changed("members_lost", four, ["1 of 4 chunks of `forecast` were never written"], forecasts(x, y), ["evaluate"],
            scored, exit=0)


def flipped(content):
    """One bit of the first compressed stream in the file, which is under a checksum."""
    at = content.find(b"\x78\x5e")
    at = content.find(b"\x78\x01") if at < 0 else at
    at = content.find(b"\x78\x9c") if at < 0 else at
    assert at > 0
    content[at + 40] ^= 4
    return content


# --- layout -----------------------------------------------------------------------------------------------------------

LAID = """[data]
file = "FILE"
[observe]
file = "SEEN"
burn_in = 0
operator = { name = "interpolate", points = POINTS, columns = 5, periodic = PERIODIC }
noise = 0.02
initial = { mean = 0.0, sd = 1.0 }
[[forecaster]]
kind = "linear"
[[assimilate]]
method = "eakf"
members = 10000
radius = 1.0
forecaster = "linear"
[score]
forecasters = []
"""


def layouts(engine):
    """K1.7: what a file says of its layout reaches the methods."""
    kind = Kind("K1.7", engine)
    rows, columns = 4, 5
    noise = np.random.default_rng(6).normal(size=(20, 100, rows * columns))
    seen = kind.save("seen", xr.Dataset({"seen": (("time", "observed"), np.zeros((1, 1)))}))
    flat = trajectories(values=noise)
    field = xr.Dataset({"u": (("case", "time", "y", "x"), noise.reshape(20, 100, rows, columns))})
    covariance = np.cov(noise[:16].reshape(-1, rows * columns).T)
    # of a value between four points (on the torus across its edges) and of one between two
    inside, across = [7, 8, 12, 13], [0, 4, 15, 19]

    def analysed(corners, distance):
        """The sd of each component where the mean of the corners is known: they are drawn to it in part, by
        their distance and all alike; the others are independent of it."""
        taper = np.exp(-0.5 * distance**2)
        known, variance = covariance[:, corners].mean(axis=1), covariance[np.ix_(corners, corners)].mean() + 0.02**2
        drawn = np.isin(np.arange(rows * columns), corners)
        return np.sqrt(np.diag(covariance) - drawn * (2 * taper - taper**2) * known**2 / variance)

    def sds(name, corners, distance):
        """Of the corners and their neighbours."""
        file, right = f"{kind.stem(name)}_compare/analysis_observe.nc", analysed(corners, distance)
        return [{"file": file, "variable": "analysis_sd", "at": at, "values": [right[at]], "tolerance": 0.03}
                for at in range(rows * columns)]

    variants = [
        ("torus", flat, {"geometry": "torus", "grid_shape": [rows, columns]}, "torus"),
        ("plane", flat, {"geometry": "plane", "grid_shape": [rows, columns]}, "plane"),
        ("torus_int32", flat, {"geometry": "torus", "grid_shape": np.array([rows, columns], "int32")}, "torus"),
        ("torus_int16", flat, {"geometry": "torus", "grid_shape": np.array([rows, columns], "int16")}, "torus"),
        ("torus_uint64", flat, {"geometry": "torus", "grid_shape": np.array([rows, columns], "uint64")}, "torus"),
        ("torus_float", flat, {"geometry": "torus", "grid_shape": np.array([4.0, 5.0])}, "torus"),
        ("torus_field", field, {"geometry": "torus"}, "torus"),
        ("plane_field", field, {"geometry": "plane"}, "plane"),
        ("plane_turned", field.transpose("x", "y", "time", "case"), {"geometry": "plane"}, "plane"),
        ("plane_lat_lon", field.rename(y="lat", x="lon"), {"geometry": "plane"}, "plane"),
    ]
    for name, data, attributes, word in variants:
        file = kind.save(name, data.assign_attrs(attributes))
        torus = word == "torus"
        text = LAID.replace("FILE", file).replace("SEEN", seen).replace("PERIODIC", str(torus).lower())
        toml = kind.experiment(name, text.replace("POINTS", "[[3.5, 4.5]]" if torus else "[[1.5, 2.5]]"))
        kind.case(f"{name}, shown", ["config", "show", toml, "--json"],
                  config={"data.geometry": word, "data.columns": columns})
        kind.run(name, "compare", toml, written=sds(name, across if torus else inside, np.sqrt(0.5)))
    ring = kind.save("ring", flat.assign_attrs(geometry="ring"))
    on_ring = LAID.replace("POINTS, columns = 5, periodic = PERIODIC", "[[19.5]]").replace("SEEN", seen)
    toml = kind.experiment("ring", on_ring.replace("FILE", ring))
    kind.case("ring, shown", ["config", "show", toml, "--json"], config={"data.geometry": "ring"})
    kind.run("ring", "compare", toml, written=sds("ring", [0, 19], 0.5))
    # a layout without distances, or one whose sizes are not those of the states
    text = LAID.replace("SEEN", seen).replace("PERIODIC", "true").replace("POINTS", "[[1.5, 2.5]]")
    for name, data, attributes, exit, says in [
        ("unstructured", flat, {"geometry": "unstructured"}, 2, ["`radius` needs distances"]),
        # two dimensions of space are no ring of their points one row after the other
        ("field_of_no_layout", field, {}, 2, ["`radius` needs distances"]),
        ("other_grid", flat, {"geometry": "torus", "grid_shape": [4, 6]}, 3, ["`grid_shape` is 4 x 6", "20 components"]),
        ("negative_grid", flat, {"geometry": "plane", "grid_shape": [-4, -5]}, 3, ["grid_shape"]),
        # it says what it is and not of what size: that is said, and not passed over
        ("torus_without_sizes", flat, {"geometry": "torus"}, 3, ["geometry", "torus", "grid_shape"]),
        ("torus_of_three_sizes", flat, {"geometry": "torus", "grid_shape": [2, 2, 5]}, 3, ["grid_shape"]),
        ("ring_of_a_field", field, {"geometry": "ring"}, 3, ["geometry", "ring"]),
    ]:
        file = kind.save(name, data.assign_attrs(attributes))
        kind.run(name, "compare", kind.experiment(name, text.replace("FILE", file)), exit=exit, stderr_contains=says)


# --- pairs ------------------------------------------------------------------------------------------------------------


def pairs(engine):
    """K1.8: files are compared case by case, by time, lead time and truth, wherever these lie."""
    kind = Kind("K1.8", engine)
    count, leads = 60, [1, 2, 3]
    draw = np.random.default_rng(7)
    y = np.round(draw.normal(size=(count, 3, 2)), 3)
    x = np.round(y[:, None] + draw.normal(size=(count, 8, 3, 2)), 3)
    z = np.round(y[:, None] + 0.3 + 1.3 * draw.normal(size=(count, 8, 3, 2)), 3)
    times, lead = hours(count), np.array(leads) * 6 * HOUR

    def of(members, truth=y, label=None):
        data = forecasts(members, truth, time=("time", times), lead=("lead_time", lead))
        return data.assign_attrs(label=label) if label else data

    same = of(x)
    first = kind.save("first", of(x, label="first"))

    def difference(members, which=slice(None), leads=(0, 2), first=x, truth=y):
        """Second less first, of the cases and leads that both have, at lead steps as the first file counts them; of
        three the tables show the first and the last."""
        out = []
        for lead in leads:
            of = [[scores(one[t, :, lead], truth[t, lead])[1] for t in np.arange(count)[which]] for one in (first, members)]
            out.append((lead + 1, np.mean(np.subtract(of[1], of[0])), len(of[0])))
        return out

    def paired(found):
        rows = []
        for lead, value, cases in found:
            where = {"metric": "crps_fair", "lead_step": lead}
            rows.append({"table": "paired", "where": where, "field": "difference", "value": abs(value),
                         "absolute": True, "tolerance": 1e-9})
        return rows

    def zero(leads=(1, 3)):
        return [{"table": "paired", "where": {"metric": "crps_fair", "lead_step": lead}, "field": field, "value": 0.0,
                 "absolute": True, "tolerance": 1e-12} for lead in leads for field in ("difference", "se")]

    def against(name, second, encoding=None, **expect):
        file = kind.save(name, second, encoding)
        kind.case(name, ["evaluate", first, file, "--json"], **expect)

    back = same.isel(time=slice(None, None, -1))
    against("same", same, value=zero(), no_warnings=True)
    against("reversed", back, value=zero(), no_warnings=True)
    # of single precision, as ensembles are often stored: the truths are the same to seven digits
    single = [{**one, "tolerance": 1e-5} for one in zero()]
    against("reversed_float32", back.astype("float32"), value=single, no_warnings=True)
    packing = {name: {"dtype": "int16", "scale_factor": 0.001, "_FillValue": -32768} for name in ("forecast", "truth")}
    against("packed", same, packing, value=[{**one, "tolerance": 1e-9} for one in zero()], no_warnings=True)
    against("reversed_packed", back, packing, value=[{**one, "tolerance": 1e-9} for one in zero()], no_warnings=True)
    against("shuffled", same.isel(time=np.random.default_rng(8).permutation(count)), value=zero(), no_warnings=True)
    # in the tables, too, what is of one lead time is in one column
    lead_scores = [[scores(x[t, :, lead], y[t, lead])[1] for t in range(count)] for lead in range(3)]
    columns = [{"table": "forecast", "value": np.mean(of), "tolerance": 1e-9,
                "where": {"forecaster": label, "metric": "crps_fair", "lead_step": lead + 1}}
               for lead, of in enumerate(lead_scores) for label in ("first", kind.stem("leads_reversed"))]
    against("leads_reversed", same.isel(lead_time=[2, 1, 0]), value=zero() + columns, no_warnings=True)
    against("other_reference", back, {"time": {"units": "days since 1990-01-01", "dtype": "float64"}}, value=zero(),
            no_warnings=True)
    against("other_forecaster", of(z), value=paired(difference(z)), no_warnings=True)
    against("other_forecaster_reversed", of(z).isel(time=slice(None, None, -1)), value=paired(difference(z)),
            no_warnings=True)
    half = slice(30, None)
    against("half", of(z).isel(time=half), value=paired(difference(z, half)))
    longer = xr.concat([of(z).isel(time=half), of(z).isel(time=half).assign_coords(time=times[-30:] + 1000 * HOUR)
                        .map(lambda one: one + 1.0 if one.name == "truth" else one)], "time")
    against("half_and_others", longer, value=paired(difference(z, half)),
            warnings_contains=["30 cases of the same times and truths: 30 of its cases"])
    against("one_lead", of(z).isel(lead_time=[1]), value=paired(difference(z, leads=[1])),
            rows=[{"table": "paired", "where": {"metric": "crps_fair"}, "count": 1}])
    # whichever file is first, in the tables, too: what is of 12 hours is in the column of 12 hours
    alone = kind.save("alone", same.isel(lead_time=[1]).assign_attrs(label="alone"))
    kind.case("one_lead_first", ["evaluate", alone, first, "--json"], value=[
        *zero([2]), *({"table": "forecast", "value": np.mean(of), "tolerance": 1e-9, "where": {
            "forecaster": "first", "metric": "crps_fair", "lead_step": lead + 1}} for lead, of in enumerate(lead_scores)),
        {"table": "forecast", "value": np.mean(lead_scores[1]), "tolerance": 1e-9,
         "where": {"forecaster": "alone", "metric": "crps_fair"}}],
        rows=[{"table": "paired", "where": {"metric": "crps_fair"}, "count": 1},
              {"table": "leads", "where": {"lead_step": 2, "time": 12.0, "unit": "hours"}, "count": 1}])
    # two files without a lead time in common, and one that has both: each column is compared
    early = kind.save("early", same.isel(lead_time=[0]).assign_attrs(label="early"))
    late = kind.save("late", of(z, label="late").isel(lead_time=[2]))
    kind.case("one_lead_each", ["evaluate", early, late, first, "--json"],
              value=[*zero([1]), *paired([(3, *difference(z, leads=[2])[0][1:])])],
              rows=[{"table": "paired", "where": {"metric": "crps_fair"}, "count": 2}])
    # the same lead times in days: xarray chooses the unit by the numbers that there are
    against("leads_in_days", of(z), {"lead_time": {"units": "days", "dtype": "float64"}}, value=paired(difference(z)))
    against("leads_in_seconds", of(z), {"lead_time": {"units": "seconds", "dtype": "int32"}}, value=paired(difference(z)))
    against("init_time", of(z).isel(time=slice(None, None, -1)).rename(time="init_time"), value=paired(difference(z)))
    none = {"rows": [{"table": "paired", "where": {}, "count": 0}], "warnings_contains": ["is unpaired"]}
    against("other_truths", of(z, y + 1.0), **none)
    against("other_times", of(z).assign_coords(time=times + 1 * HOUR), **none)
    against("other_reference_date", of(z).assign_coords(time=("time", 6.0 * np.arange(count), {
        "units": "hours since 2000-01-02"})), **none)
    against("other_calendar", of(z).assign_coords(time=("time", 6.0 * np.arange(count), {
        "units": "hours since 2000-01-01", "calendar": "noleap"})), **none)
    against("other_zone", of(z).assign_coords(time=("time", 6.0 * np.arange(count) + 1, {
        "units": "hours since 2000-01-01 01:00 +1:00"})), **none)
    against("same_zone", of(z).assign_coords(time=("time", 6.0 * np.arange(count) + 1, {
        "units": "hours since 2000-01-01 00:00 +1:00"})), value=paired(difference(z)), no_warnings=True)
    against("packed_times", back, {"time": {"units": "days since 1999-12-01", "dtype": "int16", "scale_factor": 0.25}},
            value=zero(), no_warnings=True)
    against("single_times", back, {"time": {"units": "hours since 1950-01-01", "dtype": "float32"}}, value=zero(),
            no_warnings=True)
    against("other_leads", of(z).assign_coords(lead_time=lead * 10), **none)
    against("independent", of(z, np.round(np.random.default_rng(9).normal(size=y.shape), 3)), **none)
    against("narrower", of(z).isel(component=[0]), **none)
    # analyses, too
    def analysed(members, label):
        data = {"analysis": (("time", "number", "component"), members), "truth": (("time", "component"), y[:, 0])}
        return xr.Dataset(data, coords={"time": times}, attrs={"label": label})

    a, b = x[:, :, 0], z[:, :, 0]
    one = kind.save("analyses", analysed(a, "one"))
    apart = [np.mean([scores(b[t], y[t, 0])[1] - scores(a[t], y[t, 0])[1] for t in range(count)])]
    row = {"table": "paired", "where": {"metric": "crps_fair"}, "absolute": True, "tolerance": 1e-9}
    for name, data, expect in [
        ("analyses_same", analysed(a, "two").isel(time=slice(None, None, -1)), [{**row, "field": field, "value": 0.0}
                                                                              for field in ("difference", "se")]),
        ("analyses_other", analysed(b, "two").isel(time=slice(None, None, -1)), [{**row, "field": "difference",
                                                                                "value": abs(apart[0])}]),
    ]:
        kind.case(name, ["evaluate", one, kind.save(name, data), "--json"], value=expect, no_warnings=True)


# --- weights and missing members -----------------------------------------------------------------------------------------


def weighted(engine):
    """K1.9: weights count relative to each other; what is no weight is refused."""
    kind = Kind("K1.9", engine)
    x, y = drawn(11)
    a, b = x[:, :, 0], y[:, 0]
    draw = np.random.default_rng(12)
    w = draw.integers(1, 10, size=x.shape[:2]) / 64
    w /= w.sum(axis=1, keepdims=True)
    right, at_leads = analysis_scores(a, b, w), forecast_scores(x, y, w)

    def analysed(weights, members=a, more=None, dims=("time", "number")):
        return xr.Dataset({"analysis": (("time", "number", "component"), members), "truth": (("time", "component"), b),
                           "weight": (dims, weights, more or {})})

    def scored(name, weights, more=None, value=right, leads=at_leads, members=a, all_members=x, tolerance=1e-9):
        evaluate(kind, name, analysed(weights, members, more), value=[{**one, "tolerance": tolerance} for one in value],
                 rows=[{"table": "assimilation", "where": {"metric": "rmse", "diverged": 0}, "count": 1}])
        data = forecasts(all_members, y)
        data["weight"] = (("time", "number"), weights, more or {})
        evaluate(kind, f"{name}_of_forecasts", data,
                 value=[{**one, "tolerance": max(one["tolerance"], tolerance) if one["tolerance"] else 0} for one in leads])

    scored("plain", w)
    scored("seven", 7 * w)
    scored("each_its_own", w * np.arange(1, 13)[:, None])
    scored("huge", 1e300 * w)
    scored("tiny", 1e-300 * w)
    scored("float32", (7 * w).astype("float32"), tolerance=1e-6)
    ints = draw.integers(1, 100, size=w.shape)
    of_ints = {"value": analysis_scores(a, b, ints), "leads": forecast_scores(x, y, ints)}
    scored("int8", ints.astype("int8"), **of_ints)
    scored("int64", ints, **of_ints)
    scored("packed", ints.astype("int16"), {"scale_factor": 0.01}, **of_ints)
    shifted = {"value": analysis_scores(a, b, ints + 50), "leads": forecast_scores(x, y, ints + 50)}
    scored("packed_offset", ints.astype("int16"), {"scale_factor": 0.01, "add_offset": 0.5}, **shifted)
    large = ints + 128
    of_large = {"value": analysis_scores(a, b, large), "leads": forecast_scores(x, y, large)}
    scored("unsigned", large.astype("uint8").view("int8"), {"_Unsigned": "true"}, **of_large)
    zero = w.copy()
    zero[:, 2] = 0
    nothing, everything = a.copy(), x.copy()
    nothing[:, 2], everything[:, 2] = np.nan, np.nan
    of_zero = {"value": analysis_scores(a, b, zero), "leads": forecast_scores(x, y, zero)}
    scored("zero_of_one", zero, **of_zero)
    scored("nan_of_weight_zero", zero, members=nothing, all_members=everything, **of_zero)
    nothing, everything = np.where(np.isnan(nothing), np.inf, nothing), np.where(np.isnan(everything), np.inf, everything)
    scored("infinite_of_weight_zero", zero, members=nothing, all_members=everything, **of_zero)
    evaluate(kind, "turned", analysed(w).transpose("number", "component", "time"), value=right)
    evaluate(kind, "weight_turned", analysed(w.T, dims=("number", "time")), value=right)
    # by hand: members 0 and 4 with three quarters and one quarter, y = 0: mean 1, CRPS 1 - .5 * 2 * .1875 * 4 / .375
    by_hand = xr.Dataset({"analysis": (("time", "number", "component"), [[[0.0], [4.0]]]),
                          "truth": (("time", "component"), [[0.0]]), "weight": (("time", "number"), [[3, 1]])})
    evaluate(kind, "by_hand", by_hand, value=[
        {"table": "assimilation", "where": {"metric": "rmse"}, "value": 1.0, "tolerance": 1e-12},
        {"table": "assimilation", "where": {"metric": "crps_fair"}, "value": -1.0, "tolerance": 1e-12}])
    wrong = {"negative": (-1.0, {}, ["`weight` is -1", "time 4", "member 1"]),
             "nan": (np.nan, {}, ["`weight` is NaN", "member 1"]),
             "infinite": (np.inf, {}, ["`weight` is inf", "member 1"]),
             "filled": (-99.0, {"_FillValue": -99.0}, ["`weight` is NaN", "time 4", "member 1"]),
             "invalid": (5.0, {"valid_max": 1.0}, ["`weight` is NaN", "member 1"])}
    for name, (value, more, says) in wrong.items():
        weights = w.copy()
        weights[4, 1] = value
        evaluate(kind, name, analysed(weights, more=more), exit=3, stderr_contains=[kind.stem(name), *says])
        data = forecasts(x, y)
        data["weight"] = (("time", "number"), weights, more)
        evaluate(kind, f"{name}_of_forecasts", data, exit=3, stderr_contains=says)
    negative = ints.astype("int16")
    evaluate(kind, "negative_by_packing", analysed(negative, more={"scale_factor": -0.1}), exit=3,
             stderr_contains=["`weight` is -"])
    none = w.copy()
    none[3] = 0
    evaluate(kind, "none", analysed(none), exit=3, stderr_contains=["weights", "are 0"])
    evaluate(kind, "too_few", analysed(w[:, :4], dims=("time", "member")), exit=3, stderr_contains=["`weight`", "5"])
    evaluate(kind, "text", analysed(np.full(w.shape[0], "a"), dims=("time",)), exit=3, stderr_contains=["weight"])


def missing_members(engine):
    """K1.10: a member that is missing is no divergence; the scores are of the members that are there."""
    kind = Kind("K1.10", engine)
    x, y = drawn(21)
    lost = x.copy()
    lost[3, 1] = np.nan
    lost[5, [0, 4]] = np.nan
    lost[7, 2, 1] = np.nan
    right = forecast_scores(lost, y)
    told = ["7 members that are missing were left out"]
    evaluate(kind, "nan", forecasts(lost, y), value=right, warnings_contains=told)
    evaluate(kind, "float32", forecasts(lost.astype("float32"), y), value=[
        {**one, "tolerance": 1e-6 if one["tolerance"] else 0} for one in right], warnings_contains=told)
    evaluate(kind, "filled", forecasts(lost, y), {"forecast": {"_FillValue": 1e20}}, value=right, warnings_contains=told)
    evaluate(kind, "missing_value", forecasts(np.nan_to_num(lost, nan=-999.0), y,
                                              members_more={"missing_value": -999.0, "_FillValue": None}), value=right,
             warnings_contains=told)
    packing = {"dtype": "int16", "scale_factor": 0.001, "_FillValue": 32767}
    evaluate(kind, "packed", forecasts(lost, y), {"forecast": packing}, value=right,
             warnings_contains=told)
    shifted = np.where(np.isnan(lost), 65535, np.round(1000 * np.nan_to_num(lost)) + 20000).astype("uint16")
    unsigned = {"_Unsigned": "true", "_FillValue": np.int16(-1), "scale_factor": 0.001, "add_offset": -20.0}
    evaluate(kind, "unsigned", forecasts(shifted.view("int16"), y, members_more=unsigned), value=right,
             warnings_contains=told)
    plain = {"scale_factor": 0.001, "add_offset": -20.0, "_FillValue": np.uint16(65535)}
    evaluate(kind, "uint16", forecasts(shifted, y, members_more=plain), value=right, warnings_contains=told)
    bounds = {"valid_range": np.array([-50.0, 50.0]), "_FillValue": None}
    evaluate(kind, "valid_range", forecasts(np.nan_to_num(lost, nan=1e6), y, members_more=bounds), value=right,
             warnings_contains=[*told, f"{np.isnan(lost).sum()} of {lost.size} values of `forecast`"])
    evaluate(kind, "unwritten", forecasts(np.nan_to_num(lost, nan=9.969209968386869e36), y,
                                          members_more={"_FillValue": None}), value=right, warnings_contains=told)
    evaluate(kind, "turned", forecasts(lost, y).transpose("lead_time", "component", "number", "time"), value=right,
             warnings_contains=told)
    draw = np.random.default_rng(22)
    w = draw.integers(1, 9, size=x.shape[:2]).astype("float64")
    evaluate(kind, "weighted", forecasts(lost, y, w), value=forecast_scores(lost, y, w), warnings_contains=told)
    absent = y.copy()
    absent[8, :, 2] = np.nan
    absent[9] = np.nan
    evaluate(kind, "truth_too", forecasts(lost, absent, w), value=forecast_scores(lost, absent, w),
             warnings_contains=[*told, "8 components", "2 cases"])
    a, b = lost[:, :, 0], y[:, 0]

    def analysed(members, truth=b):
        return xr.Dataset({"analysis": (("time", "number", "component"), members), "truth": (("time", "component"), truth)})

    evaluate(kind, "analyses", analysed(a), value=analysis_scores(a, b),
             rows=[{"table": "assimilation", "where": {"metric": "rmse", "diverged": 0}, "count": 1}],
             warnings_contains=["3 members that are missing"])
    packing = {"dtype": "int32", "scale_factor": 0.001, "_FillValue": -(2**31)}
    evaluate(kind, "analyses_filled", analysed(a), {"analysis": packing},
             value=analysis_scores(a, b), warnings_contains=["3 members that are missing"])
    # by hand: 1 and 3 are there, y = 2: |1| on average, less half of |3 - 1|
    three = forecasts(np.array([1.0, 3.0, np.nan]).reshape(1, 3, 1, 1), np.array([[[2.0]]]))
    for name, encoding in [("by_hand", {}), ("by_hand_filled", {"forecast": {"dtype": "int8", "_FillValue": -1}})]:
        evaluate(kind, name, three, encoding, value=[
            {"table": "forecast", "where": {"metric": "crps_fair"}, "value": 0.0, "tolerance": 1e-12},
            {"table": "forecast", "where": {"metric": "spread"}, "value": np.sqrt(2), "tolerance": 1e-12},
            {"table": "forecast", "where": {"metric": "rmse"}, "field": "n_diverged", "value": 0, "tolerance": 0}],
            warnings_contains=["1 members that are missing"])
    # one member that is left of several has no spread and no fair score; its error counts
    few = x[:, :2].copy()
    few[3, 1] = few[6, 0] = np.nan
    rest = np.delete(np.arange(12), [3, 6])
    kept = [cell for cell in forecast_scores(few[rest], y[rest])
            if cell["where"]["metric"] != "rmse"]
    errors = [np.sqrt(np.mean([np.mean((np.nanmean(few[t, :, lead], axis=0) - y[t, lead]) ** 2) for t in range(12)]))
              for lead in range(2)]
    kept += [{"table": "forecast", "where": {"metric": "rmse", "lead_step": lead + 1}, "value": error, "tolerance": 1e-9}
             for lead, error in enumerate(errors)]
    alone = {"value": kept, "warnings_contains": ["4 ensembles of which one member is left"],
             "rows": [{"table": "forecast", "where": {"metric": "crps_fair", "estimator": "fair"}, "count": 2}]}
    evaluate(kind, "one_left", forecasts(few, y), **alone)
    evaluate(kind, "one_left_packed", forecasts(few, y), {"forecast": packing}, **alone)
    # by hand: of 1 and 3 the spread is the root of 2, whatever else is left
    two = np.array([[1.0, np.nan], [1.0, 3.0]]).reshape(2, 2, 1, 1)
    evaluate(kind, "one_left_by_hand", forecasts(two, np.full((2, 1, 1), 2.0)), value=[
        {"table": "forecast", "where": {"metric": "spread"}, "value": np.sqrt(2), "tolerance": 1e-12},
        {"table": "forecast", "where": {"metric": "spread"}, "field": "n", "value": 1, "tolerance": 0},
        {"table": "forecast", "where": {"metric": "crps_fair"}, "value": 0.0, "tolerance": 1e-12}])
    # of one member everywhere
    evaluate(kind, "one_everywhere", forecasts(few[:, :1][rest], y[rest]), rows=[
        {"table": "forecast", "where": {"metric": "crps_fair", "estimator": "absolute error, one member", "n": 10},
         "count": 2}])
    # what is infinite did diverge
    burst = x.copy()
    burst[2, 1, 1, 0] = np.inf
    evaluate(kind, "infinite", forecasts(burst, y), value=[
        {"table": "forecast", "where": {"metric": "rmse", "lead_step": lead}, "field": "n_diverged", "value": lost,
         "tolerance": 0} for lead, lost in [(1, 0), (2, 1)]])


for engine in ENGINES:
    for write in (lead_steps, unusable_times, observed_times, packed_scores, decoding, damage, layouts, pairs, weighted,
                  missing_members):
        write(engine)
with open(f"{FOLDER}/cases.json", "w") as out:
    json.dump(CASES, out, indent=1, default=float, allow_nan=False)
