"""Fits per minute on all cores, rung by rung: `rfcx_lab`'s workers against bare loops.

    python benchmarks/throughput.py [--torch-python PATH]

On the same windows, rungs, batches and epochs as a default study: `rfcx_lab` with one worker per core, tracking and
storing included; one process of a plain Keras loop, with TensorFlow's own threading (it has all cores); and, where
PyTorch is at hand (in this environment, or as another environment's interpreter), one process of a plain PyTorch loop
with its own threading, and one-thread PyTorch processes, one per core. Start-up is not counted: each has fitted the
rung before. Half an hour for all rungs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from measure import Material, Task, check, describe_machine, interleave, ratios
from omegaconf import OmegaConf

from rfcx_lab.config import Config, EngineConfig, RungConfig, TrainingConfig, register_schemas
from rfcx_lab.data.splits import Split
from rfcx_lab.engine.engine import Engine, open_engine
from rfcx_lab.engine.failure import Failure
from rfcx_lab.engine.fits import FitSpec
from rfcx_lab.engine.work import Job, train
from rfcx_lab.features.cache import WindowStore
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.tracking.tracker import Tracker

HERE = Path(__file__).resolve().parent
OURS, KERAS, TORCH, TORCHES = "rfcx_lab", "Keras, 1 process", "PyTorch, 1 process", "PyTorch, 1 thread per core"
AIM = {"LSTM 32": 1.6}  # times a bare Keras loop


def main() -> int:
    """Measure, and say whether the aim is met."""
    options = _options()
    describe_machine(["keras", "tensorflow", "distributed"])
    register_schemas()
    config = _config(options)
    rungs = [rung for rung in config.ladder.rungs if not options.rungs or rung.name in options.rungs]
    material = Material(rows=options.rows, frames=32, width=40, classes=24, seed=options.seed)
    training, met = config.training, True
    print(f"{material}, {training}; {options.fits} fits per core and round", flush=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        engine = stack.enter_context(open_engine(EngineConfig("local", recycle_after=10**6)))
        lab = Lab(engine, Path(folder), material, training)
        loops = {KERAS: [stack.enter_context(open_loop(sys.executable, "bare_keras.py"))]}
        if options.torch_python:
            loops[TORCH] = [stack.enter_context(open_loop(options.torch_python, "bare_torch.py"))]
            loops[TORCHES] = [
                stack.enter_context(open_loop(options.torch_python, "bare_torch.py", threads=1))
                for _ in range(engine.workers)
            ]
        print("fits per minute, median (range over rounds)")
        for rung in rungs:
            met &= _compare(rung, lab, loops, options=options)
    return 0 if met else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rungs", nargs="*", metavar="NAME", help="of conf/ladder/lstm.yaml; without, all")
    parser.add_argument("--fits", type=int, default=2, help="per core and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=288, help="training windows (the default study has about 290)")
    parser.add_argument("--epochs", type=int, help="without, those of the default study")
    parser.add_argument("--seed", type=int, default=0)
    here = sys.executable if importlib.util.find_spec("torch") else None
    parser.add_argument("--torch-python", default=here, metavar="PATH", help="an interpreter with PyTorch and NumPy")
    return parser.parse_args()


def _config(options: argparse.Namespace) -> Config:
    with initialize_config_dir(str(HERE.parent / "conf"), version_base="1.3"):
        config = OmegaConf.to_object(compose("config"))
    assert isinstance(config, Config)
    return replace(config, training=replace(config.training, epochs=options.epochs or config.training.epochs))


def _compare(rung: RungConfig, lab: Lab, loops: dict[str, list[Loop]], *, options: argparse.Namespace) -> bool:
    fits = options.fits * lab.engine.workers
    ways: dict[str, Task] = {OURS: partial(lab.fit, rung, fits=fits)}
    ways |= {name: partial(share, processes, rung, lab, fits=fits) for name, processes in loops.items()}
    for way in ways.values():
        way()  # traced, imported, warm
    taken = interleave(ways, rounds=options.rounds)
    rates = {name: [60 * fits / seconds for seconds in values] for name, values in taken.items()}
    for name, values in rates.items():
        print(
            f"  {rung.name:<15} {name:<27} {statistics.median(values):7.1f}  ({min(values):.1f} to {max(values):.1f})"
        )
    met = True
    for name in loops:
        aim = AIM.get(rung.name) if name == KERAS else None
        met &= check(f"  {rung.name:<15} {OURS} against {name}", ratios(taken[name], taken[OURS]), at_least=aim)
    return met


class Lab:
    """`rfcx_lab`'s way: jobs to workers, curves to MLflow, results to the store."""

    def __init__(
        self, engine: Engine, folder: Path, material: Material, training: TrainingConfig, *, uri: str | None = None
    ) -> None:
        windows, self._labels = material.windows()
        np.save(folder / "windows.npy", windows)
        order = np.arange(len(windows))
        self._split = Split(0, order[: material.rows], order[material.rows :], order[:0])
        self._folder, self._uri, self.seeds = folder, uri or f"sqlite:///{folder}/mlflow.db", count(1)
        self._key = f"throughput-{material.rows}-{material.seed}"  # what a worker keeps windows under
        self._tracker = Tracker(uri=self._uri, experiment="throughput", study_key="throughput")
        self.engine, self.material, self.training = engine, material, training

    def fit(self, rung: RungConfig, *, fits: int) -> None:
        """So many fits of `rung`, with seeds that no fit has had."""
        for job, result in self.engine.run(train, (self._job(rung) for _ in range(fits))):
            assert not isinstance(result, Failure), f"{job.spec.rung.name}: {result}"

    def _job(self, rung: RungConfig) -> Job:
        spec = FitSpec(
            rung=rung,
            split=self._split,
            seed=next(self.seeds),
            windows=WindowStore(self._folder, self._key),
            labels=self._labels,
            classes=self.material.classes,
            time_major=True,
            training=self.training,
        )
        run_id = self._tracker.open_run(spec.key, name=rung.name, tags={})
        return Job(spec, fit_rung, self._folder / "fits", self._uri, run_id)


class Loop:
    """A process that fits what it is asked to, one after another."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, rung: RungConfig, lab: Lab, *, fits: int) -> None:
        """Ask for `fits` fits, and don't wait."""
        assert self._process.stdin is not None
        for _ in range(fits):
            request: dict[str, Any] = {
                "rung": asdict(rung),
                "training": asdict(lab.training),
                "material": asdict(lab.material),
                "seed": next(lab.seeds),
            }
            self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def await_answers(self, fits: int) -> None:
        """Wait until so many fits are done."""
        assert self._process.stdout is not None
        for _ in range(fits):
            line = self._process.stdout.readline()
            assert line and np.isfinite(json.loads(line)["last"]).all(), f"a bare loop failed: {line!r}"


def share(processes: Sequence[Loop], rung: RungConfig, lab: Lab, *, fits: int) -> None:
    """So many fits of `rung`, an equal share by each of `processes`, all at once."""
    each = fits // len(processes)
    for process in processes:
        process.ask(rung, lab, fits=each)
    for process in processes:
        process.await_answers(each)


@contextmanager
def open_loop(python: str, script: str, *, threads: int | None = None) -> Iterator[Loop]:
    """A process that runs `script`, for the length of the block."""
    environment = {**os.environ, **({"BENCHMARK_THREADS": str(threads), "OMP_NUM_THREADS": "1"} if threads else {})}
    command = [python, str(HERE / script)]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield Loop(process)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
