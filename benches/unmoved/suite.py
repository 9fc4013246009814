"""What is run: experiments, each a few commands in a folder of its own.

The short suite has the presets made small and a tiny run of every entry of every registry, as the base program lists
them; the full one has the presets and `benches/papers` as they are. Metrics are named in each command, so that a metric
that is added later moves nothing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

import rows

HERE = Path(__file__).resolve().parent
PAPERS = HERE.parent / "papers"
PRESETS = HERE.parent / "presets"


@dataclass(frozen=True)
class Step:
    """A command, by its words after `scorecast`."""

    words: tuple[str, ...]
    # Whether what it prints with --json is compared.
    printed: bool = False
    # The exit code it must have with the base program; any where it is none.
    code: int | None = 0
    # A pattern of files: the command is killed when one is there.
    killed_at: str = ""


@dataclass(frozen=True)
class Experiment:
    """Commands that are run one after the other in a folder that holds `files`, by name: a text, or what writes it."""

    name: str
    steps: tuple[Step, ...]
    files: dict[str, str | Callable[[Path], None]] = field(default_factory=dict)

    def texts(self) -> list[str]:
        return [text for text in self.files.values() if isinstance(text, str)]


def sets(*changes: str) -> tuple[str, ...]:
    return tuple(word for change in changes for word in ("--set", change))


class Suite:
    """The experiments for the registries of the base program, as `list --json` gives them."""

    def __init__(self, registries: dict[str, list[dict]]) -> None:
        self.registries = registries
        self.metrics = "score.metrics=" + json.dumps(self.names("metrics"))

    def names(self, registry: str) -> list[str]:
        return [entry["name"] for entry in self.registries[registry]]

    def short(self) -> list[Experiment]:
        made = [self.assimilated(text.__name__, text()) for text in (self.linear, self.ring, self.still)]
        written = [self.assimilated(name, text_of(name)) for name in ("networks", "laws", "torus", "large", "unknown")]
        learned = [self.compared(name, text_of(name)) for name in ("learned", "three", "hidden")]
        presets = [self.preset(name, SHORTENED[name]) for name in self.names("presets")]
        systems = [system(entry) for entry in self.registries["systems"]]
        return [*made, *written, *presets, *learned, *self.stages(), *systems, integrators()]

    def full(self) -> list[Experiment]:
        papers = [self.paper(path) for path in sorted(PAPERS.glob("*.toml"))]
        return [*(self.preset(name, ()) for name in self.names("presets")), *papers]

    def preset(self, name: str, changes: tuple[str, ...]) -> Experiment:
        """A preset; its own metrics where it names some."""
        named = "metrics" in (PRESETS / f"{name}.toml").read_text()
        changes = changes if named else (*changes, self.metrics)
        return Experiment(f"preset {name}", (Step(("compare", name, "--out", "run", *sets(*changes))),))

    def paper(self, path: Path) -> Experiment:
        steps = (Step(("reproduce", path.name, "--json", *sets(self.metrics)), printed=True),)
        return Experiment(f"paper {path.stem}", steps, {path.name: path.read_text()})

    def compared(self, name: str, text: str) -> Experiment:
        words = ("compare", f"{name}.toml", "--out", "run", *sets(self.metrics))
        return Experiment(name, (Step(words),), {f"{name}.toml": text})

    def assimilated(self, name: str, text: str) -> Experiment:
        """The comparison of an experiment, and the ensembles of all of its rows."""
        compared = self.compared(name, text)
        ensembles = Step(("assimilate", f"{name}.toml", "--out", "analyses"))
        return Experiment(name, (*compared.steps, ensembles), compared.files)

    def linear(self) -> str:
        return text_of("linear") + rows.rows(self.registries["methods"], {}, NOISELESS)

    def ring(self) -> str:
        """Methods that ask neither for a linear-Gaussian law nor for a denoiser, both of which Lorenz-96 lacks."""
        lacking = {"linear_gaussian", "denoiser"}
        serves = lambda method: not lacking & {need["name"] for need in method["needs"]}
        methods = [entry for entry in self.registries["methods"] if serves(entry)]
        return text_of("ring") + rows.rows(methods, RADIUS, NOISELESS)

    def still(self) -> str:
        """Methods on windows."""
        windowed = lambda method: "shift" in (param["key"] for param in method["params"])
        return text_of("still") + rows.rows([entry for entry in self.registries["methods"] if windowed(entry)], RADIUS)

    def stages(self) -> list[Experiment]:
        text = {"staged.toml": text_of("staged")}
        known = {"known.toml": text_of("known")}
        slow = sets("data.substeps=20000")
        train = ("train", "staged.toml", "--forecaster", "diffusion", "--out", "models", *sets(*LONG))
        compare = ("compare", "staged.toml", "--out", "run", *sets(self.metrics))
        return [
            Experiment("stage by stage", self.stage_by_stage(), text),
            Experiment("finished and resumed", (Step(compare), Step((*compare, "--resume"), code=7)), text),
            Experiment("killed training", killed(train, "models/*.checkpoint"), text),
            Experiment("killed comparison", killed((*compare, *sets(*LONG)), "run.partial/checkpoints/diffusion.checkpoint"), text),
            Experiment("killed simulation", killed(("simulate", "lorenz63.toml", "--out", "data.nc", *slow, *FEW), "*.partial*"),
                       {"lorenz63.toml": of_system("lorenz63")}),
            Experiment("tuned", (Step(("tune", "known.toml", *GRID, "--json", "--out", "tuned.toml"), printed=True),), known),
            Experiment("reproduced", (Step(("reproduce", "known.toml", "--json", *sets(self.metrics)), printed=True),), known),
            Experiment("own files", self.own(), {"own.toml": text_of("own"), "mine.nc": mine, "seen.nc": seen}),
            Experiment("the well", (
                Step(("simulate", "navier_stokes", "--format", "the_well", "--out", "well", *FEW, *sets("system.grid=16"))),
                Step(("data", "validate", "well", "--json"), printed=True),
                Step(("diagnose", "well", "--json", "--out", "diagnosis"), printed=True),
            )),
        ]

    def stage_by_stage(self) -> tuple[Step, ...]:
        models = [word for label in ("linear", "gaussian", "diffusion")
                  for word in ("--model", f"{label}=models/{label}.safetensors")]
        scored = ("--experiment", "staged.toml", "--json", *sets(self.metrics))
        forecasts = [f"forecasts/{name}.nc" for name in ("perfect", "persistence", "linear", "gaussian", "diffusion")]
        analyses = [f"analyses/{name}.nc" for name in ("etkf", "letkf", "bootstrap", "guided")]
        return (
            Step(("simulate", "staged.toml", "--out", "data.nc")),
            Step(("data", "validate", "data.nc", "--json"), printed=True),
            Step(("diagnose", "data.nc", "--json"), printed=True),
            Step(("train", "staged.toml", "--data", "data.nc", "--out", "models")),
            Step(("forecast", "staged.toml", "--data", "data.nc", "--out", "forecasts", *models)),
            Step(("assimilate", "staged.toml", "--data", "data.nc", "--out", "analyses", *models)),
            Step(("evaluate", *forecasts, *analyses, *scored), printed=True),
        )

    def own(self) -> tuple[Step, ...]:
        return (
            Step(("data", "validate", "mine.nc", "--json"), printed=True),
            Step(("compare", "own.toml", "--out", "run", *sets(self.metrics))),
            Step(("assimilate", "own.toml", "--out", "analyses")),
        )


RADIUS = {"radius": 2.0}
# What not every method can do where the forecaster has noise.
NOISELESS = ("shift", "linearization")
FEW = sets("data.trajectories=10", "data.steps=8", "data.spin_up=3")
GRID = ("--grid", "inflation=1.0,1.1", "--grid", "rotate=true,false")
# So that the training can be killed.
LONG = ("forecaster.diffusion.steps=1500", "forecaster.diffusion.width=24")
INTEGRATORS = ("rk4", "euler_maruyama", "heun", "milstein", "sra1", "sri1")
# What a system is made small by, where its usual size is large.
SMALLER = {
    "navier_stokes": ("system.grid=16",), "quasi_geostrophic": ("system.grid=17",), "linear_advection": ("system.dim=60",),
    "lorenz2005_ii": ("system.dim=120",), "lorenz2005_iii": ("system.dim=240",), "lorenz96_two_scale": ("system.K=6", "system.J=4"),
}

TINY = tuple(
    f"forecaster.{label}.{change}"
    for label in ("gaussian", "diffusion")
    for change in ("steps=12", "width=8", "blocks=1", "batch=16")
)
DATA = ("data.trajectories=10", "data.steps=50", "data.spin_up=50")
SCORE = ("score.lead_steps=6", "score.members=8", "score.starts=2")
NETWORKS = ("observe.*.steps=24", "observe.*.burn_in=4", "observe.*.replicates=2")
NETWORK = ("observe.steps=24", "observe.burn_in=4", "observe.replicates=2")
RUNS = ("assimilate.*.run_steps=12",)
# How each preset is made small.
SHORTENED = {
    "lorenz96": (*DATA, *TINY, *NETWORKS, *RUNS, *SCORE),
    "lorenz96_full": (*DATA, *TINY, *NETWORKS, *RUNS, *SCORE, "assimilate.*.replicates=1"),
    "lorenz63": (*DATA, *TINY, *NETWORK, *RUNS, *SCORE, "assimilate.*.members=50"),
    "double_well": (*DATA, *TINY, *NETWORK, *RUNS, *SCORE, "assimilate.*.members=50"),
    "linear": (*DATA, *NETWORK, *RUNS, "assimilate.*.members=40"),
    "sakov2008": (*DATA, *NETWORK, "observe.steps=100"),
    "unknown_forcing": (*DATA, *NETWORK, "observe.steps=100"),
}


def text_of(name: str) -> str:
    return (HERE / f"{name}.toml").read_text()


def killed(words: tuple[str, ...], at: str) -> tuple[Step, ...]:
    """A command that is killed when a file is there, and taken up again."""
    return (Step(words, killed_at=at), Step((*words, "--resume")))


def system(entry: dict) -> Experiment:
    """A system simulated, with each of its settings changed too, and diagnosed with its tangents."""
    name = entry["name"]
    small = (*FEW, *sets(*SMALLER.get(name, ())))
    simulated = lambda out, *more: ("simulate", "system.toml", "--out", out, *small, *sets(*more))
    # the base program cannot write what it simulates of a system with hidden components: `hidden` has that
    steps = [Step(simulated("data.nc"))] if name != "observe_partially" else []
    for key, value in ((param["key"], value) for param in entry["params"] for value in rows.changed(param)):
        steps.append(Step(simulated(f"{key}_{value}.nc", f"system.{key}={value}"), code=None))
    longer = sets("data.steps=40", "data.trajectories=4")
    steps.append(Step(("diagnose", name, "--exponents", "2", "--json", *small, *longer), printed=True))
    return Experiment(f"system {name}", tuple(steps), {"system.toml": of_system(name)})


def integrators() -> Experiment:
    simulated = lambda system, name, *more: Step(
        ("simulate", f"{system}.toml", "--out", f"{system}_{name}.nc", *FEW, *sets(f"data.integrator={name}", *more))
    )
    systems = ("lorenz96", "lorenz63", "kuramoto_sivashinsky", "burgers")
    noisy = [simulated("lorenz96", name, "system.noise=0.5") for name in INTEGRATORS]
    plain = [simulated("lorenz63", name, "system.noise=0") for name in (*INTEGRATORS, "tsit5")]
    spectral = [simulated(name, "etdrk4") for name in ("kuramoto_sivashinsky", "burgers")]
    files = {f"{name}.toml": of_system(name) for name in systems}
    return Experiment("integrators", (*noisy, *plain, *spectral), files)


def of_system(name: str) -> str:
    """The experiment of a system alone; by its name it might be a preset's."""
    return f'[system]\nname = "{name}"\n'


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
