"""`python -m rfcx_lab.verdict curves.csv.gz`: judge a recorded ladder anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.ladder import judge_ladder
from rfcx_lab.verdict.record import read_record


def main(arguments: list[str]) -> None:
    """Print the verdict on the ladder in the one file named, as JSON, and its sentence last."""
    if len(arguments) != 1:
        sys.exit("usage: python -m rfcx_lab.verdict curves.csv.gz")
    try:
        record = read_record(Path(arguments[0]))
        verdict = judge_ladder(record.curves, order=record.order, validation_fraction=record.validation_fraction)
    except LabError as error:
        sys.exit(str(error))
    print(json.dumps(verdict.to_dict(), indent=2, ensure_ascii=False))
    print(verdict.answer)


if __name__ == "__main__":
    main(sys.argv[1:])
