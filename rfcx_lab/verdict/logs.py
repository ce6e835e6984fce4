"""A training log as a table: CSV or JSON with named columns, whoever wrote it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rfcx_lab.errors import LabError, reason

_SEPARATORS = ",;\t|"
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_MISSING = ("", "na", "n/a", "none", "null")  # "NA" is CSVLogger's; "nan" is a value, and that of a fit that failed
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_LABELS = ("train_metric", "monitor_metric")  # a labelled history names its two curves
_WRAPPERS = ("history", "log_history")


@dataclass(frozen=True)
class LogTable:
    """Named columns of cells, as they stand in the log; what was left out or made of it stands in `notes`.

    Columns of a JSON file may differ in length. A cell is text, a number, or None where there is nothing.
    """

    source: str  # what messages call it
    columns: Mapping[str, Sequence[Any]]
    places: Sequence[str]  # of each row, as messages call it: "line 7"
    named: tuple[str, str] | None = None  # the training and the validation column, where the log itself says it
    notes: tuple[str, ...] = ()
    decimal_comma: bool = False

    def numbers(self, name: str) -> list[float | None]:
        """A column's cells as numbers, None where a cell is empty.

        Raises:
            LabError: a cell is no number.
        """
        return [self._number(name, i, cell) for i, cell in enumerate(self.columns[name])]

    def _number(self, name: str, i: int, cell: Any) -> float | None:
        if cell is None or (isinstance(cell, str) and cell.strip().lower() in _MISSING):
            return None
        text = cell.strip() if isinstance(cell, str) else cell
        if self.decimal_comma and isinstance(text, str) and _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        try:
            if isinstance(text, bool) or not isinstance(text, (str, int, float)):
                raise ValueError
            return float(text)
        except (ValueError, OverflowError) as error:
            shown = repr(cell) if len(repr(cell)) <= 40 else f"{repr(cell)[:40]}…"
            raise LabError(
                f"{self.source}, {self.places[i]}: {name} is {shown}, which is no number; mend it, or name other "
                "columns with --train and --val."
            ) from error


def read_text(path: Path) -> str:
    """A file's text, unzipped where it is gzip, in UTF-8 or in what its byte-order mark says.

    Raises:
        LabError: there is no such file, it is a folder, empty, damaged, or no text.
    """
    if path.is_dir():
        raise LabError(f"{path} is a folder; name the logs in it, as {path}/*.csv does.")
    try:
        data = path.read_bytes()
        if data.startswith(_GZIP):
            data = gzip.decompress(data)
    except FileNotFoundError as error:
        raise LabError(f"{path} does not exist.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise LabError(f"{path} can't be read ({reason(error)}).") from error
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise LabError(
            f"{path} is not text in UTF-8 (byte {error.start}: {error.reason}); save it in UTF-8, or export the log as "
            "CSV or JSON."
        ) from error
    if "\0" in text:
        raise LabError(f"{path} is no text file; export the log as CSV or JSON.")
    if not text.strip():
        raise LabError(f"{path} is empty.")
    return text


def read_log(path: Path) -> LogTable:
    """Read a log: JSON where it begins with a bracket, else CSV.

    JSON is an object of lists (a Keras `History`, a labelled history), of objects (pandas), a list of objects, or an
    object per line. CSV has a header, and is separated by commas, semicolons, tabs or bars.

    Raises:
        LabError: as `read_text` does; or it is neither, or damaged.
    """
    text = read_text(path)
    if text.lstrip().startswith(("{", "[")):
        return _read_json(str(path), text)
    return _read_csv(str(path), text)


def _read_csv(source: str, text: str) -> LogTable:
    text = text.lstrip("\r\n")
    first = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    lines = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        for fields in reader:
            if any(field.strip() for field in fields):
                lines.append((reader.line_num, fields))
    except csv.Error as error:
        raise LabError(f"{source}, line {reader.line_num}: {error}; it is no sound CSV.") from error
    header = [name.strip() for name in lines[0][1]]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise LabError(f"{source} has more than one column {', '.join(twice)}; give them names of their own.")
    rows, notes = _check_rows(source, header, lines[1:])
    columns = {name: [row[i] for _, row in rows] for i, name in enumerate(header)}
    return LogTable(source, columns, [f"line {n}" for n, _ in rows], None, notes, decimal_comma=separator != ",")


def _check_rows(
    source: str, header: Sequence[str], lines: Sequence[tuple[int, list[str]]]
) -> tuple[list[tuple[int, list[str]]], tuple[str, ...]]:
    """The rows that have a field per column. Only the last may be cut short: its writer was stopped."""
    rows, notes, headers = [], [], 0
    for place, (number, fields) in enumerate(lines):
        if [name.strip() for name in fields] == list(header):
            headers += 1
        elif len(fields) == len(header):
            rows.append((number, fields))
        elif len(fields) < len(header) and place == len(lines) - 1 and rows:
            notes.append(f"Line {number}, the last, is cut short and left out.")
        else:
            raise LabError(
                f"{source}, line {number} has {len(fields)} field{'' if len(fields) == 1 else 's'}, the header "
                f"{len(header)}: mend it, or split the file where its columns change."
            )
    if headers:
        notes.append(f"The header stands there again {headers} time{'' if headers == 1 else 's'}.")
    return rows, tuple(notes)


def _read_json(source: str, text: str) -> LogTable:
    try:
        document = _parse_json(text)
    except (ValueError, RecursionError) as error:
        raise LabError(f"{source} is no sound JSON ({error}).") from error
    for key in _WRAPPERS:
        if isinstance(document, dict) and isinstance(document.get(key), (dict, list)):
            document = document[key]
    named = None
    if isinstance(document, dict):
        if all(isinstance(document.get(label), str) for label in _LABELS):
            named = (document[_LABELS[0]], document[_LABELS[1]])
        columns = {name: _cells(values) for name, values in document.items() if isinstance(values, (list, dict))}
    elif isinstance(document, list) and all(isinstance(row, dict) for row in document):
        names = dict.fromkeys(name for row in document for name in row)
        columns = {name: [row.get(name) for row in document] for name in names}
    else:
        columns = {}
    if not columns:
        raise LabError(f"{source} holds no named curves: an object of lists, or a list of objects, is read.")
    longest = max(len(cells) for cells in columns.values())
    return LogTable(source, columns, [f"value {i + 1}" for i in range(longest)], named)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[0].lstrip().startswith("{") or not lines[0].rstrip().endswith("}"):
            raise
    return [json.loads(line) for line in lines]


def _cells(values: list[Any] | dict[str, Any]) -> list[Any]:
    """Values of an object of lists or of objects. A null there stands for a number that JSON has no word for."""
    listed = values if isinstance(values, list) else list(values.values())
    return [float("nan") if value is None else value for value in listed]
