"""Fitting a set of specs: trained by the engine, shown in MLflow while they are, and what fails told and left out.

A ladder fits all its rungs over its repeats; a sweep would fit a trial's rung over the same repeats, as one trial after
the other is asked for. Both hand in specs and are given curves.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from rfcx_lab.config import Config
from rfcx_lab.console import say
from rfcx_lab.engine.engine import Engine
from rfcx_lab.engine.failure import Failure
from rfcx_lab.engine.fits import FitSpec, FitStore
from rfcx_lab.engine.under_way import Board
from rfcx_lab.engine.work import FitFunction, Job, train
from rfcx_lab.progress import watch
from rfcx_lab.tracking.store import forgiving
from rfcx_lab.verdict import Curves, Verdict, find_onset

_log = logging.getLogger(__name__)


class View(Protocol):
    """Where fits are shown."""

    def open_fit(self, spec: FitSpec) -> str:
        """The run id of a fit, for a worker to stream to."""

    def close_fit(self, spec: FitSpec, curves: Curves, verdict: Verdict) -> None:
        """Complete the fit's curve, summary and status."""


class Fitter:
    """Trains what no run has finished. What failed is not tried again by this fitter, but by the next run."""

    def __init__(self, engine: Engine, view: View, config: Config, *, store: Path, fit: FitFunction) -> None:
        self.engine = engine
        self._view, self._config, self._fit = view, config, fit
        self._folder, self._store = store, FitStore(store)
        self._failures: dict[str, str] = {}  # reasons, by run key
        self._board = Board(store, ())

    def missing(self, specs: Iterable[FitSpec]) -> list[FitSpec]:
        """Those that are to be trained."""
        return [spec for spec in specs if self._is_missing(spec)]

    def fit(self, specs: Sequence[FitSpec], *, label: str = "Fits") -> list[Curves]:
        """The curves of `specs`, in their order, once all are there; a failed fit's may be without any epoch.

        `label` is what the progress over them is called.
        """
        missing = self.missing(specs)
        if missing:
            self._board = Board(self._folder, missing, done=len(specs) - len(missing))
            try:
                with watch(label, self._board.look):
                    for _ in self.stream(missing):
                        pass
            finally:
                self._board.close()
        return [self.curves(spec) for spec in specs]

    def stream(self, specs: Iterable[FitSpec]) -> Iterator[tuple[FitSpec, Curves]]:
        """Each spec with its curves, as they get ready. `specs` is asked for the next one when a worker is free."""
        there: deque[FitSpec] = deque()

        def jobs() -> Iterator[Job]:
            for spec in specs:
                if not self._is_missing(spec):
                    there.append(spec)
                    continue
                if damaged := self._store.damage(spec):
                    say(f"{damaged} is damaged: that fit counts as missing, and is made again.", style="yellow")
                run_id = ""
                with forgiving():
                    run_id = self._view.open_fit(spec)  # now: a run in MLflow begins when its training does
                _log.debug(
                    "%s begins: key %s, seed %d, MLflow run %s", spec.title, spec.key, spec.seed, run_id or "none"
                )
                self._board.begin(spec)
                yield Job(spec, self._fit, self._folder, self._config.tracking.uri, run_id)

        for job, result in self.engine.run(train, jobs()):
            while there:
                yield there[0], self.curves(there.popleft())
            yield job.spec, self._take(job.spec, result)
        while there:
            yield there[0], self.curves(there.popleft())

    def curves(self, spec: FitSpec) -> Curves:
        """The curves of a fit that has been tried; without any epoch where it gave no result."""
        if spec.key in self._failures:
            return Curves((), (), (), (), repeat=spec.split.repeat, failure=self._failures[spec.key])
        return self._store.read_curves(spec)

    def show(self, spec: FitSpec) -> None:
        """Let MLflow have what it lacks of a fit that has been tried."""
        self._show(spec, self.curves(spec))

    def _show(self, spec: FitSpec, curves: Curves) -> None:
        verdict = find_onset(curves.train_loss, curves.val_loss, self._config.onset, chance=curves.chance_loss)
        self._view.close_fit(spec, curves, verdict)

    def _is_missing(self, spec: FitSpec) -> bool:
        return spec.key not in self._failures and self._store.find(spec) is None

    def _take(self, spec: FitSpec, result: str | Failure) -> Curves:
        self._board.end(spec)
        _log.debug("%s is done: key %s", spec.title, spec.key)
        if isinstance(result, Failure):
            self._failures[spec.key] = result.reason
            say(f"{spec.rung.name}, repeat {spec.split.repeat}: {result.reason}", style="red")
            return self.curves(spec)
        curves = self.curves(spec)
        with forgiving():
            self._show(spec, curves)
        return curves
