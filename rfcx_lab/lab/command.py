"""From a config to a finished study or audit, and what is said at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rfcx_lab import console
from rfcx_lab.config import Config, RfcxData
from rfcx_lab.data.audit import Audit
from rfcx_lab.data.clips import Clips, RejectionError
from rfcx_lab.data.splits import Split
from rfcx_lab.engine.engine import open_engine
from rfcx_lab.errors import LabError, hide_password
from rfcx_lab.features.cache import WindowStore
from rfcx_lab.lab.answer import describe_data
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.pages import write_data_page
from rfcx_lab.lab.study import prepare_study, read_tables
from rfcx_lab.report.commands import NEXT, Next
from rfcx_lab.report.files import write_audit
from rfcx_lab.report.table import (
    HEADER,
    LEAST,
    LENGTH_HEADER,
    STEPS_HEADER,
    STEPS_LEAST,
    ladder_rows,
    length_rows,
    steps_rows,
)
from rfcx_lab.verdict.statements import split_answer


def run(config: Config, output: Path, *, command: Sequence[str] = ()) -> None:
    """Run the study, or its audit alone, leaving its files in `output`. Raises LabError on bad input.

    `command` is the overrides that `config` was made from.
    """
    try:
        if config.audit.only or config.look.only:
            _audit(config, output, command)
        elif config.kind == "sweep":
            _sweep(config, output, command)
        elif config.kind == "steps":
            _mend(config, output, command)
        elif config.kind == "length":
            _measure_length(config, output, command)
        else:
            _climb(config, output, command)
    except RejectionError as error:
        output.mkdir(parents=True, exist_ok=True)
        error.rejected.to_csv(output / "rejected.csv", index=False)
        raise LabError(f"{str(error).removesuffix('.')}; all are listed in {output / 'rejected.csv'}.") from error


def _climb(config: Config, output: Path, command: Sequence[str]) -> None:
    climb = climb_ladder(config, output, command=command)
    console.table(HEADER, ladder_rows(climb.document), least=LEAST)
    _say_end(climb.document["answer"], climb.following, files=climb.files, config=config)


def _sweep(config: Config, output: Path, command: Sequence[str]) -> None:
    from rfcx_lab.lab.sweep import run_sweep  # a ladder needs no Optuna
    from rfcx_lab.search.artifacts import artifact_folder
    from rfcx_lab.search.database import address, is_server

    swept = run_sweep(config, output, command=command)
    _say_end(swept.document["answer"], swept.following, files=swept.files, config=config)
    storage, named = config.sweep.storage, ""
    folder = artifact_folder(storage, Path(config.runs_dir))
    if is_server(storage):
        storage, named = hide_password(address(storage)), f' STORAGE="{hide_password(storage)}"'
    opened = f"optuna-dashboard {storage} --artifact-dir {folder}"
    console.say(f"Compare trials: make dashboard{named}, or {opened}", whole=True)


def _mend(config: Config, output: Path, command: Sequence[str]) -> None:
    from rfcx_lab.lab.steps import mend_pipeline

    mended = mend_pipeline(config, output, command=command)
    console.table(STEPS_HEADER, steps_rows(mended.document), least=STEPS_LEAST)
    _say_end(mended.document["answer"], mended.following, files=mended.files, config=config)


def _measure_length(config: Config, output: Path, command: Sequence[str]) -> None:
    from rfcx_lab.lab.length import measure_length

    measured = measure_length(config, output, command=command)
    console.table(LENGTH_HEADER, length_rows(measured.document))
    _say_end(measured.document["answer"], measured.following, files=measured.files, config=config)


def _say_end(answer: str, following: Next | None, *, files: Sequence[Path], config: Config) -> None:
    """The answer, statement by statement, what to run next, and where everything lies."""
    first, *others = split_answer(answer)
    console.say(first, style="bold")
    for statement in others:
        console.say_item(statement)
    if following is not None:
        console.say("")
        console.say(f"{NEXT} {following.purpose}:", style="bold", whole=True)
        console.say(following.command, whole=True)
    console.say("")
    for path in files:
        console.say(str(path), whole=True)
    _say_where_runs_are(config)


def _say_where_runs_are(config: Config) -> None:
    opened = f"mlflow ui --backend-store-uri {hide_password(config.tracking.uri)}"
    console.say(f"Compare runs: make ui, or {opened}", whole=True)


def _audit(config: Config, output: Path, command: Sequence[str]) -> None:
    """Audit what a study of `config` would learn from, and leave what it found; on request, a page about it too."""
    clips, splits, audit, windows = _survey(config)
    written = write_audit(output, {**audit.to_dict(), "data": describe_data(clips)}, clips.rejected)
    if config.look.only:
        written.append(write_data_page(output, clips, splits, config, audit=audit, windows=windows, command=command))
    for path in written:
        console.say(str(path), whole=True)


def _survey(config: Config) -> tuple[Clips, Sequence[Split], Audit, WindowStore | None]:
    """What a study would learn from; where there are no recordings, its tables alone, without windows."""
    folder = Path(config.data.root) / "train" if isinstance(config.data, RfcxData) else None
    if folder is None or folder.is_dir():
        with open_engine(config.engine) as engine:
            study = prepare_study(config, mapper=engine.map)
        return study.clips, study.splits, study.audit, study.windows
    console.say(f"There is no folder {folder}: the audit takes the tables alone.", style="yellow")
    return *read_tables(config), None
