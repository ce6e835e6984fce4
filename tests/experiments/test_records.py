"""Every verdict on record follows from the curves beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rfcx_lab.lab.answer import check_answer
from rfcx_lab.verdict import JudgeConfig, OnsetConfig, judge_ladder
from rfcx_lab.verdict.record import read_record
from tests.conftest import ROOT

RECORDS = sorted(path.parent for path in (ROOT / "experiments").glob("*/verdict.json"))


def test_there_are_records():
    assert {"ladder-esc50", "ladder-soundscape"} <= {folder.name for folder in RECORDS}


@pytest.mark.parametrize("folder", RECORDS, ids=lambda folder: folder.name)
def test_verdict_follows_from_the_curves(folder: Path):
    document = json.loads((folder / "verdict.json").read_text())
    check_answer(document)
    record = read_record(folder / "curves.csv.gz")
    judge = document["judge"]
    found = judge_ladder(
        record.curves,
        order=record.order,
        validation_fraction=record.validation_fraction,
        config=JudgeConfig(**{**judge, "onset": OnsetConfig(**judge["onset"])}),
    ).to_dict()
    assert found == {key: document[key] for key in found}
    assert document["answer"] in (folder / "README.md").read_text().replace("\n> ", " ")
