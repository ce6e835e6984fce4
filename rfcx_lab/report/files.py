"""The files of a finished study, or of an audit alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from rfcx_lab.files import write_whole
from rfcx_lab.report.evaluation_figure import draw_confusion, draw_evaluation
from rfcx_lab.report.figure import draw_ladder
from rfcx_lab.report.frontier import draw_frontier
from rfcx_lab.report.length_figure import draw_length
from rfcx_lab.report.steps_figure import draw_steps
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.record import LadderRecord, write_record


def write_report(output: Path, document: dict[str, Any], record: LadderRecord, rejected: pd.DataFrame) -> list[Path]:
    """Write `verdict.json`, the figure, `curves.csv.gz` and `rejected.csv` into `output`; returns their paths."""
    output.mkdir(parents=True, exist_ok=True)
    paths = [output / name for name in ("verdict.json", "ladder.png", "ladder.svg", "curves.csv.gz", "rejected.csv")]
    _write_document(paths[0], document)
    draw_ladder(record.curves, document, paths=paths[1:3])
    write_record(paths[3], record)
    rejected.to_csv(paths[4], index=False)
    return paths


def write_frontier(output: Path, document: dict[str, Any], record: LadderRecord, rejected: pd.DataFrame) -> list[Path]:
    """Write `frontier.json`, the figure, `curves.csv.gz` and `rejected.csv` into `output`; returns their paths.

    The rungs of `record` are the architectures that were tried.
    """
    output.mkdir(parents=True, exist_ok=True)
    names = ("frontier.json", "frontier.png", "frontier.svg", "curves.csv.gz", "rejected.csv")
    paths = [output / name for name in names]
    _write_document(paths[0], document)
    draw_frontier(document, paths=paths[1:3])
    write_record(paths[3], record)
    rejected.to_csv(paths[4], index=False)
    return paths


def write_evaluation(output: Path, document: dict[str, Any], curves: Curves) -> list[Path]:
    """Write `evaluation.json`, and as `.png` and `.svg` the two panels and the confusion matrix; returns the paths."""
    output.mkdir(parents=True, exist_ok=True)
    names = ("evaluation.json", "evaluation.png", "evaluation.svg", "confusion.png", "confusion.svg")
    paths = [output / name for name in names]
    _write_document(paths[0], document)
    draw_evaluation(curves, document, paths=paths[1:3])
    draw_confusion(document, paths=paths[3:])
    return paths


def write_steps(output: Path, document: dict[str, Any], record: LadderRecord) -> list[Path]:
    """Write `mended.json`, `mended.png`, `mended.svg` and `curves.csv.gz` into `output`; returns their paths."""
    output.mkdir(parents=True, exist_ok=True)
    paths = [output / name for name in ("mended.json", "mended.png", "mended.svg", "curves.csv.gz")]
    _write_document(paths[0], document)
    draw_steps(record.curves, document, paths=paths[1:3])
    write_record(paths[3], record)
    return paths


def write_length(output: Path, document: dict[str, Any], record: LadderRecord) -> list[Path]:
    """Write `length.json`, `length.png`, `length.svg` and `curves.csv.gz` into `output`; returns their paths."""
    output.mkdir(parents=True, exist_ok=True)
    paths = [output / name for name in ("length.json", "length.png", "length.svg", "curves.csv.gz")]
    _write_document(paths[0], document)
    draw_length(record.curves, document, paths=paths[1:3])
    write_record(paths[3], record)
    return paths


def write_audit(output: Path, document: dict[str, Any], rejected: pd.DataFrame) -> list[Path]:
    """Write `audit.json` and `rejected.csv` into `output`; returns their paths."""
    output.mkdir(parents=True, exist_ok=True)
    paths = [output / name for name in ("audit.json", "rejected.csv")]
    _write_document(paths[0], document)
    rejected.to_csv(paths[1], index=False)
    return paths


def _write_document(path: Path, document: dict[str, Any]) -> None:
    write_whole(path, json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
