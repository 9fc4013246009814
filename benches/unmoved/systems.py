"""Every system alone: simulated, with each of its settings changed, by each integrator, and diagnosed."""

import rows
from experiment import FEW, Experiment, Step, of_system, sets

INTEGRATORS = ("rk4", "euler_maruyama", "heun", "milstein", "sra1", "sri1")
# What a system is made small by, where its usual size is large.
SMALLER = {
    "navier_stokes": ("system.grid=16",),
    "quasi_geostrophic": ("system.grid=17",),
    "linear_advection": ("system.dim=60",),
    "lorenz2005_ii": ("system.dim=120",),
    "lorenz2005_iii": ("system.dim=240",),
    "lorenz96_two_scale": ("system.K=6", "system.J=4"),
}


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
