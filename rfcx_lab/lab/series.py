"""Several ladders that make one study: what they are going to cost, and the run above theirs in MLflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rfcx_lab.config import Config
from rfcx_lab.console import duration, say
from rfcx_lab.engine.engine import Engine
from rfcx_lab.engine.estimate import Cost
from rfcx_lab.engine.fits import FitSpec
from rfcx_lab.features.spectral import input_shape
from rfcx_lab.lab.study import plan_study
from rfcx_lab.lab.upkeep import alone_on
from rfcx_lab.lab.view_note import describe
from rfcx_lab.lab.view_summary import series_metrics, series_tags, study_params
from rfcx_lab.report.commands import Next
from rfcx_lab.tracking.store import answering, forgiving
from rfcx_lab.tracking.tracker import NOTE, Tracker

_SERIES = "series"


class Series:
    """The run that holds the ladders' own. What an earlier run of the same series has shown is gone on with."""

    def __init__(self, config: Config, key: str) -> None:
        with answering(config.tracking.uri):
            self._tracker = Tracker(uri=config.tracking.uri, experiment=config.tracking.experiment, study_key=key)
            tags = {"level": _SERIES}
            self.run = self._tracker.open_run(_SERIES, name=f"{config.name} {key[:6]}", tags=tags)
            self._tracker.log_params(self.run, study_params(config))

    def close(
        self,
        document: Mapping[str, Any],
        *,
        files: Sequence[Path],
        following: Next | None,
        recommended: str | None = None,
    ) -> None:
        """Put the answer on the run, and on the experiment, keep `files`, and end it."""
        tags = series_tags(document) | ({"recommended": recommended} if recommended else {})
        with forgiving():
            self._tracker.log_files(self.run, files)
            note = describe(self._tracker, self.run, document["answer"], files=files, following=following)
            self._tracker.finish(_SERIES, metrics=series_metrics(document), tags={**tags, NOTE: note})
            self._tracker.describe_experiment(note)

    def abandon(self, error: BaseException) -> None:
        """End the run: the series will not be finished now."""
        self._tracker.abandon("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")


@contextmanager
def open_series(what: str, config: Config, configs: Sequence[Config], engine: Engine) -> Iterator[Series]:
    """The series of the ladders of `configs`, after it is told what there is to do, and how long it will take.

    All of it is laid out, and so checked, for that. `what` names it.

    Raises:
        LabError: a config or the data can't be used, or another run is at the same series.
    """
    missing: dict[str, FitSpec] = {}
    seconds, total, keys = 0.0, 0, []
    for one in configs:
        layout = plan_study(one)
        new = [spec for spec in layout.missing() if spec.key not in missing]
        missing |= {spec.key: spec for spec in new}
        total += len(layout.fits)
        keys.append(layout.key)
        cost = Cost(input_shape(one.window, one.features), one.engine, workers=engine.workers)
        seconds += cost.seconds(new) if new else 0.0
    say(
        f"{what}: {len(missing)} of {total} fits to do, about {duration(seconds)} on {engine.workers} worker(s), "
        "beside features."
    )
    key = hashlib.blake2b(json.dumps([config.name, keys]).encode(), digest_size=8).hexdigest()
    with alone_on(key, runs=Path(config.runs_dir)):
        series = Series(config, key)
        try:
            yield series
        except BaseException as error:
            with forgiving():
                series.abandon(error)
            raise
