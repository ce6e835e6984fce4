"""`python -m rfcx_lab.verdict FILE…` judges anyone's learning curves; on a recorded ladder, the ladder."""

from __future__ import annotations

import argparse
import glob
import json
import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.config import OnsetConfig
from rfcx_lab.verdict.epochs import RESTARTS, LoggedFit, read_fit
from rfcx_lab.verdict.groups import GroupVerdict, JudgedLog, describe, judge_fit, judge_group
from rfcx_lab.verdict.ladder import judge_ladder
from rfcx_lab.verdict.logs import LogTable, read_log
from rfcx_lab.verdict.record import LADDER, read_record

_STORE = "sqlite:///runs/mlflow.db"
_RECORD = {"rung", "role", "repeat", "validation_fraction"}  # columns of a recorded ladder
_FILES, _RUNS = "files", "runs"
_OTHERS = {  # studies whose record is no ladder: what they are, and their verdicts
    "sweep": ("a sweep", "frontier.json"),
    "mended": ("a mended pipeline", "mended.json"),
    "length": ("pipelines with and without the box's length", "length.json"),
}

_DESCRIPTION = """\
Say whether a model overfits, and from which epoch on, from the training and the validation curve in its log.

FILE is a CSV or JSON log with named columns: of Keras (History.history, CSVLogger), of PyTorch Lightning
(metrics.csv), a labelled history, or any other; gzip is unpacked. Several FILEs are repeats of one model. A
curves.csv.gz of a ladder of this project is judged as a ladder."""

_EPILOG = """\
examples:
  python -m rfcx_lab.verdict training.csv
  python -m rfcx_lab.verdict lightning_logs/version_*/metrics.csv --plot curves.png
  python -m rfcx_lab.verdict log.csv --train acc --val val_acc --mode max
  python -m rfcx_lab.verdict training.csv --classes 24
  python -m rfcx_lab.verdict --group small=small/*.csv --group large=large/*.csv
  python -m rfcx_lab.verdict --mlflow my-experiment --by model --tracking-uri http://127.0.0.1:5000
  python -m rfcx_lab.verdict --mlflow 0c4b9ec5a8294a3c9d1ff1d7b4ab2a5d --json

exit status, so that a CI job can use it:
  0  no fit overfits: all have levelled off, or were still improving
  3  a fit overfits, in any group
  4  none does, but of one it can't be said: undetermined, or it has learnt nothing
  1  a log can't be read; 2 the command can't
  A recorded ladder answers in a sentence, not with yes or no: its status is 0."""


def main(arguments: Sequence[str]) -> int:
    """Judge what the command line names, print the verdicts, and give the exit status."""
    parser = _build_parser()
    options = parser.parse_args(arguments)
    config = _check_options(parser, options)
    try:
        tables = _read(options)
        if any(set(table.columns) >= _RECORD for group in tables.values() for table in group):
            return _judge_record(parser, options)
        named, notes = _gather(options, tables)
        groups = _judge(named, options, config)
        document = {**describe(groups), "notes": notes}
        if options.plot is not None:
            from rfcx_lab.report.fit_figure import draw_fits

            draw_fits(groups, path=options.plot)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print_tables(document)
    status: int = document["exit_status"]
    return status


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rfcx_lab.verdict", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE", help="logs of one model; a pattern in quotes is expanded")
    add("--group", nargs="+", action="append", default=[], metavar=("NAME=FILE", "FILE"),
        help="one model's logs among several, up to the next option: a row for each; patterns, too")  # fmt: skip
    add(
        "--mlflow", action="append", default=[], metavar="RUN|EXPERIMENT",
        help="a run's id (without curves of its own: the runs nested in it), or an experiment's name or id",
    )  # fmt: skip
    add("--tracking-uri", metavar="URI", help=f"MLflow's store; else MLFLOW_TRACKING_URI, else {_STORE}")
    add("--by", metavar="NAME", help="a parameter or tag of the MLflow runs: a group for each of its values")
    add("--train", metavar="COL", help="training column or metric, where a guess from the names won't do")
    add("--val", metavar="COL", help="validation column or metric, likewise")
    add("--mode", choices=("min", "max"), help="whether lower or higher is better; guessed from the column's name")
    add("--min-rise", type=float, metavar="SHARE",
        help=f"share of the plot's height from which a worsening counts ({OnsetConfig.min_rise})")  # fmt: skip
    chance = parser.add_mutually_exclusive_group()
    chance.add_argument("--chance", type=float, metavar="VALUE",
        help="what the best constant guess comes to on the validation rows, in the curve's unit, as 3.178: a fit that "
        "was never credibly better has learnt nothing (without it: than at its first epoch)")  # fmt: skip
    chance.add_argument("--classes", type=int, metavar="N",
        help="the same of a log loss over N equally frequent classes: ln N")  # fmt: skip
    add("--restart", choices=RESTARTS,
        help="epochs that start over in a log: count on, or let the later replace the earlier; "
        "else the training curve decides")  # fmt: skip
    add("--json", action="store_true", help="print JSON: answer, fits, groups, exit_status, notes")
    add("--plot", type=Path, metavar="FILE", help="draw the curves with their onsets (.png, .svg, .pdf)")
    return parser


