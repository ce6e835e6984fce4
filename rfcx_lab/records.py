"""`python -m rfcx_lab.records [FOLDER]`: the studies on record, each with its question and its answer."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rfcx_lab.console import say
from rfcx_lab.errors import LabError

FOLDER = Path(__file__).resolve().parents[1] / "experiments"
VERDICTS = ("verdict.json", "mended.json", "length.json", "frontier.json")
"""What holds a study's answer, by the kind of study."""


@dataclass(frozen=True)
class Record:
    """A study on record: the folder's name, the question in its README, and the answer in its verdict."""

    name: str
    question: str
    answer: str


def read_records(folder: Path) -> list[Record]:
    """The studies under `folder`, by name.

    Raises:
        LabError: `folder` is none, a study has no README with a question, or its verdict can't be read.
    """
    if not folder.is_dir():
        raise LabError(f"{folder} is not a folder; name the one that holds the studies' folders.")
    found = [
        (each, next((each / name for name in VERDICTS if (each / name).is_file()), None)) for each in folder.iterdir()
    ]
    return [_read(each, verdict) for each, verdict in sorted(found) if verdict is not None]


def _read(folder: Path, verdict: Path) -> Record:
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except OSError as error:
        raise LabError(
            f"{folder / 'README.md'} can't be read ({error.strerror}); a study on record has one."
        ) from error
    question = re.search(r"\*\*Question\.\*\* (.+?)\n\n", text, re.DOTALL)
    if question is None:
        raise LabError(f"{folder / 'README.md'} has no paragraph that begins with **Question.**; write it.")
    try:
        answer = json.loads(verdict.read_text(encoding="utf-8"))["answer"]
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{verdict} is not a verdict with an answer; take that file from the study's folder again."
        ) from error
    return Record(folder.name, " ".join(question[1].split()), str(answer))


def main(arguments: Sequence[str]) -> None:
    """Print every study."""
    records = read_records(Path(arguments[0]) if arguments else FOLDER)
    for record in records:
        say(record.name, style="bold")
        say(f"  {record.question}", style="dim")
        say(f"  {record.answer}\n")
    say(f"{len(records)} studies on record; each folder has the command, the curves and the figure.")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LabError as error:
        sys.exit(str(error))
