"""Studies of several ladders for pages to be opened on: one that is on record, one judged from made-up shares.

Both have names that are markup.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from rfcx_lab.lab.contract import check_document
from rfcx_lab.records import FOLDER
from rfcx_lab.report.commands import Next
from rfcx_lab.report.length_page import length_page
from rfcx_lab.report.steps_page import Ladder, steps_page
from rfcx_lab.report.study_page import Circumstances
from rfcx_lab.verdict import Curves
from rfcx_lab.verdict.length import TEST, judge_pipelines, on_noise, tell_length
from rfcx_lab.verdict.record import read_record
from tests.report.studies import MISCHIEF
from tests.verdict.test_length import HEARS, READS

MENDED = FOLDER / "mended-esc50"
COMMAND = ("+experiment=mended", "data=rfcx", f"data.root={MISCHIEF}")
CIRCUMSTANCES = Circumstances(MISCHIEF, f"name: {MISCHIEF}\n", COMMAND, 22050)
FOLLOWING = Next("Settle it", f"python -m rfcx_lab '{MISCHIEF}'")
NAMES = (f"reader {MISCHIEF}", "listener")


def mended() -> tuple[dict, dict[str, list[Curves]], Ladder]:
    """The study on record, its second step renamed to what means mischief, and the ladder on its last one."""
    document = json.loads((MENDED / "mended.json").read_text())
    curves = dict(read_record(MENDED / "curves.csv.gz").curves)
    step = document["steps"][1]
    curves[MISCHIEF] = curves.pop(step["name"])
    step["name"] = MISCHIEF
    ladder = json.loads((MENDED / "ladder" / "verdict.json").read_text())
    return (
        document,
        curves,
        Ladder(ladder, read_record(MENDED / "ladder" / "curves.csv.gz").curves, "ladder/report.html"),
    )


def write_mended(folder: Path) -> Path:
    document, curves, ladder = mended()
    path = folder / "mended.html"
    page = steps_page(document, curves, ladder=ladder, circumstances=CIRCUMSTANCES, following=FOLLOWING)
    path.write_text(page)
    return path


def measured() -> tuple[dict, dict[str, list[Curves]]]:
    """A pipeline that reads the length and one that listens."""
    records = [replace(record, name=name) for record, name in zip((READS, HEARS), NAMES, strict=True)]
    verdicts = judge_pipelines(records)
    data = {
        "root": "folder", "fingerprint": "ab12", "rows": 960, "recordings": 80, "classes": 24, "rejected": 0,
        "species": [], "rejected_rows": [],
    }  # fmt: skip
    audit = {"status": "red", "frames_status": "red", "frames_accuracy": [0.9, 0.88, 0.92]}
    counted = ("rows", "within_rows", "validation_fraction", "noise_rows", "noise_fraction", "shares", "noise")
    document = {
        "schema": "rfcx_lab/length/1",
        "answer": tell_length(verdicts, chance=1 / 24, table="the same boxes"),
        "rung": "article's stack",
        "chance": 1 / 24,
        "pipelines": [
            {
                **asdict(verdict),
                "change": {},
                "measured": {
                    **{key: getattr(record, key) for key in counted},
                    "draws": {name: asdict(draw) for name, draw in record.draws.items()},
                },
                "audit": audit,
                "noise_audit": audit,
            }
            for verdict, record in zip(verdicts, records, strict=True)
        ],
        "test": TEST,
        "judge": {"confidence": 0.95, "alpha": 0.05},
        "data": data,
        "noise_data": {**data, "rows": 1216, "classes": 12},
        "versions": {"rfcx_lab": version("rfcx_lab")},
    }
    document = json.loads(json.dumps(document))
    check_document(document)
    curves = {}
    for record in records:
        curves[on_noise(record.name)] = list(record.curves)
        curves[record.name] = [first_epochs(fit, record.epochs) for fit in record.curves]
    return document, curves


def first_epochs(fit: Curves, epochs: int) -> Curves:
    series = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
    return replace(fit, **{name: getattr(fit, name)[:epochs] for name in series})


def write_measured(folder: Path) -> Path:
    path = folder / "length.html"
    path.write_text(length_page(*measured(), circumstances=CIRCUMSTANCES, following=FOLLOWING))
    return path