def _check_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> OnsetConfig:
    """The thresholds; what can't be meant ends with status 2."""
    if not (options.files or options.group or options.mlflow):
        parser.error("name a FILE, a --group or an --mlflow run or experiment")
    if not options.mlflow and (options.by or options.tracking_uri):
        parser.error("--by and --tracking-uri go with --mlflow")
    for first, *_ in options.group:
        name, _, file = first.partition("=")
        if not name or not file:
            parser.error(f"--group {first}: write NAME=FILE")
    names = [first.partition("=")[0] for first, *_ in options.group]
    if len(set(names)) < len(names):
        parser.error("two --group have the same NAME")
    if options.chance is not None and not math.isfinite(options.chance):
        parser.error(f"--chance {options.chance}: must be a finite number")
    if options.classes is not None and options.classes < 2:
        parser.error(f"--classes {options.classes}: must be at least 2")
    try:
        return OnsetConfig() if options.min_rise is None else OnsetConfig(min_rise=options.min_rise)
    except LabError as error:
        parser.error(f"--min-rise: {error}")


def _expand(names: Iterable[str]) -> list[Path]:
    """Files as named; a pattern that the shell has left is expanded."""
    paths: list[Path] = []
    for name in names:
        if Path(name).exists() or not glob.has_magic(name):
            paths.append(Path(name))
            continue
        found = sorted(glob.glob(name))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        if not found:
            raise LabError(f"No file matches {name}.")
        paths += [Path(each) for each in found]
    return paths


def _read(options: argparse.Namespace) -> dict[str, list[LogTable]]:
    """The files that the command line names, by their group."""
    named = {_FILES: options.files} if options.files else {}
    for first, *rest in options.group:
        name, _, file = first.partition("=")
        named[name] = [*named.get(name, []), file, *rest]
    return {name: [read_log(path) for path in _expand(files)] for name, files in named.items()}


def _judge_record(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Judge the ladder in the one file named, and print it as JSON, its sentence last."""
    named = [key for key, value in vars(options).items() if value not in (None, [], False) and key != "json"]
    if named != ["files"] or len(options.files) > 1:
        parser.error("a recorded ladder stands alone: it takes no other FILE and no option but --json")
    record = read_record(Path(options.files[0]))
    if record.study != LADDER:
        kind, beside = _OTHERS.get(record.study, (record.study, "the JSON file"))
        raise LabError(
            f"{options.files[0]} holds the curves of {kind}, which is no ladder: its verdict is {beside} beside it."
        )
    verdict = judge_ladder(record.curves, order=record.order, validation_fraction=record.validation_fraction)
    print(json.dumps(verdict.to_dict(), indent=2, ensure_ascii=False))
    if not options.json:
        print(verdict.answer)
    return 0


def _gather(
    options: argparse.Namespace, tables: dict[str, list[LogTable]]
) -> tuple[dict[str, list[LoggedFit]], list[str]]:
    """Every fit of the files and of the MLflow runs named, by its group, and what is to be said of them together."""
    named = dict(tables)
    notes: list[str] = []
    for reference in options.mlflow:
        notes += _gather_runs(options, reference, named)
    sources = Counter(table.source for group in named.values() for table in group)
    for source, times in sources.items():
        if times > 1:
            raise LabError(f"{source} is named {times} times: every fit counts once.")
    columns = {"train": options.train, "val": options.val, "restart": options.restart}
    return {name: [read_fit(table, **columns) for table in group] for name, group in named.items()}, notes


def _gather_runs(options: argparse.Namespace, reference: str, named: dict[str, list[LogTable]]) -> Sequence[str]:
    """Add the MLflow runs that `reference` names to their groups."""
    from rfcx_lab.tracking.runs import read_runs

    uri = options.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or _STORE
    found = read_runs(reference, uri=uri, train=options.train, val=options.val)
    for run in found.runs:
        group = found.name if len(found.runs) > 1 else _RUNS
        if options.by is not None:
            if options.by not in run.labels:
                raise LabError(f"MLflow: run {run.table.source} has no parameter or tag {options.by} to group it by.")
            group = run.labels[options.by]
        named.setdefault(group, []).append(run.table)
    return found.notes


def _judge(
    named: dict[str, list[LoggedFit]], options: argparse.Namespace, config: OnsetConfig
) -> list[tuple[GroupVerdict, list[JudgedLog]]]:
    asked = {"mode": options.mode, "chance": options.chance, "classes": options.classes}
    judged = {name: [judge_fit(fit, config, **asked) for fit in fits] for name, fits in named.items()}
    return [(judge_group(name, logs), logs) for name, logs in judged.items()]


def _print_tables(document: dict[str, Any]) -> None:
    from rfcx_lab.console import say, table
    from rfcx_lab.report.table import FIT_HEADER, FIT_LEAST, GROUP_HEADER, GROUP_LEAST, fit_rows, group_rows

    fits = document["fits"]
    table(FIT_HEADER, fit_rows(document), least=FIT_LEAST)
    if len(fits) > 1:
        table(GROUP_HEADER, group_rows(document), least=GROUP_LEAST)
    for fit in fits:
        better = "lower" if fit["mode"] == "min" else "higher"
        say(f"{fit['source']}: {fit['reason']} ({fit['val']} against {fit['train']}, {better} is better)")
        for note in fit["notes"]:
            say(f"  {note}")
    for line in (*document["notes"], document["answer"]):
        say(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
