"""`data.html`: what is in the data before anything is trained, to look at and to listen to."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from rfcx_lab import __version__
from rfcx_lab.config import Config
from rfcx_lab.errors import hide_password
from rfcx_lab.report.exhibit import Exhibit, Tick, round_values
from rfcx_lab.report.page import EMBEDDED, render

_SIDES = ("training", "validation", "test")


@dataclass(frozen=True)
class Spread:
    """Lowest, middle and highest of a species' values, and their places on the axis, from 0 to 1."""

    values: tuple[float, float, float]
    places: tuple[float, float, float]


@dataclass(frozen=True)
class SpeciesRow:
    """What there is of one species. The band runs from the lowest `f_min` to the highest `f_max`."""

    name: str
    calls: int
    recordings: int
    sides: tuple[int, int, int]  # calls in training, validation and test of the first repeat
    seconds: Spread
    band: tuple[float, float] | None  # Hz; none where the table names no frequencies
    band_places: tuple[float, float] | None


def data_page(
    table: pd.DataFrame,
    *,
    species: Sequence[str],
    recordings: Sequence[tuple[float, int]],
    sizes: Sequence[tuple[int, int, int]],
    rejected: Sequence[Mapping[Any, Any]],
    audit: Mapping[str, Any],
    config: Config,
    gallery: Sequence[tuple[str, Sequence[Exhibit]]],
    command: Sequence[str],
) -> str:
    """The page's HTML.

    `table` has a row per call (`recording_id, label, t_min, t_max, f_min, f_max, side`), `recordings` their seconds and
    sampling rates, `sizes` the calls in training, validation and test per repeat, `gallery` exhibits by species.
    """
    seconds, top = table["t_max"] - table["t_min"], float(table["f_max"].max())
    longest = float(seconds.max())
    rows = [_species(name, table[table["label"] == label], longest, top) for label, name in enumerate(species)]
    rates = sorted({rate for _, rate in recordings})
    return render(
        "data.html",
        name=config.name,
        root=getattr(config.data, "root", EMBEDDED),
        calls=len(table),
        recordings=table["recording_id"].nunique(),
        hours=sum(length for length, _ in recordings) / 3600,
        rates=rates,
        rows=rows,
        most=max(row.calls for row in rows),
        seconds_ticks=[Tick(value / longest, f"{value:g}") for value in round_values(0, longest)],
        band_ticks=[Tick(value * 1000 / top, f"{value:g}") for value in round_values(0, top / 1000)] if top > 0 else [],
        sides=_SIDES,
        sizes=sizes,
        split=config.split,
        window=config.window,
        audit=audit,
        rejected=rejected,
        gallery=gallery,
        players=sum(exhibit.sound is not None for _, shown in gallery for exhibit in shown),
        sample_rate=config.features.sample_rate,
        command=shlex.join(["python", "-m", "rfcx_lab", *command]),
        config=hide_password(OmegaConf.to_yaml(OmegaConf.structured(config))),
        version=__version__,
    )


def _species(name: str, calls: pd.DataFrame, longest: float, top: float) -> SpeciesRow:
    seconds = calls["t_max"] - calls["t_min"]
    values = (float(seconds.min()), float(seconds.median()), float(seconds.max()))
    low, high = float(calls["f_min"].min()), float(calls["f_max"].max())
    known = low == low and high == high and top > 0  # NaN where there is none
    return SpeciesRow(
        name=name,
        calls=len(calls),
        recordings=int(calls["recording_id"].nunique()),
        sides=tuple(int((calls["side"] == side).sum()) for side in _SIDES),  # type: ignore[arg-type]
        seconds=Spread(values, tuple(value / longest for value in values)),  # type: ignore[arg-type]
        band=(low, high) if known else None,
        band_places=(low / top, high / top) if known else None,
    )
