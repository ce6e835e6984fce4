"""What every benchmark here shares: interleaved timing, aims, a word on the machine, and windows to fit.

Standard library and NumPy alone: the PyTorch loop runs where nothing else is installed.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

Seconds = list[float]
Task = Callable[[], object]
"""Does the work. Where it returns a float, that is how long it took; else it is timed from outside."""


def interleave(tasks: Mapping[str, Task], *, rounds: int) -> dict[str, Seconds]:
    """Run every task `rounds` times, in turn, so that a drift of the machine meets all of them alike."""
    taken: dict[str, Seconds] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            begin = time.perf_counter()
            own = task()
            taken[name].append(time.perf_counter() - begin if not isinstance(own, float) else own)
    return taken


def show(taken: Mapping[str, Seconds], *, unit: str = "s") -> None:
    """One line per task: median, and the range of all rounds."""
    width = max(map(len, taken))
    for name, values in taken.items():
        spread = f"{min(values):.3g} to {max(values):.3g}"
        print(f"  {name:<{width}}  {statistics.median(values):8.3g} {unit}   ({spread}, {len(values)} rounds)")


def ratios(over: Seconds, under: Seconds) -> Seconds:
    """`over / under`, round by round."""
    return [a / b for a, b in zip(over, under, strict=True)]


def check(what: str, values: Sequence[float], *, at_least: float | None = None, at_most: float | None = None) -> bool:
    """Say the median of `values`, their range, and whether it is what was aimed at."""
    found = statistics.median(values)
    met = (at_least is None or found >= at_least) and (at_most is None or found <= at_most)
    aim = f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}" if at_most is not None else ""
    judged = f"   aim {aim}: {'met' if met else 'MISSED'}" if aim else ""
    spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
    print(f"{what}: {found:.3g}{spread}{judged}", flush=True)
    return met


def describe_machine(packages: Iterable[str] = ()) -> None:
    """Processor, cores, load before the start, and the versions that matter."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"{_processor()}, {cores} cores, load {load} before the start; Python {platform.python_version()}", end="")
    for package in packages:
        try:
            print(f", {package} {version(package)}", end="")
        except PackageNotFoundError:
            print(f", no {package}", end="")
    print(flush=True)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@dataclass(frozen=True)
class Material:
    """Windows `[rows + rows / 3, T, F]` and labels, drawn from `seed`: noise with a trace of its class in it."""

    rows: int
    frames: int
    width: int
    classes: int
    seed: int

    def windows(self) -> tuple[np.ndarray, np.ndarray]:
        """All rows, training first: float32 windows and int64 labels."""
        rng = np.random.default_rng(self.seed)
        every = self.rows + self.rows // 3
        labels = rng.integers(0, self.classes, every)
        prints = rng.normal(0, 0.3, (self.classes, 1, self.width))
        windows = prints[labels] + rng.normal(0, 1, (every, self.frames, self.width))
        return windows.astype(np.float32), labels

    def parts(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """`(windows, labels)` of training and of validation."""
        windows, labels = self.windows()
        return (windows[: self.rows], labels[: self.rows]), (windows[self.rows :], labels[self.rows :])


def read_requests() -> Iterator[tuple[dict[str, Any], Material]]:
    """What `throughput.py` writes to a bare loop's standard input, line by line."""
    for line in sys.stdin:
        request = json.loads(line)
        yield request, Material(**request["material"])
