"""The CSV files beside the recordings, read strictly: what is wrong is named with file, line and field."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pandas as pd

from rfcx_lab.errors import LabError

REQUIRED = ("recording_id", "species_id", "t_min", "t_max")
OPTIONAL = ("songtype_id", "f_min", "f_max")
_LINE = "line"  # the column that keeps each row's line in its file
_ADDED = (_LINE, "fault")  # columns that are added to every table that is read
_RESERVED = ("label", "unlisted")  # and to every table of clips
_NAMES = ("name", "species_name", "common_name", "species", "scientific_name")  # of a species, the best one first
_FEW = 8  # column names told in a sentence
_LONGEST = 60  # characters of a value there
FOLDS_REMEDY = "it must hold one line per recording, or the lines of train_tp.csv in their order."


def read_clip_table(root: Path) -> pd.DataFrame:
    """`train_tp.csv` as it stands: a row per call, `line` its line in the file, numbers where they parse.

    Columns: `line, recording_id, species_id, songtype_id, t_min, t_max, f_min, f_max` (times in seconds, frequencies
    in Hz; NaN where a field is empty, unreadable or its optional column is missing), and `fault`: a phrase where the
    line has not as many fields as the header, so that none of them can be trusted; else None.

    Raises:
        LabError: no such file, not a CSV in UTF-8, a required column missing, or no row.
    """
    path = root / "train_tp.csv"
    table = _read_csv(path, needs=REQUIRED)
    missing = [column for column in REQUIRED if column not in table]
    if missing:
        raise LabError(_lacks(path, missing[0], table, needs=REQUIRED))
    if table.empty:
        raise LabError(f"{path} holds a header but no row; add one line per call.")
    out = pd.DataFrame({_LINE: table[_LINE], "fault": table["fault"], "recording_id": table["recording_id"].fillna("")})
    for column in (*REQUIRED[1:], *OPTIONAL):
        out[column] = _numbers(table[column]) if column in table else float("nan")
    return out


def join_folds(clips: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Add the columns of `folds.csv`, if there is one: a line per recording, or aligned with `train_tp.csv`.

    Of a line per recording, `unlisted` tells which rows are of a recording that has none.

    Raises:
        LabError: the file is neither, or malformed.
    """
    path = root / "folds.csv"
    if not path.is_file():
        return clips
    needs = ("recording_id",)
    folds = _strict(_read_csv(path, needs=needs), path)
    if "recording_id" not in folds:
        raise LabError(_lacks(path, "recording_id", folds, needs=needs))
    for column in _RESERVED:
        _check_free(column, [str(name) for name in folds], path)
    folds["recording_id"] = folds["recording_id"].fillna("")
    extra = [column for column in folds if column not in clips]
    if folds.empty:
        raise LabError(f"{path} holds a header but no row; {FOLDS_REMEDY}")
    if not folds["recording_id"].is_unique and _is_by_row(clips, folds):
        _check_aligned(clips, folds, path)
        return pd.concat([clips, folds[extra]], axis=1)
    _check_once(folds, path)
    unlisted = ~clips["recording_id"].isin(folds["recording_id"])
    return clips.merge(folds[["recording_id", *extra]], on="recording_id", how="left", validate="many_to_one").assign(
        unlisted=unlisted
    )


def first_gap(root: Path, column: str, *, recordings: Collection[str]) -> int | None:
    """The line of `folds.csv` that leaves `column` empty for one of `recordings`; none where no line does."""
    folds = _read_csv(root / "folds.csv", needs=("recording_id",))
    gaps = folds[folds[column].isna() & folds["recording_id"].isin(list(recordings))]
    return None if gaps.empty else int(gaps[_LINE].iloc[0])


def read_species_names(root: Path) -> dict[int, str]:
    """`species.csv` (`species_id` and a name), where there is one; else nothing.

    Raises:
        LabError: it lacks a column, or an id is no whole number or stands there twice.
    """
    path = root / "species.csv"
    if not path.is_file():
        return {}
    table = _strict(_read_csv(path, needs=("species_id",)), path)
    others = [str(column) for column in table if column not in ("species_id", _LINE)]
    known = {column.lower(): column for column in reversed(others)}
    name = next((known[column] for column in _NAMES if column in known), others[0] if others else None)
    if "species_id" not in table or name is None:
        raise LabError(f"{path} needs the column species_id and one with the name.")
    ids = _numbers(table["species_id"])
    for fault, why in ((~whole(ids), "is not a whole number"), (ids.duplicated(), "stands there twice")):
        if fault.any():
            raise LabError(f"{path}, line {table[_LINE][int(fault.argmax())]}: species_id {why}; mend that line.")
    names = table[name].fillna("").astype(str).str.strip()
    twice = names.duplicated() & (names != "")
    if twice.any():
        line, one = table[_LINE][int(twice.argmax())], _cut(names[int(twice.argmax())])
        raise LabError(f"{path}, line {line}: the {name} {one} stands there twice; give each species its own.")
    return dict(zip(ids.astype(int), names, strict=True))


def whole(numbers: pd.Series) -> pd.Series:
    """Which are whole numbers that a float holds exactly."""
    return (numbers.abs() < 2**53) & (numbers % 1 == 0)


