"""What a pipeline's fits name of the test calls, with the boxes they have and with lengths swapped between species."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.config import Config
from rfcx_lab.console import say
from rfcx_lab.data.swap import swap_lengths
from rfcx_lab.data.telling import drawn_variance
from rfcx_lab.engine.engine import Engine
from rfcx_lab.engine.failure import Failure
from rfcx_lab.engine.fits import FitSpec, FitStore, HeldOut
from rfcx_lab.engine.work import Job, measure
from rfcx_lab.errors import LabError
from rfcx_lab.features.cache import WindowStore, ensure_windows
from rfcx_lab.lab.ladder import Climb
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.verdict.length import SHARES, WITHIN
from rfcx_lab.verdict.shares import Draw


@dataclass(frozen=True, eq=False)
class SwappedHits:
    """By `verdict.length.SHARES`, which test calls `[fits, N]` are named so; whose own box is `within`; where from."""

    hits: dict[str, NDArray[np.bool_]]
    within: NDArray[np.bool_]  # [N]
    recordings: NDArray[np.str_]  # [N]

    def shares(self, name: str) -> list[float]:
        """One per fit; none where there is no call that it is of."""
        hits = self.hits[name][:, self._of(name)]
        return [float(fit.mean()) for fit in hits] if hits.size else []

    def draws(self) -> dict[str, Draw]:
        """Of every share, and of the two differences that are claimed."""
        hits = {name: each.astype(np.float64) for name, each in self.hits.items()}
        values = {
            **hits,
            "swap_costs": hits["within_true"] - hits["within_swapped"],
            "follows_length": hits["donor_swapped"] - hits["donor_true"],
        }
        return {
            name: draw_of(each[:, self._of(name)], self.recordings[self._of(name)]) for name, each in values.items()
        }

    def _of(self, name: str) -> NDArray[np.bool_]:
        return self.within if name in (*WITHIN, "swap_costs") else np.ones_like(self.within)


def measure_swapped(engine: Engine, config: Config, climb: Climb) -> SwappedHits:
    """What the fits name of the test calls with the boxes they have, and with swapped ones.

    Raises:
        LabError: a swapped box reaches sound that can't be read.
    """
    swapped = swap_lengths(climb.clips)
    store = FitStore(Path(config.runs_dir) / "fits")
    windows, unreadable = ensure_windows(
        swapped.clips,
        window=config.window,
        features=config.features,
        under=Path(config.runs_dir) / "features",
        mapper=engine.map,
    )
    if unreadable:
        row, reason = next(iter(unreadable.items()))
        raise LabError(
            f"{climb.clips.root / 'train_tp.csv'}, line {climb.clips.table['line'].iloc[row]}: a box as long as "
            f"another species' can't be read ({reason}); mend the recording, or leave that row out."
        )
    specs = [spec for spec in climb.specs if store.has_model(spec.key)]
    _measure(engine, specs, windows, store=store, config=config)
    test = climb.specs[0].split.test
    pairs = [(store.held_out(spec), store.held_out(spec, windows=windows)) for spec in specs]
    fits = [
        _hits(true, other, labels=climb.specs[0].labels[test], donor=swapped.donor[test])
        for true, other in pairs
        if true is not None and other is not None
    ]
    hits = {name: np.array([fit[name] for fit in fits]).reshape(len(fits), len(test)) for name in SHARES}
    return SwappedHits(hits, swapped.within[test], climb.clips.table["recording_id"].to_numpy()[test])


def _measure(
    engine: Engine, specs: Sequence[FitSpec], windows: WindowStore, *, store: FitStore, config: Config
) -> None:
    folder = Path(config.runs_dir) / "fits"
    jobs = [
        Job(replace(spec, windows=windows), fit_rung, folder, config.tracking.uri, "", trained=spec)
        for spec in specs
        if store.held_out(spec, windows=windows) is None
    ]
    for job, result in engine.run(measure, jobs):
        if isinstance(result, Failure):
            say(f"Repeat {job.spec.split.repeat}, not measured on swapped boxes: {result.reason}", style="red")


def _hits(
    true: HeldOut, other: HeldOut, *, labels: NDArray[np.int64], donor: NDArray[np.int64]
) -> dict[str, NDArray[np.bool_]]:
    named, named_then = (held.probabilities.argmax(axis=1) for held in (true, other))
    right, right_then = named == labels, named_then == labels
    return {
        "true": right,
        "swapped": right_then,
        "within_true": right,
        "within_swapped": right_then,
        "donor_true": named == donor,
        "donor_swapped": named_then == donor,
    }


def draw_of(hits: NDArray[Any], recordings: NDArray[np.str_]) -> Draw:
    """Of a mean over fits and calls `[fits, N]`; of nothing where there is none."""
    return Draw(*drawn_variance(hits.mean(axis=0), recordings)) if hits.size else Draw(0.0, 0)
