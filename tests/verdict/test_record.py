from __future__ import annotations

import subprocess
import sys

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import Curves, RungInfo, judge_ladder
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
