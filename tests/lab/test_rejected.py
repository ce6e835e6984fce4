"""Rows that are rejected, from the file to the verdict."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.lab import command
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.ladder import climb_ladder
from tests.conftest import compose_config
from tests.fakes import fake_fit

SIZE = (
    *("data=rfcx", "window.seconds=1", "features.sample_rate=8000", "features.n_fft=512", "features.hop_length=512"),
    *("ladder.repeats=3", "training.epochs=10", "split.test_fraction=0.25"),
)


@pytest.fixture
def damaged(rfcx_folder):
    """96 rows: one with a bad time, one beyond all sound, two behind a cut, one that stands there twice."""
    root = rfcx_folder(recordings=24)
    lines = (root / "train_tp.csv").read_text().splitlines()
    lines[5] = lines[5].replace("0.2,", "soon,")
    lines[9] = ",".join([*lines[9].split(",")[:5], "7.5", "3000.0"])
    lines.append(lines[20])
    (root / "train_tp.csv").write_text("\n".join(lines) + "\n")
    path = root / "train" / "rec3.flac"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return root


def config_for(tmp_path, root, *overrides):
    places = (f"data.root={root}", f"runs_dir={tmp_path / 'runs'}", "engine=inline")
    return compose_config("+experiment=smoke", *SIZE, *places, *overrides)


EXPECTED = [(6, "t_min"), (10, "t_max"), (16, "recording_id"), (17, "recording_id"), (98, "line")]


def test_rejected_rows_stand_in_the_verdict_and_in_a_file(damaged, tmp_path):
    config = config_for(tmp_path, damaged)
    for output in (tmp_path / "first", tmp_path / "again"):
        data = climb_ladder(config, output, fit=fake_fit).document["data"]
        assert (data["rows"], data["rejected"]) == (92, 5)
        assert [(row["line"], row["field"]) for row in data["rejected_rows"]] == EXPECTED
        assert data["rejected_by_field"] == {"recording_id": 2, "t_min": 1, "t_max": 1, "line": 1}
        written = pd.read_csv(output / "rejected.csv").to_dict("records")
        assert written == data["rejected_rows"]


@pytest.mark.parametrize("sound", [True, False])
def test_rejected_rows_of_an_audit_stand_in_its_files(damaged, tmp_path, sound):
    if not sound:
        shutil.rmtree(damaged / "train")
    command.run(config_for(tmp_path, damaged, "audit.only=true"), tmp_path / "out")
    data = json.loads((tmp_path / "out" / "audit.json").read_text())["data"]
    found = [(row["line"], row["field"]) for row in data["rejected_rows"]]
    assert found == (EXPECTED if sound else [(6, "t_min"), (98, "line")])
    assert (data["rows"], data["rejected"]) == (97 - len(found), len(found))
    assert pd.read_csv(tmp_path / "out" / "rejected.csv").to_dict("records") == data["rejected_rows"]


def test_the_schema_holds_rejected_rows_to_their_form(damaged, tmp_path):
    document = climb_ladder(config_for(tmp_path, damaged), tmp_path / "out", fit=fake_fit).document
    check_document(document)
    del document["data"]["rejected_rows"][0]["reason"]
    with pytest.raises(Exception, match="'reason' is a required property"):
        check_document(document)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.max_rejected=0.03", "3 of 97 rows are unusable, more than data.max_rejected=0.03"),
        ("data.max_rejected=0.04", "5 of 97 rows are unusable, more than data.max_rejected=0.04"),
        ("data.on_bad_row=stop", r"line 6 \(t_min is not a number\)"),
    ],
)
def test_too_many_are_fatal_and_still_listed_whole(damaged, tmp_path, override, message):
    output = tmp_path / "out"
    output.mkdir()
    with pytest.raises(LabError, match=message) as caught:
        command.run(config_for(tmp_path, damaged, override), output)
    assert f"all are listed in {output / 'rejected.csv'}." in str(caught.value)
    assert len(pd.read_csv(output / "rejected.csv")) == (5 if "0.04" in override else 3)
    assert not (tmp_path / "runs" / "fits").exists()
