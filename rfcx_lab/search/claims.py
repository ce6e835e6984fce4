"""Whose the running trials of a study are, where several drivers work on it.

A study in a file has one driver, who finds running what a dead one has left. In a database every trial names its
driver, and every driver has a number there that rises while it lives. One whose number stands still for long is dead,
and its trials are taken up by whoever asks next. No clock is compared with another machine's: each driver takes the
time by its own, from when it saw the number change.
"""

from __future__ import annotations

import hashlib
import platform
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from time import monotonic as _now
from types import TracebackType
from typing import Any, TypeVar

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from rfcx_lab.console import duration, say
from rfcx_lab.search.database import alone_in, is_server, outlast

R = TypeVar("R")

_DRIVER = "rfcx_lab:driver"  # system attribute of a trial: who fits it
_BEAT = "rfcx_lab:beat:"  # and one of a study for every driver: its number and patience, or null once it has gone
_BEATS_PER_PATIENCE = 10
_LONGEST_WAIT = 2.0  # seconds
_DEAD_AFTER = 2  # times the patience, after which a driver cut off from its database has stopped by itself


def name_driver(runs: Path) -> str:
    """The name under which a driver in `runs` claims trials: the same for the next one there.

    Both hold the same lock, one after the other, so that the next one knows the first to be gone. A copy of the folder,
    or the same folder on another machine, has another name.
    """
    path = runs / "locks" / "driver"
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), path.open("x") as file:
        file.write(uuid.uuid4().hex)
    parts = (path.read_text(), platform.node(), str(runs.resolve()))
    return f"{platform.node()}:{hashlib.blake2b('/'.join(parts).encode(), digest_size=6).hexdigest()}"


class Claims:
    """This driver among those of a study. As a context: it is alive until the end of the block."""

    def __init__(self, study: optuna.Study, driver: str, *, storage: str, patience: float) -> None:
        """`patience` are the seconds for which a driver goes on without its database."""
        self.several = is_server(storage)
        self._study, self._driver, self._storage, self._patience = study, driver, storage, patience
        self._seen: dict[str, tuple[Any, float]] = {}  # every driver's number, and when it was first seen
        self._beats, self._end, self._thread = 0, threading.Event(), threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> Claims:
        if self.several:
            outlast(self._beat, self._storage, patience=self._patience)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave what is unfinished to whoever asks next."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
            with suppress(Exception):  # a database that is away learns it from the silence
                self._set_beat(None)

    def do_alone(self, work: Callable[[], R]) -> R:
        """Do what other drivers must not do meanwhile; again, where they may have, as the database broke off."""

        def attempt() -> R:
            with self.alone():
                return work()

        return outlast(attempt, self._storage, patience=self._patience)

    def alone(self) -> AbstractContextManager[None]:
        """Keep the other drivers from asking, and from opening or closing the study in MLflow, for a block."""
        if not self.several:
            return nullcontext()
        return alone_in(self._storage, f"rfcx_lab study {self._study.study_name}", patience=self._patience)

    def say_waiting(self, trials: int) -> None:
        """Say that other drivers are still at so many trials, and how long a dead one would be waited for."""
        silence = duration(_DEAD_AFTER * self._patience)
        say(
            f"Waiting for other drivers, which are still at {trials} of the trials. One that gives no sign of life for "
            f"{silence} is taken for dead, and its trials are taken up."
        )

    def wait(self) -> None:
        """Wait a moment for what other drivers do."""
        self._end.wait(min(self._interval, _LONGEST_WAIT))

    def ask(self) -> Trial:
        """Ask for a trial, which belongs to this driver from the moment it is there."""
        if not self.several:
            return self._study.ask()
        study = self._study
        study._thread_local.cached_all_trials = None  # as Study.ask does
        number = study._pop_waiting_trial_id()  # enqueued by hand
        if number is None:
            born = optuna.trial.create_trial(state=TrialState.RUNNING, system_attrs={_DRIVER: self._driver})
            number = study._storage.create_new_trial(study._study_id, template_trial=born)
        else:
            self._claim(number)
        return Trial(study, number)

    def take_up(self, left: FrozenTrial) -> Trial:
        """Go on with a trial that `may_take_up` has told to be nobody else's."""
        if self.several:
            owner = left.system_attrs.get(_DRIVER)
            if owner not in (None, self._driver):
                say(f"Trial {left.number} is taken up: its driver on {owner.split(':')[0]} has gone.")
            self._claim(left._trial_id)
        return Trial(self._study, left._trial_id)

    def may_take_up(self, running: FrozenTrial) -> bool:
        """Whether a running trial is this driver's, or of one that is dead."""
        owner = running.system_attrs.get(_DRIVER)
        return not self.several or owner in (None, self._driver) or not self._is_alive(owner)

    def is_mine(self, running: FrozenTrial) -> bool:
        """Whether nobody has taken a trial over from this driver, as one that could not be heard of for long."""
        return not self.several or running.system_attrs.get(_DRIVER) == self._driver

    def others(self) -> bool:
        """Whether another driver was alive when it was last looked for."""
        return any(self._is_alive(driver) for driver in self._seen if driver != self._driver)

    def look(self) -> None:
        """See which drivers there are, and whose number has changed."""
        if not self.several:
            return
        attributes, now = self._study._storage.get_study_system_attrs(self._study._study_id), _now()
        beats = {key.removeprefix(_BEAT): beat for key, beat in attributes.items() if key.startswith(_BEAT)}
        before = self._seen
        self._seen = {
            driver: before[driver] if driver in before and before[driver][0] == beat else (beat, now)
            for driver, beat in beats.items()
        }

    @property
    def _interval(self) -> float:
        return self._patience / _BEATS_PER_PATIENCE

    def _is_alive(self, driver: str) -> bool:
        if driver not in self._seen:  # not looked for yet
            return True
        beat, since = self._seen[driver]
        return beat is not None and _now() - since <= _DEAD_AFTER * beat[1]

    def _claim(self, trial_id: int) -> None:
        self._study._storage.set_trial_system_attr(trial_id, _DRIVER, self._driver)

    def _live(self) -> None:
        while not self._end.wait(self._interval):
            try:
                self._beat()
            except Exception:  # while the database is away nobody's number can rise
                self._seen = {}

    def _beat(self) -> None:
        self._beats += 1
        self._set_beat([self._beats, self._patience])
        self.look()

    def _set_beat(self, beat: list[float] | None) -> None:
        self._study._storage.set_study_system_attr(self._study._study_id, f"{_BEAT}{self._driver}", beat)
