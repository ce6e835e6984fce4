"""The audit: is it sound that tells the species, or something else the model is shown?

Before anything is trained it measures how well the label is told by the length of the box, by what of that length
the model sees, by the recording and by shared sources, and counts windows that stand on two sides of a split. A
function over a table: the recordings need not be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rfcx_lab.data.signals import GREEN, STATUSES, Judge, Signal
from rfcx_lab.data.splits import Split
from rfcx_lab.data.tables import OPTIONAL, REQUIRED
from rfcx_lab.data.telling import CONFIDENCE


@dataclass(frozen=True)
class Audit:
    """All signals; `status` and `sentence` are those of the worst. `majority` is the most frequent species' share."""

    status: str
    sentence: str
    window: str
    split_by: str
    majority: float
    margin: float
    confidence: float
    signals: tuple[Signal, ...]
    not_checked: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As it stands in `verdict.json`: dicts, lists, strings and numbers."""

        def plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
            return {key: list(value) if isinstance(value, tuple) else value for key, value in items}

        return asdict(self, dict_factory=plain)


def audit_table(
    table: pd.DataFrame,
    splits: Sequence[Split],
    *,
    frames: NDArray[np.int64],
    window: str,
    split_by: str,
    margin: float,
    sounds: NDArray[np.str_] | None = None,
    prints: NDArray[np.str_] | None = None,
) -> Audit:
    """Audit the rows of `table` (`line, recording_id, label, t_min, t_max` and the columns of `folds.csv`).

    All arrays are `[N]`, in its order: `frames` of sound the model is shown, `prints` of the windows and `sounds` of
    the whole recordings (texts that are equal where these are; none without recordings at hand). A signal that the
    model can see is red where the lower end of its accuracy's interval lies more than `margin` above the share of
    the most frequent species, green where the upper end does not, and amber in between.
    """
    judge = Judge(table, splits, window=window, split_by=split_by, margin=margin)
    sources, coarse = _source_columns(table)
    recordings = judge.recordings if sounds is None else sounds
    signals = (
        *judge.lengths(frames),
        judge.origin("recording", recordings, column="recording_id"),
        judge.duplicates(prints),
        *(judge.origin(f"same_{name}", _as_text(table[name]), column=name) for name in sources),
    )
    worst = max(signals, key=lambda signal: STATUSES.index(signal.status))
    return Audit(
        status=worst.status,
        sentence="Nothing was found that tells the species but sound." if worst.status == GREEN else worst.sentence,
        window=window,
        split_by=split_by,
        majority=judge.majority,
        margin=margin,
        confidence=CONFIDENCE,
        signals=signals,
        not_checked=(
            *(() if sources else ("Near-duplicates: folds.csv has no column that names calls' sources.",)),
            *((f"Columns of folds.csv with no more values than species: {', '.join(coarse)}.",) if coarse else ()),
        ),
    )


def _source_columns(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Columns of `folds.csv` that may name what calls were cut from: finer than the species; and those too coarse."""
    known = {"line", "label", *REQUIRED, *OPTIONAL}
    # A column whose values all differ can't join two calls.
    columns = [str(c) for c in table if c not in known and table[c].dropna().duplicated().any()]
    values, species = table[columns].nunique(), table["label"].nunique()
    return [c for c in columns if values[c] > species], [c for c in columns if values[c] <= species]


def _as_text(column: pd.Series) -> NDArray[np.str_]:
    return column.fillna("").astype(str).to_numpy(dtype=str)
