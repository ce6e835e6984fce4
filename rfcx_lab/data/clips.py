"""Clips: the usable rows of a data set, with their recordings, their labels and a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rfcx_lab.config import DataConfig
from rfcx_lab.data.recordings import Recording, find_recording
from rfcx_lab.data.splits import ROW
from rfcx_lab.data.tables import (
    FOLDS_REMEDY,
    OPTIONAL,
    REQUIRED,
    first_gap,
    join_folds,
    read_clip_table,
    read_species_names,
    whole,
)
from rfcx_lab.errors import LabError

_END_TOLERANCE = 0.01  # seconds a box may reach beyond its recording: the tables round
_LONGEST = 7 * 86_400.0  # seconds; no recording is longer: a bound where none is at hand
_LONGEST_ID = 60  # characters of a recording_id in a sentence
_SHOWN_REJECTIONS = 2


@dataclass(frozen=True)
class Clips:
    """A data set ready to be cut into windows.

    `table` has a row per usable call (`line, recording_id, species_id, songtype_id, t_min, t_max, f_min, f_max`,
    the columns of `folds.csv`, and `label`, the index of the species in `species`); `rejected` a row per unusable one
    (`line, recording_id, field, reason`).
    """

    root: Path
    table: pd.DataFrame
    recordings: Mapping[str, Recording]
    species: tuple[int, ...]
    species_names: tuple[str, ...]
    rejected: pd.DataFrame

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels `[N]`, 0 … classes − 1."""
        return self.table["label"].to_numpy(dtype=np.int64)

    @property
    def fingerprint(self) -> str:
        """A hash of every row, its label and the sound of its recording: 16 hex digits."""
        columns = ["recording_id", "species_id", "t_min", "t_max", "label"]
        digest = hashlib.blake2b(self.table[columns].to_csv(index=False).encode(), digest_size=8)
        for recording_id in sorted(self.recordings):
            digest.update(self.recordings[recording_id].digest.encode())
        return digest.hexdigest()

    def groups(self, column: str) -> NDArray[np.str_]:
        """The value of `column` per row `[N]`, as text; of `splits.ROW`, a value of its own for each.

        Raises:
            LabError: there is no such column, or a row has no value in it.
        """
        if column == ROW:
            if ROW in self.table:
                raise LabError(f"split.group={ROW}: {self.root / 'folds.csv'} has a column of that name; rename it.")
            return np.arange(len(self.table)).astype(str)
        if column not in self.table:
            known = ", ".join(self.table.columns.drop(["line", "label"]))
            raise LabError(f"split.group={column}: no such column in {self.root}; there are {known}.")
        empty = self.table[["line", "recording_id"]][self.table[column].isna()]
        if len(empty):
            name, line = "train_tp.csv", empty["line"].iloc[0]
            if column not in (*REQUIRED, *OPTIONAL):
                name, line = "folds.csv", first_gap(self.root, column, recordings=set(empty["recording_id"]))
            raise LabError(
                f"split.group={column}: {self.root / name}, line {line}, has no value in that column; fill it in, or "
                "group by another column."
            )
        return self.table[column].astype(str).to_numpy(dtype=str)


class RejectionError(LabError):
    """More rows are unusable than `data.max_rejected` allows; `rejected` lists them as `Clips.rejected` does."""

    def __init__(self, sentence: str, rejected: pd.DataFrame) -> None:
        super().__init__(sentence)
        self.rejected = rejected


def load_clips(root: Path, config: DataConfig, *, seed: int, sound: bool = True) -> Clips:
    """Read a folder in the RFCX layout.

    `seed` deals the labels out anew where `config.shuffle_labels` asks for that control. Without `sound` the tables
    are read alone: clips of no recording, for an audit.

    Raises:
        LabError: a table is missing or malformed, nothing usable is left, or too many rows are rejected.
    """
    if config.on_bad_row not in ("reject", "stop"):
        raise LabError(f"data.on_bad_row={config.on_bad_row}: must be reject or stop.")
    if not 0 <= config.max_rejected <= 1:
        raise LabError(f"data.max_rejected={config.max_rejected}: must be a share from 0 to 1.")
    table = join_folds(read_clip_table(root), root)
    if sound and not (root / "train").is_dir():
        raise LabError(f"{root / 'train'} is not a folder; the recordings must lie there, as <recording_id>.flac.")
    wanted = table["recording_id"].unique() if sound else ()
    found = {name: find_recording(root / "train", name) for name in wanted}
    recordings = {name: r for name, r in found.items() if isinstance(r, Recording)}
    rejected = _rejections(table, found)
    _check_listed(table, rejected, root)
    return _keep_usable(table, recordings, rejected, root=root, config=config, seed=seed)


def reject_rows(clips: Clips, faults: Mapping[int, str], *, config: DataConfig, seed: int) -> Clips:
    """`clips` without the rows at the positions in `faults`, which are listed with the reason given there.

    Raises:
        LabError: nothing usable is left, or too many rows are rejected by now.
    """
    if not faults:
        return clips
    bad = clips.table.iloc[sorted(faults)]
    more = pd.DataFrame(
        {"line": bad["line"], "recording_id": bad["recording_id"], "field": "recording_id", "reason": ""}
    ).assign(reason=[faults[i] for i in sorted(faults)])
    rejected = pd.concat([clips.rejected, more]).sort_values("line").reset_index(drop=True)
    table = clips.table.drop(columns="label")
    return _keep_usable(table, clips.recordings, rejected, root=clips.root, config=config, seed=seed)