def _is_by_row(clips: pd.DataFrame, folds: pd.DataFrame) -> bool:
    """Whether a file that names recordings more than once is nearer in length to the calls than to the recordings."""
    return abs(len(folds) - len(clips)) <= abs(len(folds) - clips["recording_id"].nunique())


def _check_once(folds: pd.DataFrame, path: Path) -> None:
    for fault, why in (
        (folds["recording_id"] == "", "recording_id is empty"),
        (folds["recording_id"].duplicated(), "the recording {} stands there a second time"),
    ):
        if fault.any():
            first = folds[fault].iloc[0]
            what = why.format(_cut(first["recording_id"]))
            raise LabError(f"{path}, line {first[_LINE]}: {what}; {FOLDS_REMEDY}")


def _check_aligned(clips: pd.DataFrame, folds: pd.DataFrame, path: Path) -> None:
    count, found = min(len(folds), len(clips)), []
    ours, theirs = clips.head(count), folds.head(count)
    for column in (c for c in ("recording_id", "species_id", "t_min", "t_max") if c in folds):
        here, there = ours[column], theirs[column] if column == "recording_id" else _numbers(theirs[column])
        differs = (there != here) & ~(there.isna() & here.isna())
        found += [(int(differs.argmax()), column)] if differs.any() else []
    if found:
        i, column = min(found, key=lambda pair: pair[0])
        both = f"is {_cut(theirs[column][i])}, and {_cut(ours[column][i])} in line {ours[_LINE][i]} of train_tp.csv"
        raise LabError(f"{path}, line {theirs[_LINE][i]}: {column} {both}; {FOLDS_REMEDY}")
    if len(folds) != len(clips):
        raise LabError(f"{path} holds {len(folds)} rows, train_tp.csv {len(clips)}; {FOLDS_REMEDY}")


def _numbers(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if numbers.dtype == "int64" else numbers.astype(float)


def _strict(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """`table` without its column `fault`; LabError where that names one."""
    if table["fault"].notna().any():
        first = table[table["fault"].notna()].iloc[0]
        raise LabError(f"{path}, line {first[_LINE]}: {first['fault']}; mend or remove that line.")
    return table.drop(columns="fault")


def _read_csv(path: Path, *, needs: Sequence[str]) -> pd.DataFrame:
    """Every line that is not blank, as text; None for an empty field. First column `line`, last column `fault`."""
    if not path.is_file():
        raise LabError(f"{path} does not exist; point data.root at a folder in the RFCX layout.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(_lines(file, path))
    except UnicodeDecodeError as error:
        raise LabError(
            f"{path} is not text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8."
        ) from error
    except OSError as error:
        raise LabError(f"{path} can't be read ({error.strerror}); make it readable.") from error
    if not lines:
        raise LabError(f"{path} is empty; its first line must name the columns, {', '.join(needs)} among them.")
    _, header = lines[0]
    names = [name.strip() or f"column {place}" for place, name in enumerate(header, start=1)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise LabError(f"{path}: the column {twice} stands there twice; rename or remove one.")
    for column in _ADDED:
        _check_free(column, names, path)
    rows = [(line, *_fit(fields, len(names)), _fault(fields, len(names))) for line, fields in lines[1:]]
    return pd.DataFrame(rows, columns=[_LINE, *names, "fault"], dtype=object).astype({_LINE: int})


def _lines(file: Iterator[str], path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of every line that is not blank; a line of commas alone is not.

    A field that runs over several lines is refused: it is far more likely a quote that was never closed, and the rows
    within it would be lost.
    """
    reader, before = csv.reader(file, skipinitialspace=True, strict=True), 0
    try:
        for fields in reader:
            if any("\n" in field or "\r" in field for field in fields):
                raise LabError(f"{path}, line {before + 1}: a quoted field runs over several lines; close its quote.")
            before = reader.line_num
            if len(fields) > 1 or any(field.strip() for field in fields):
                yield before, fields
    except csv.Error as error:
        raise LabError(f"{path}, line {before + 1}: not CSV ({error}); mend its quotes.") from error


def _check_free(column: str, names: list[str], path: Path) -> None:
    if column in names:
        raise LabError(f"{path}: a column may not be called {column}, which is taken; give it another name.")


def _fit(fields: list[str], count: int) -> list[str | None]:
    padded = [*fields, *[""] * (count - len(fields))][:count]
    return [field or None for field in padded]


def _fault(fields: list[str], count: int) -> str | None:
    if not any(field.strip() for field in fields):
        return "all its fields are empty"
    while len(fields) > count and not fields[-1].strip():  # spreadsheets leave commas behind
        fields = fields[:-1]
    return None if len(fields) == count else f"the line has {len(fields)} fields, the header {count}"


def _cut(value: object) -> str:
    return str(value)[:_LONGEST] or "empty"


def _lacks(path: Path, column: str, table: pd.DataFrame, *, needs: Sequence[str]) -> str:
    there = [str(name)[:40] for name in table.columns.drop([_LINE, "fault"], errors="ignore")]
    listed = ", ".join(there[:_FEW]) + (" …" if len(there) > _FEW else "")
    if len(there) == 1 and any(mark in there[0] for mark in ";\t|"):
        return f"{path} is not separated by commas; save it with commas (and points as decimal marks)."
    return f"{path} lacks the column {column}; it needs {', '.join(needs)} and has {listed}."
