"""Rows that are made from the registries: each method with each value of each of its settings, one at a time."""

import json
from collections.abc import Iterator

# What each setting is tried at; a choice is tried at each of its words besides. The places that a value needs others
# beside it are in BESIDE. A setting of the registry that is not here is told by `coverage`.
TRIED = {
    "members": [7], "inflation": [1.1], "rtpp": [0.3], "rtps": [0.4], "additive": [0.2], "lag": [3], "shift": [2],
    "outlier_threshold": [1.0], "k_factor": [0.5], "inflation_sd": [0.3], "inflation_damping": [0.9],
    "inflation_max": [1.5], "rotate": [True], "certainty": [2.0], "decorrelation": [0.9], "smoothing": [0.5],
    "alpha": [1.0], "beta": [0.0], "kappa": [1.0], "scale": [0.5], "static_weight": [0.2], "ess_threshold": [0.9],
    "jitter": [0.1], "regularization": [0.7], "draws": [6], "iterations": [2], "tolerance": [0.1], "mda": [True],
    "finite_size": [1.0], "expansion": [3], "steps": [5], "eps_alpha": [0.4], "eps_beta": [0.05], "clip": [3.0],
    "sigma_min": [0.05], "sigma_max": [10.0], "rho": [5.0], "radius": [1.5],
}
BESIDE = {
    "inflation_sd": {"adaptive": "anderson"}, "inflation_damping": {"adaptive": "anderson"},
    "inflation_max": {"adaptive": "miyoshi", "inflation_sd": 1.0}, "shift": {"lag": 4}, "mda": {"lag": 3},
    "taper": {"radius": 1.5}, "smoothing": {"radius": 1.5}, "sampler": {"weights": "none"},
}
# Settings that an experiment takes from its system, and what a row cannot be tried at alone.
TAKEN = ("geometry", "columns")
# Words that a method refuses, by method and setting.
REFUSED = {("hybrid", "taper"): ["step"], ("four_d_envar", "taper"): ["step"]}
# What every row has, where its method has the setting: small ensembles and short samplers.
SMALL = {"members": 12, "steps": 8, "draws": 8, "expansion": 5}
# Rows beside: what is put around a method all at once, where it has all these settings.
TOGETHER = [
    {"adaptive": "anderson", "outlier_threshold": 1.5, "k_factor": 1.0, "lag": 1},
    {"inflation": 1.05, "rtps": 0.2, "additive": 0.1},
    {"finite_size": 2.0, "lag": 3, "shift": 2, "linearization": "bundle"},
]


def rows(methods: list[dict], more: dict, untried: tuple[str, ...] = ()) -> str:
    """The rows of these entries of the registry as TOML, each with `more` of the settings that it has."""
    tried = (lambda given: not any(key in given for key in untried))
    return "".join(row(method["name"], given) for method in methods for given in variants(method, more) if tried(given))


def variants(method: dict, more: dict) -> Iterator[dict]:
    params = {param["key"]: param for param in method["params"]}
    plain = {key: value for key, value in (SMALL | more).items() if key in params}
    yield plain
    for key, param in params.items():
        for value in values(method["name"], param):
            yield plain | BESIDE.get(key, {}) | {key: value}
    for given in TOGETHER:
        if given.keys() <= params.keys():
            yield plain | given


def values(owner: str, param: dict) -> list:
    """What a setting is tried at: each word but the default, or what the table has."""
    return other_words(owner, param) or TRIED.get(param["key"], [])


def other_words(owner: str, param: dict) -> list[str]:
    """The words of a choice that are to be tried, but for the default and what is refused."""
    if param["key"] in TAKEN:
        return []
    refused = [param["default"], *REFUSED.get((owner, param["key"]), [])]
    return [word for word in words(param) if word not in refused]


def changed(param: dict) -> list:
    """What a system's setting is changed to: another word, or a number near its default that may be refused."""
    default = param["default"]
    if isinstance(default, float):
        return [round(1.05 * default, 6) or 0.1]
    return [word for word in words(param) if word != default]


def words(param: dict) -> list[str]:
    """The words of a choice, as `list` shows its type."""
    return param["type"].split(" | ") if " | " in param["type"] else []


def row(method: str, given: dict) -> str:
    settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in given.items())
    label = " ".join([method] + [f"{key}={json.dumps(value)}".replace('"', "") for key, value in given.items()])
    return f'\n[[assimilate]]\nmethod = "{method}"\nlabel = "{label}"\n{settings}'
