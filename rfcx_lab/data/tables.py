"""The CSV files beside the recordings, read strictly: what is wrong is named with file, line and field."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from rfcx_lab.errors import LabError

REQUIRED = ("recording_id", "species_id", "t_min", "t_max")
OPTIONAL = ("songtype_id", "f_min", "f_max")
_FIRST_LINE = 2  # the header is line 1
_LINE = "line"  # the column that keeps each row's line in its file


def read_clip_table(root: Path) -> pd.DataFrame:
    """`train_tp.csv` as it stands: a row per call, `line` its line in the file, numbers where they parse.

    Columns: `line, recording_id, species_id, songtype_id, t_min, t_max, f_min, f_max` (times in seconds, frequencies
    in Hz; NaN where a field is empty, unreadable or its optional column is missing).

    Raises:
        LabError: no such file, not a CSV, a required column missing, or no row.
    """
    path = root / "train_tp.csv"
    table = _read_csv(path)
    missing = [column for column in REQUIRED if column not in table]
    if missing:
        raise LabError(f"{path} lacks the column {missing[0]}; it needs {', '.join(REQUIRED)}.")
    if table.empty:
        raise LabError(f"{path} holds a header but no row; add one line per call.")
    out = pd.DataFrame({_LINE: table[_LINE], "recording_id": table["recording_id"].fillna("")})
    for column in (*REQUIRED[1:], *OPTIONAL):
        out[column] = pd.to_numeric(table[column], errors="coerce") if column in table else float("nan")
    return out


def join_folds(clips: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Add the columns of `folds.csv`, if there is one: a line per recording, or aligned with `train_tp.csv`.

    Raises:
        LabError: the file is neither.
    """
    path = root / "folds.csv"
    if not path.is_file():
        return clips
    folds = _read_csv(path)
    if "recording_id" not in folds:
        raise LabError(f"{path} lacks the column recording_id.")
    extra = [column for column in folds if column not in clips]
    if folds["recording_id"].is_unique and set(clips["recording_id"]) <= set(folds["recording_id"]):
        return clips.merge(folds[["recording_id", *extra]], on="recording_id", how="left", validate="many_to_one")
    _check_aligned(clips, folds, path)
    return pd.concat([clips, folds[extra]], axis=1)


def read_species_names(root: Path) -> dict[int, str]:
    """`species.csv` (`species_id` and a name), where there is one; else nothing."""
    path = root / "species.csv"
    if not path.is_file():
        return {}
    table = _read_csv(path)
    if "species_id" not in table or table.shape[1] < 3:
        raise LabError(f"{path} needs the column species_id and one with the name.")
    name = next(column for column in table if column not in ("species_id", _LINE))
    ids = pd.to_numeric(table["species_id"], errors="coerce")
    if ids.isna().any():
        raise LabError(f"{path}, line {table[_LINE][int(ids.isna().argmax())]}: species_id is not a number.")
    return dict(zip(ids.astype(int), table[name].fillna("").astype(str), strict=True))


def _check_aligned(clips: pd.DataFrame, folds: pd.DataFrame, path: Path) -> None:
    remedy = "it must hold one line per recording, or the lines of train_tp.csv in their order."
    if len(folds) != len(clips):
        raise LabError(f"{path} holds {len(folds)} lines, train_tp.csv {len(clips)}; {remedy}")
    for column in (c for c in ("recording_id", "species_id", "t_min", "t_max") if c in folds):
        theirs = folds[column] if column == "recording_id" else pd.to_numeric(folds[column], errors="coerce")
        differs = (theirs != clips[column]) & ~(theirs.isna() & clips[column].isna())
        if differs.any():
            line = folds[_LINE][int(differs.argmax())]
            raise LabError(f"{path}, line {line}: {column} differs from train_tp.csv; {remedy}")


def _read_csv(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise LabError(f"{path} does not exist; point data.root at a folder in the RFCX layout.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)  # of fields beyond the header's: they are dropped
            table = pd.read_csv(path, dtype=str, skipinitialspace=True, index_col=False, skip_blank_lines=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise LabError(f"{path} is not a readable CSV file ({str(error).strip()}).") from error
    table = table.rename(columns=lambda column: str(column).strip())
    table.insert(0, _LINE, table.index + _FIRST_LINE)
    return table.dropna(how="all", subset=table.columns[1:]).reset_index(drop=True)
