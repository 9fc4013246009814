"""An experiment of the check: commands in a folder of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


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


def text_of(name: str) -> str:
    """A TOML file beside this script."""
    return (HERE / f"{name}.toml").read_text()


def of_system(name: str) -> str:
    """The experiment of a system alone; by its name it might be a preset's."""
    return f'[system]\nname = "{name}"\n'


# What is simulated, where few states will do.
FEW = sets("data.trajectories=10", "data.steps=8", "data.spin_up=3")
