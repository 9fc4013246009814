"""The stages one by one, what is killed and taken up again, and the commands beside `compare`."""

from experiment import FEW, Experiment, Step, of_system, sets, text_of
from own_files import mine, seen

GRID = ("--grid", "inflation=1.0,1.1", "--grid", "rotate=true,false")
# So long that it can be killed.
LONG = ("forecaster.diffusion.steps=1500", "forecaster.diffusion.width=24")


def stages(metrics: str) -> list[Experiment]:
    """All of them, with these metrics named where some are."""
    staged, known = {"staged.toml": text_of("staged")}, {"known.toml": text_of("known")}
    compare = ("compare", "staged.toml", "--out", "run", *sets(metrics))
    own = {"own.toml": text_of("own"), "mine.nc": mine, "seen.nc": seen}
    return [
        Experiment("stage by stage", stage_by_stage(metrics), staged),
        Experiment("finished and resumed", (Step(compare), Step((*compare, "--resume"), code=7)), staged),
        killed("comparison", (*compare, *sets(*LONG)), "run.partial/checkpoints/diffusion.checkpoint", staged),
        killed_training(staged),
        killed_simulation(),
        Experiment("tuned", (printed("tune", "known.toml", *GRID, "--out", "tuned.toml"),), known),
        Experiment("reproduced", (printed("reproduce", "known.toml", *sets(metrics)),), known),
        Experiment("own files", own_files(metrics), own),
        Experiment("the well", the_well()),
    ]


def printed(*words: str) -> Step:
    return Step((*words, "--json"), printed=True)


def killed(name: str, words: tuple[str, ...], at: str, files: dict[str, str]) -> Experiment:
    """A command that is killed when a file is there, and taken up again."""
    return Experiment(f"killed {name}", (Step(words, killed_at=at), Step((*words, "--resume"))), files)


def killed_training(staged: dict[str, str]) -> Experiment:
    words = ("train", "staged.toml", "--forecaster", "diffusion", "--out", "models", *sets(*LONG))
    return killed("training", words, "models/*.checkpoint", staged)


def killed_simulation() -> Experiment:
    words = ("simulate", "system.toml", "--out", "data.nc", *sets("data.substeps=20000"), *FEW)
    return killed("simulation", words, "*.partial*", {"system.toml": of_system("lorenz63")})


def the_well() -> tuple[Step, ...]:
    grid = sets("system.grid=16")
    return (
        Step(("simulate", "navier_stokes", "--format", "the_well", "--out", "well", *FEW, *grid)),
        printed("data", "validate", "well"),
        printed("diagnose", "well", "--out", "diagnosis"),
    )


def own_files(metrics: str) -> tuple[Step, ...]:
    return (
        printed("data", "validate", "mine.nc"),
        Step(("compare", "own.toml", "--out", "run", *sets(metrics))),
        Step(("assimilate", "own.toml", "--out", "analyses")),
    )


def stage_by_stage(metrics: str) -> tuple[Step, ...]:
    labels = ("linear", "gaussian", "diffusion")
    models = [word for label in labels for word in ("--model", f"{label}=models/{label}.safetensors")]
    forecasts = [f"forecasts/{name}.nc" for name in ("perfect", "persistence", *labels)]
    analyses = [f"analyses/{name}.nc" for name in ("etkf", "letkf", "bootstrap", "guided")]
    return (
        Step(("simulate", "staged.toml", "--out", "data.nc")),
        printed("data", "validate", "data.nc"),
        printed("diagnose", "data.nc"),
        Step(("train", "staged.toml", "--data", "data.nc", "--out", "models")),
        Step(("forecast", "staged.toml", "--data", "data.nc", "--out", "forecasts", *models)),
        Step(("assimilate", "staged.toml", "--data", "data.nc", "--out", "analyses", *models)),
        printed("evaluate", *forecasts, *analyses, "--experiment", "staged.toml", *sets(metrics)),
    )
