"""The audit in short, for a reader who has not met it before; its signals' own sentences say the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = {
    "box_seconds": "length of the box",
    "visible_frames": "frames of sound shown",
    "recording": "same recording",
    "duplicate_windows": "duplicate windows",
}
_SAME = "same_"  # before a column of folds.csv
_SUMS = {
    "green": "Nothing was found that tells the species but sound.",
    "amber": "It is not ruled out that something other than sound tells the species: {names}.",
    "red": "The model can name species by something other than sound: {names}.",
}


def name_signal(name: str) -> str:
    """What a signal is called in a table: `same_src_file` -> `same src_file`, as the column is called."""
    return _NAMES.get(name) or (f"same {name.removeprefix(_SAME)}" if name.startswith(_SAME) else name)


def sum_up(audit: Mapping[str, Any]) -> str:
    """A sentence that names the signals of the audit's own status. `audit` is as `verdict.json` has it."""
    status = audit["status"]
    names = [name_signal(signal["name"]) for signal in audit["signals"] if signal["status"] == status]
    return _SUMS[status].format(names=", ".join(names))