def _keep_usable(
    table: pd.DataFrame,
    recordings: Mapping[str, Recording],
    rejected: pd.DataFrame,
    *,
    root: Path,
    config: DataConfig,
    seed: int,
) -> Clips:
    path = root / "train_tp.csv"
    usable = (
        table[~table["line"].isin(rejected["line"])]
        .drop(columns=["fault", "unlisted"], errors="ignore")
        .reset_index(drop=True)
    )
    _check_rejections(rejected, config, rows=len(usable) + len(rejected), path=path)
    usable = usable.astype({"species_id": int})  # a row without one has made the column one of floats
    species = tuple(sorted(usable["species_id"].unique().tolist()))
    if len(species) < 2:
        raise LabError(
            f"{path} has usable rows of {len(species)} species; a classifier needs two: add calls of others."
        )
    names = read_species_names(root)
    labels = np.searchsorted(species, usable["species_id"].to_numpy())
    if config.shuffle_labels:
        labels = np.random.default_rng([seed, 1]).permutation(labels)
    return Clips(
        root=root,
        table=usable.assign(label=labels),
        recordings={name: recordings[name] for name in usable["recording_id"].unique() if name in recordings},
        species=species,
        species_names=tuple(names.get(s) or f"species {s}" for s in species),
        rejected=rejected,
    )


def _rejections(table: pd.DataFrame, found: Mapping[str, Recording | str]) -> pd.DataFrame:
    """The first fault of each faulty row."""
    seconds = table["recording_id"].map(lambda name: getattr(found.get(name), "seconds", np.nan))
    unreadable = table["recording_id"].map(lambda name: found[name] if isinstance(found.get(name), str) else None)
    end = " lies beyond the end of the recording at " + seconds.map("{:.2f} s".format)
    faults: Sequence[tuple[str, pd.Series, str | pd.Series]] = (
        ("line", table["fault"].notna(), table["fault"]),
        ("recording_id", unreadable.notna(), unreadable),
        ("recording_id", table["recording_id"] == "", "recording_id is empty"),
        ("species_id", ~whole(table["species_id"]), "species_id is not a whole number"),
        ("t_min", table["t_min"].isna(), "t_min is not a number"),
        ("t_max", table["t_max"].isna(), "t_max is not a number"),
        ("t_min", table["t_min"] < 0, "t_min is negative"),
        ("t_min", table["t_min"] > _LONGEST, "t_min lies beyond a week, which no recording lasts"),
        ("t_max", table["t_max"] <= table["t_min"], "t_max is not after t_min"),
        ("t_max", table["t_max"] > seconds + _END_TOLERANCE, "t_max" + end),
        ("t_min", table["t_min"] >= seconds, "t_min" + end),
        ("t_max", table["t_max"] > _LONGEST, "t_max lies beyond a week, which no recording lasts"),
        ("line", table.duplicated([*REQUIRED, *OPTIONAL]), "the row stands there twice"),
    )
    rows, seen = [], np.zeros(len(table), dtype=bool)
    for field, mask, reason in faults:
        for i in np.flatnonzero(mask.to_numpy(dtype=bool) & ~seen):
            phrase = reason if isinstance(reason, str) else reason[i]
            rows.append((table["line"][i], table["recording_id"][i], field, phrase))
            seen[i] = True
    return pd.DataFrame(sorted(rows), columns=["line", "recording_id", "field", "reason"])


def _check_listed(table: pd.DataFrame, rejected: pd.DataFrame, root: Path) -> None:
    """A usable row needs its line of folds.csv: a group left open could stand on two sides of a split."""
    if "unlisted" not in table:
        return
    open_rows = table[table["unlisted"] & ~table["line"].isin(rejected["line"])]
    if len(open_rows):
        first = open_rows.iloc[0]
        raise LabError(
            f"{root / 'folds.csv'} has no line for recording {first['recording_id'][:_LONGEST_ID]}, which line "
            f"{first['line']} of train_tp.csv names; {FOLDS_REMEDY}"
        )


def _check_rejections(rejected: pd.DataFrame, config: DataConfig, *, rows: int, path: Path) -> None:
    if rejected.empty:
        return
    shown = [f"line {r.line} ({r.reason})" for r in rejected.head(_SHOWN_REJECTIONS).itertuples()]
    listed = "; ".join(shown) + (" …" if len(rejected) > _SHOWN_REJECTIONS else "")
    if config.on_bad_row == "stop":
        raise RejectionError(f"{path}: {listed}; mend it, or set data.on_bad_row=reject.", rejected)
    if len(rejected) > config.max_rejected * rows:
        share = f"more than data.max_rejected={config.max_rejected}"
        sentence = f"{path}: {len(rejected)} of {rows} rows are unusable, {share}: {listed}; mend them, or raise it."
        raise RejectionError(sentence, rejected)
    if len(rejected) == rows:
        raise RejectionError(f"{path}: no row is usable: {listed}; mend them.", rejected)
