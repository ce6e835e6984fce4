"""What every driver sees to around its study: leftovers of killed ones, being alone on it, and how it was run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from filelock import FileLock, Timeout
from omegaconf import OmegaConf

from rfcx_lab.config import Config
from rfcx_lab.errors import LabError, hide_password
from rfcx_lab.files import sweep


def clear_leftovers(runs: Path) -> None:
    """Remove what killed runs have left half written; the folders of studies are their owner's."""
    for folder in (runs, runs / "soundscapes", runs / "features", runs / "fits", *(runs / "fits").glob("*")):
        sweep(folder)


@contextmanager
def alone_on(study: str, *, runs: Path, else_: str = "wait for that run to end") -> Iterator[None]:
    """One driver per study and folder: two would train every fit twice. `else_` is what a second one is told to do.

    Raises:
        LabError: there is another one.
    """
    folder = runs / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{study}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LabError(f"This study is being run already, from the same runs_dir; {else_}.") from None
    try:
        yield
    finally:
        lock.release()


def write_circumstances(config: Config, output: Path) -> list[Path]:
    """The resolved config, and every installed package with its version."""
    resolved, environment = output / "config.yaml", output / "environment.txt"
    resolved.write_text(hide_password(OmegaConf.to_yaml(OmegaConf.structured(config))))
    environment.write_text(_installed())
    return [resolved, environment]


@cache
def _installed() -> str:
    """A line per package; reading them takes half a second, and a process may run several studies."""
    packages = {f"{d.metadata['Name']}=={d.version}" for d in distributions()}
    return "\n".join(sorted(packages, key=str.lower)) + "\n"
