from __future__ import annotations

import csv
import gzip
import math
import subprocess
import sys
from dataclasses import replace

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import Curves, RungInfo, judge_ladder
from rfcx_lab.verdict.__main__ import main
from rfcx_lab.verdict.record import LadderRecord, read_record, write_record
from tests.verdict.synthetic import Truth, fits

ORDER = [RungInfo("low", "capacity", 10), RungInfo("+ high", "capacity", 20), RungInfo("mended", "remedy", 20)]


@pytest.fixture
def record() -> LadderRecord:
    curves = {info.name: fits(Truth(), repeats=4, rung=i) for i, info in enumerate(ORDER)}
    curves["low"][3] = Curves((1.0, float("nan")), (1.0, float("nan")), (0.1, 0.1), (0.1, 0.0), 3, "diverged")
    unmeasured = curves["low"][0]
    curves["low"][0] = Curves(unmeasured.train_loss, unmeasured.val_loss, None, None, 0)
    curves["mended"][0] = Curves((), (), (), (), 0, "out of memory")
    curves["+ high"][1] = replace(curves["+ high"][1], chance_loss=1 / 3 + math.pi, settled=True, budget=99)
    return LadderRecord(curves, ORDER, 0.25)


def test_comes_back_as_it_was_and_gives_the_same_verdict(record, tmp_path):
    path = tmp_path / "curves.csv.gz"
    write_record(path, record)
    again = read_record(path)
    assert str(again.curves) == str({name: list(fits) for name, fits in record.curves.items()})  # str: NaN != NaN
    assert (list(again.order), again.validation_fraction) == (ORDER, 0.25)
    verdicts = [
        judge_ladder(r.curves, order=r.order, validation_fraction=r.validation_fraction) for r in (record, again)
    ]
    assert verdicts[0].to_dict() == verdicts[1].to_dict()


def test_what_ended_early_is_judged_as_it_was_over_its_budget(tmp_path):
    """All fits of both rungs end at epoch 30 of 50: what is left of them is projected, not taken for whole."""
    budget, ended = 50, 30
    whole = {info.name: fits(Truth(rise=0.4, onset=10), repeats=6, rung=i) for i, info in enumerate(ORDER[:2])}
    short = {
        name: [
            Curves(c.train_loss[:ended], c.val_loss[:ended], None, None, c.repeat, None, True, 3.178, budget)
            for c in some
        ]
        for name, some in whole.items()
    }
    path = tmp_path / "curves.csv.gz"
    write_record(path, LadderRecord(short, ORDER[:2], 0.25))
    again = read_record(path)
    assert dict(again.curves) == short
    found, made = (judge_ladder(each, order=ORDER[:2], validation_fraction=0.25) for each in (again.curves, short))
    assert found == made
    assert (found.epochs, [rung.left_out for rung in found.rungs]) == (budget, [0, 0])
    ends = judge_ladder(
        {name: [replace(c, budget=None) for c in some] for name, some in short.items()},
        order=ORDER[:2], validation_fraction=0.25,
    )  # fmt: skip
    assert ends.epochs == ended
    assert found.rungs[0].rise[0] > 1.2 * ends.rungs[0].rise[0]


def test_a_table_from_before_is_read_as_whole_fits_of_a_ladder(record, tmp_path):
    path, older = tmp_path / "curves.csv.gz", tmp_path / "older.csv.gz"
    write_record(path, record)
    with gzip.open(path, "rt", newline="") as file:
        rows = [row[:11] for row in csv.reader(file)]
    assert rows[0][-1] == "failure"
    with gzip.open(older, "wt", newline="") as file:
        csv.writer(file).writerows(rows)
    now, then = read_record(path), read_record(older)
    assert then.study == "ladder"
    assert str(then.curves["+ high"][1]) == str(
        replace(now.curves["+ high"][1], chance_loss=None, settled=False, budget=None)
    )
    assert str(then.curves["low"]) == str(now.curves["low"])


@pytest.mark.parametrize(
    ("study", "sentence"),
    [
        ("sweep", "holds the curves of a sweep, which is no ladder: its verdict is frontier.json beside it."),
        ("mended", "holds the curves of a mended pipeline, which is no ladder: its verdict is mended.json beside it."),
    ],
)
def test_the_record_of_another_study_says_what_it_is(record, study, sentence, tmp_path, capsys):
    path = tmp_path / "curves.csv.gz"
    write_record(path, replace(record, study=study))
    assert read_record(path).study == study
    assert main([str(path)]) == 1
    assert capsys.readouterr() == ("", f"{path} {sentence}\n")


def test_same_curves_same_bytes(record, tmp_path):
    for name in ("one", "two"):
        write_record(tmp_path / name, record)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("content", [b"", b"rung,epoch\n", b"\x1f\x8b junk"])
def test_another_file_is_refused_by_name(content, tmp_path):
    path = tmp_path / "curves.csv.gz"
    path.write_bytes(content)
    with pytest.raises(LabError, match=r"curves.csv.gz is not a table of a ladder's curves"):
        read_record(path)


def test_command_judges_anew(record, tmp_path):
    path = tmp_path / "curves.csv.gz"
    write_record(path, record)
    run = subprocess.run(
        [sys.executable, "-m", "rfcx_lab.verdict", str(path)], capture_output=True, text=True, check=True
    )
    expected = judge_ladder(record.curves, order=ORDER, validation_fraction=0.25)
    assert run.stdout.strip().splitlines()[-1] == expected.answer
