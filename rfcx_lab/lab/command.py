"""From a config to a finished study or audit, and what is said at its end."""

from __future__ import annotations

import json
from pathlib import Path

from rfcx_lab import console
from rfcx_lab.config import Config, RfcxData
from rfcx_lab.data.clips import RejectionError
from rfcx_lab.errors import LabError
from rfcx_lab.files import write_whole
from rfcx_lab.lab.engine import open_engine
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.study import audit_tables, prepare_study
from rfcx_lab.report.table import HEADER, ladder_rows


def run(config: Config, output: Path) -> None:
    """Run the study, or its audit alone, leaving its files in `output`. Raises LabError on bad input."""
    work = _audit if config.audit.only else _sweep if config.kind == "sweep" else _climb
    try:
        work(config, output)
    except RejectionError as error:
        output.mkdir(parents=True, exist_ok=True)
        error.rejected.to_csv(output / "rejected.csv", index=False)
        raise LabError(f"{str(error).removesuffix('.')}; all are listed in {output / 'rejected.csv'}.") from error


def _climb(config: Config, output: Path) -> None:
    climb = climb_ladder(config, output)
    console.table(HEADER, ladder_rows(climb.document))
    console.say(climb.verdict.answer, style="bold")
    console.say("")
    for path in climb.files:
        console.say(str(path))
    console.say(f"Compare runs: make ui, or mlflow ui --backend-store-uri {config.tracking.uri}")


def _sweep(config: Config, output: Path) -> None:
    from rfcx_lab.lab.sweep import run_sweep  # a ladder needs no Optuna
    from rfcx_lab.lab.trial_store import hide_password

    swept = run_sweep(config, output)
    console.say(swept.document["answer"], style="bold")
    console.say("")
    for path in swept.files:
        console.say(str(path))
    console.say(f"Compare runs: make ui, or mlflow ui --backend-store-uri {config.tracking.uri}")
    console.say(f"Compare trials: make dashboard, or optuna-dashboard {hide_password(config.sweep.storage)}")


def _audit(config: Config, output: Path) -> None:
    """Audit what a study of `config` would learn from; where there are no recordings, by the tables alone."""
    folder = Path(config.data.root) / "train" if isinstance(config.data, RfcxData) else None
    if folder is None or folder.is_dir():
        with open_engine(config.engine) as engine:
            audit = prepare_study(config, mapper=engine.map).audit
    else:
        console.say(f"There is no folder {folder}: the audit takes the tables alone.", style="yellow")
        audit = audit_tables(config)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "audit.json"
    write_whole(path, json.dumps(audit.to_dict(), indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    console.say(str(path))
