"""What is run: the short suite has the presets made small and a tiny run of every entry of every registry, as the base
program lists them; the full one has the presets and `benches/papers` as they are. Metrics are named in each command, so
that a metric that is added later moves nothing.
"""

import json
from pathlib import Path

import rows
from experiment import HERE, Experiment, Step, sets, text_of
from shortened import SHORTENED
from stages import stages
from systems import integrators, system

PAPERS = HERE.parent / "papers"
PRESETS = HERE.parent / "presets"
RADIUS = {"radius": 2.0}
# What not every method can do where the forecaster has noise.
NOISELESS = ("shift", "linearization")


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
        return [*made, *written, *presets, *learned, *stages(self.metrics), *systems, integrators()]

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
        methods = [entry for entry in self.registries["methods"] if windowed(entry)]
        return text_of("still") + rows.rows(methods, RADIUS)
