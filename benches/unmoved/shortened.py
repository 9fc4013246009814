"""How each preset is made small, by `--set`; a preset that is not here is told by its name."""

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
