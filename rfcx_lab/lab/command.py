"""From a config to a finished study, and what is said at its end."""

from __future__ import annotations

from pathlib import Path

from rfcx_lab import console
from rfcx_lab.config import Config
from rfcx_lab.data.clips import RejectionError
from rfcx_lab.errors import LabError
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.report.table import HEADER, ladder_rows


def run(config: Config, output: Path) -> None:
    """Run the study, leaving its files in `output`. Raises LabError on bad input."""
    try:
        climb = climb_ladder(config, output)
    except RejectionError as error:
        error.rejected.to_csv(output / "rejected.csv", index=False)
        raise LabError(f"{str(error).removesuffix('.')}; all are listed in {output / 'rejected.csv'}.") from error
    console.table(HEADER, ladder_rows(climb.document))
    console.say(climb.verdict.answer, style="bold")
    console.say("")
    for path in climb.files:
        console.say(str(path))
    console.say(f"Compare runs: make ui, or mlflow ui --backend-store-uri {config.tracking.uri}")
