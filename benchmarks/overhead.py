"""What the harness costs a fit: tracking, storing and handing over, against bare `model.fit` with the same evaluations.

    python benchmarks/overhead.py

Part one, in one process: a fit as a worker does it (curves streamed to MLflow, best weights kept, result written to the
store) against the same model built, compiled and fitted by hand, with both parts evaluated by the same code after each
epoch. Once as it is, where a rung is traced once per process, and once with every fit traced anew, as the bare one is.
Part two: the driver's own CPU time per fit, over a ladder whose fits only wait as long as the measured ones took; with
plain lines, and with what a terminal is shown twice a second. Three minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rfcx_lab.model.backend import prepare_process, start_keras

prepare_process()  # one thread per process, before numpy is imported

import numpy as np
from hydra import compose, initialize_config_dir
from measure import check, describe_machine, interleave, ratios, show
from omegaconf import OmegaConf
from rich.console import Console

from rfcx_lab.config import Config, RungConfig, TrainingConfig, register_schemas
from rfcx_lab.data.splits import Split
from rfcx_lab.engine.fits import FitSpec
from rfcx_lab.engine.work import Job, train
from rfcx_lab.features.cache import WindowStore
from rfcx_lab.lab import ladder
from rfcx_lab.lab.fitting import Fitter
from rfcx_lab.model import compiled
from rfcx_lab.model.fit import Epoch, Fit, Part, evaluate, fit_rung
from rfcx_lab.model.rung import build_model
from rfcx_lab.model.scaling import fit_scaling
from rfcx_lab.tracking.tracker import Tracker

CONF = Path(__file__).resolve().parents[1] / "conf"
CLASSES, FRAMES, WIDTH = 24, 32, 40
RUNG = RungConfig("LSTM 32", lstm=[32])


def main() -> int:
    """Measure, and say whether the aims are met."""
    options = _options()
    describe_machine(["keras", "tensorflow", "mlflow"])
    register_schemas()
    start_keras()
    training = TrainingConfig(epochs=options.epochs, batch_size=16, learning_rate=0.0015, shuffle=True)
    print(f"{RUNG.name}, {options.rows} training and {options.rows // 3} validation windows, {options.epochs} epochs")
    with tempfile.TemporaryDirectory() as folder:
        harness = Harness(Path(folder), training, rows=options.rows, seed=options.seed)
        for warm in (harness.bare, harness.fit):
            warm()
        ways = {"bare model.fit": harness.bare, "harness": harness.fit, "harness, traced anew": harness.fit_anew}
        taken = interleave(ways, rounds=options.rounds)
        show(taken)
        bare, ours, anew = taken.values()
        aims = [
            check("harness against bare", ratios(ours, bare), at_most=1.10),
            check("harness against bare, traced anew", ratios(anew, bare)),
        ]
        length = options.fit_seconds or statistics.median(ours)
        for where, place in (("", nullcontext), (", in a terminal", a_terminal)):
            with place():
                own = _driver_seconds(
                    Path(folder) / f"driver{len(where)}", length=length, epochs=options.epochs, repeats=options.repeats
                )
            print(f"driver{where}: {1000 * own:.1f} ms of CPU per fit of {length:.1f} s")
            aims.append(check(f"driver's own time{where}, share of a fit", [own / length], at_most=0.02))
    return 0 if all(aims) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=288, help="training windows (the default study has about 290)")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="of four waiting rungs, for the driver's own time")
    parser.add_argument("--fit-seconds", type=float, help="how long those wait; without, as long as a measured fit")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Harness:
    """The same data and rung, with a new seed each time: a finished fit is never fitted again."""

    def __init__(self, folder: Path, training: TrainingConfig, *, rows: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        every = rows + rows // 3
        self._labels = rng.integers(0, CLASSES, every)
        windows = rng.normal(self._labels[:, None, None] / CLASSES, 1, (every, FRAMES, WIDTH)).astype(np.float32)
        np.save(folder / "windows.npy", windows)
        self._folder, self._training, self._seed = folder, training, seed
        order = np.arange(every)
        self._split = Split(0, order[:rows], order[rows:], order[:0])
        self._tracker = Tracker(uri=f"sqlite:///{folder}/mlflow.db", experiment="overhead", study_key="overhead")

    def fit(self) -> None:
        """One fit as a worker does it."""
        spec = FitSpec(
            rung=RUNG,
            split=self._split,
            seed=self._next_seed(),
            windows=WindowStore(self._folder, "overhead"),
            labels=self._labels,
            classes=CLASSES,
            time_major=True,
            training=self._training,
        )
        run_id = self._tracker.open_run(spec.key, name=spec.key, tags={})
        train(Job(spec, fit_rung, self._folder / "fits", f"sqlite:///{self._folder}/mlflow.db", run_id))

    def fit_anew(self) -> None:
        """The same with no traced model at hand; those that are go on serving others."""
        kept = dict(compiled._kept)
        compiled._kept.clear()
        try:
            self.fit()
        finally:
            compiled._kept.update(kept)

    def bare(self) -> None:
        """What one would write without the harness; nothing is kept but the curves."""
        import keras

        keras.utils.clear_session()
        seed = self._next_seed()
        keras.utils.set_random_seed(seed)
        windows = np.load(self._folder / "windows.npy")
        parts = [Part(windows[rows], self._labels[rows]) for rows in (self._split.train, self._split.validation)]
        first, second = parts
        scaling = fit_scaling(first.windows)
        model = build_model(RUNG, input_shape=(FRAMES, WIDTH), classes=CLASSES, seed=seed, scaling=scaling)
        model.compile(
            optimizer=keras.optimizers.Adam(self._training.learning_rate), loss="sparse_categorical_crossentropy"
        )
        curves: list[Any] = []
        measure = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: curves.append([evaluate(model, part) for part in parts])
        )
        model.fit(
            first.windows,
            first.labels,
            epochs=self._training.epochs,
            batch_size=self._training.batch_size,
            callbacks=[measure],
            verbose=0,
        )
        assert len(curves) == self._training.epochs
        assert second.windows.shape[1:] == (FRAMES, WIDTH)

    def _next_seed(self) -> int:
        self._seed += 1
        return self._seed


def waiting_fit(rung: RungConfig, *, training: TrainingConfig, on_epoch: Callable[[int, Epoch], None], **_: Any) -> Fit:
    """A fit that uses no CPU: it waits, epoch by epoch, for as long as `learning_rate` says."""
    fit = Fit()
    for number in range(1, training.epochs + 1):
        time.sleep(training.learning_rate)
        epoch = Epoch(2.0 / number, 2.5 / number, 0.5, 0.4)
        fit.epochs.append(epoch)
        on_epoch(number, epoch)
    fit.best_epoch = training.epochs
    return fit


@contextmanager
def a_terminal() -> Iterator[None]:
    """Have progress drawn as in a terminal of 100 by 30, which nobody sees."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(file=nowhere, force_terminal=True, width=100, height=30)
        with (
            patch("rfcx_lab.console.console", lambda: console),
            patch("rfcx_lab.progress.console", lambda: console),
            patch("rfcx_lab.progress.is_live", lambda: True),
        ):
            yield


def _driver_seconds(runs: Path, *, length: float, epochs: int, repeats: int) -> float:
    """CPU seconds per fit of this process, its threads (the Dask scheduler's) included, while two workers wait."""
    overrides = [
        "+experiment=smoke",
        f"runs_dir={runs}",
        "engine.workers=2",
        "ladder.only=[LSTM 8,LSTM 32,LSTM 128,+ Dense 48]",
        f"ladder.repeats={repeats}",
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = OmegaConf.to_object(compose("config", overrides=overrides))
    assert isinstance(config, Config)
    config = replace(config, training=replace(config.training, epochs=epochs, learning_rate=length / epochs))
    spent: list[float] = []
    original = Fitter.fit

    def timed(self: Any, specs: Any) -> Any:
        self.engine._connect()  # workers start once per study, not once per fit
        begin = time.process_time()
        try:
            return original(self, specs)
        finally:
            spent.append(time.process_time() - begin)

    with patch.object(Fitter, "fit", timed):
        ladder.climb_ladder(config, runs / "out", fit=waiting_fit)
    return spent[0] / (4 * repeats)


if __name__ == "__main__":
    sys.exit(main())
