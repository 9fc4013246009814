"""Whether every entry of the base program's registries, and every setting of it, is run by some experiment."""

import tomllib
from collections import defaultdict

from rows import TAKEN, other_words
from experiment import Experiment

# Registries whose settings must each be tried as well.
WITH_SETTINGS = ("forecasters", "methods", "operators", "noise-laws")


def missing(registries: dict[str, list[dict]], experiments: list[Experiment]) -> list[str]:
    """What no experiment runs, as sentences."""
    uses = used(experiments)
    told = []
    for registry, entries in registries.items():
        for entry in entries:
            given = uses[registry].get(entry["name"])
            if given is None:
                told.append(f"{registry}: no experiment runs `{entry['name']}`")
            elif registry in WITH_SETTINGS:
                told += [f"{registry}: `{entry['name']}` is never run with {what}" for what in untried(entry, given)]
    return told


def untried(entry: dict, given: list[dict]) -> list[str]:
    """The settings of an entry, or the words of them, that no use of it has."""
    told = []
    for param in entry["params"]:
        key, default = param["key"], param["default"]
        values = [use[key] for use in given if key in use]
        if key not in TAKEN and not any(value != default for value in values):
            told.append(f"a `{key}` of its own")
        told += [f"{key} = {word}" for word in other_words(entry["name"], param) if word not in values]
    return told


def used(experiments: list[Experiment]) -> dict[str, dict[str, list[dict]]]:
    """Registry, entry and the settings of each use."""
    uses: dict[str, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for experiment in experiments:
        for text in experiment.texts():
            of_text(tomllib.loads(text), uses)
        for step in experiment.steps:
            of_words(step.words, uses)
    return uses


def of_text(tables: dict, uses: dict) -> None:
    of_system(tables.get("system", {}), uses)
    for table in tables.get("forecaster", []):
        uses["forecasters"][table.get("kind", table.get("name"))].append(table)
    for label in tables.get("score", {}).get("forecasters", []):
        uses["forecasters"].setdefault(label, [])
    networks = tables.get("observe", [])
    for table in networks if isinstance(networks, list) else [networks]:
        of_choice(table.get("operator", "identity"), "operators", uses)
        of_choice(table.get("noise", 1.0), "noise-laws", uses)
    for table in tables.get("assimilate", []):
        uses["methods"][table["method"]].append(table)


def of_system(table: dict | str, uses: dict) -> None:
    table = {"name": table} if isinstance(table, str) else table
    if "name" in table:
        uses["systems"][table["name"]].append(table)
        of_system(table.get("of", {}), uses)


def of_choice(value: object, registry: str, uses: dict) -> None:
    """An operator or a law: its name, or a table with it; numbers are the plain law's."""
    if isinstance(value, str):
        uses[registry].setdefault(value, [])
    elif isinstance(value, dict):
        uses[registry][value["name"]].append(value)


def of_words(given: tuple[str, ...], uses: dict) -> None:
    """What a command names: the experiment of `simulate` and `diagnose` is a system, that of `compare` a preset."""
    registry = {"simulate": "systems", "diagnose": "systems", "compare": "presets"}.get(given[0])
    if registry:
        uses[registry].setdefault(given[1], [])
    for word in given:
        if word.startswith("score.metrics="):
            for name in word.removeprefix("score.metrics=").strip("[]").replace('"', "").split(", "):
                uses["metrics"].setdefault(name, [])
