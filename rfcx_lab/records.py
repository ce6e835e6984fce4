"""`python -m rfcx_lab.records [FOLDER]`: the studies on record, each with its question and its answer."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rfcx_lab.console import say
from rfcx_lab.errors import LabError
from rfcx_lab.verdict.statements import split_answer

FOLDER = Path(__file__).resolve().parents[1] / "experiments"
VERDICTS = ("verdict.json", "mended.json", "length.json", "frontier.json")
"""What holds a study's answer, by the kind of study."""


@dataclass(frozen=True)
class Record:
    """A study on record: the folder's name, the question in its README, and the answer in its verdict.

    A study of several ladders has a folder for each in its own, and an answer by the name of each.
    """

    name: str
    question: str
    answers: Mapping[str, str]  # by the ladder's folder; "" where the study is one


def read_records(folder: Path) -> list[Record]:
    """The studies under `folder`, by name.

    Raises:
        LabError: `folder` is none, a study has no README with a question, or its verdict can't be read.
    """
    if not folder.is_dir():
        raise LabError(f"{folder} is not a folder; name the one that holds the studies' folders.")
    found = {each: _find_verdicts(each) for each in sorted(folder.iterdir()) if each.is_dir()}
    return [_read(each, verdicts) for each, verdicts in found.items() if verdicts]


def _find_verdicts(folder: Path) -> list[Path]:
    """The study's own verdict; where it has none, those of the folders in it."""
    own = [folder / name for name in VERDICTS if (folder / name).is_file()]
    return own[:1] or [path for each in sorted(folder.iterdir()) if each.is_dir() for path in _find_verdicts(each)]


def _read(folder: Path, verdicts: Sequence[Path]) -> Record:
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except OSError as error:
        raise LabError(
            f"{folder / 'README.md'} can't be read ({error.strerror}); a study on record has one."
        ) from error
    question = re.search(r"\*\*Question\.\*\* (.+?)\n\n", text, re.DOTALL)
    if question is None:
        raise LabError(f"{folder / 'README.md'} has no paragraph that begins with **Question.**; write it.")
    answers = {"/".join(verdict.parent.relative_to(folder).parts): _read_answer(verdict) for verdict in verdicts}
    return Record(folder.name, " ".join(question[1].split()), answers)


def _read_answer(verdict: Path) -> str:
    try:
        return str(json.loads(verdict.read_text(encoding="utf-8"))["answer"])
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{verdict} is not a verdict with an answer; take that file from the study's folder again."
        ) from error


def main(arguments: Sequence[str]) -> None:
    """Print every study with the first sentence of its answer, which stands alone."""
    records = read_records(Path(arguments[0]) if arguments else FOLDER)
    for record in records:
        say(record.name, style="bold")
        say(f"  {record.question}", style="dim")
        for name, answer in record.answers.items():
            first = split_answer(answer)[0]
            say(f"  {name}: {first}" if name else f"  {first}")
        say("")
    say(f"{len(records)} studies on record; each folder has the whole answer, the command, the curves and the figure.")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except LabError as error:
        sys.exit(str(error))
