"""The audit in a study: what it finds in real files, and where it is told."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from mlflow import MlflowClient

from rfcx_lab.config import Config
from rfcx_lab.console import console
from rfcx_lab.errors import LabError
from rfcx_lab.lab.audit import say_audit
from rfcx_lab.lab.checks import check_config
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.study import prepare_study, read_tables
from rfcx_lab.report.audit_words import name_signal
from rfcx_lab.tracking.tracker import Tracker
from tests import fakes
from tests.conftest import compose_config
from tests.data.tables import signal

SIZE = ("training.epochs=5", "ladder.repeats=2", "split.test_fraction=0.3")


def on_folder(root: Path, runs: Path, *overrides: str) -> Config:
    return compose_config(
        "+experiment=smoke",
        "data=rfcx",
        f"data.root={root}",
        f"runs_dir={runs}",
        "engine=inline",
        "features.sample_rate=8000",
        "features.n_fft=512",
        "features.hop_length=256",
        "features.n_mels=20",
        "features.n_mfcc=10",
        "window.seconds=1",
        *overrides,
    )


def find(config: Config, name: str):
    return signal(prepare_study(config).audit, name)


def parted(config: Config) -> tuple[int, int]:
    """Rows, in that order, that the first repeat puts into validation and training."""
    part = prepare_study(config).splits[0]
    return int(part.validation[0]), int(part.train[-1])


@pytest.fixture
def config(toy_config) -> Config:
    return toy_config(*SIZE)


def test_copied_sound_is_found_in_the_features(rfcx_folder, tmp_path):
    root = rfcx_folder(recordings=12)
    before = on_folder(root, tmp_path / "before")
    assert find(before, "duplicate_windows").status == "green"
    row, other = parted(before)
    table = pd.read_csv(root / "train_tp.csv")
    here, there = (root / "train" / f"{table['recording_id'][r]}.flac" for r in (row, other))
    (mine, rate), (theirs, _) = sf.read(here, dtype="int16"), sf.read(there, dtype="int16")
    start, from_ = (round(table["t_min"][r] * rate) for r in (row, other))
    mine[start - 10 : start + rate + 10] = theirs[from_ - 10 : from_ + rate + 10]
    sf.write(here, mine, rate, subtype="PCM_16")
    found = find(on_folder(root, tmp_path / "after"), "duplicate_windows")
    assert found.status == "red"
    lines = {(pair.line, pair.other_line) for pair in found.pairs}
    assert lines <= {(row + 2, other + 2), (other + 2, row + 2)}
    assert (found.pairs[0].repeat, f"line {row + 2} in validation" in found.sentence) == (0, True)


def test_recording_under_two_names_is_found(rfcx_folder, tmp_path):
    """With other boxes: no two windows are the same, the recordings are."""
    root = rfcx_folder(recordings=12)
    row, other = parted(on_folder(root, tmp_path / "before"))
    table = pd.read_csv(root / "train_tp.csv")
    here, there = (f"{table['recording_id'][r]}" for r in (row, other))
    shutil.copy(root / "train" / f"{there}.flac", root / "train" / f"{here}.flac")
    table.loc[table["recording_id"] == here, ["t_min", "t_max"]] += 0.05
    table.to_csv(root / "train_tp.csv", index=False)
    after = on_folder(root, tmp_path / "after")
    assert find(after, "duplicate_windows").status == "green"
    found = find(after, "recording")
    assert found.visible
    assert found.rows >= 4
    assert {table["recording_id"][pair.line - 2] for pair in found.pairs} <= {here, there}
    assert "one sound stands under two names" in found.sentence


def test_crop_and_fixed_window_see_what_they_do(rfcx_folder, tmp_path):
    """Boxes of 0.5 and of 1 s, one length per species, in real files."""
    root = rfcx_folder(recordings=30)
    table = pd.read_csv(root / "train_tp.csv")
    table["t_max"] = table["t_min"] + np.where(table["species_id"] == 0, 0.5, 1.0)
    table.to_csv(root / "train_tp.csv", index=False)
    crop = prepare_study(on_folder(root, tmp_path / "runs", "window=crop", "window.frames=60")).audit
    assert (crop.status, signal(crop, "visible_frames").accuracy[0]) == ("red", 1.0)
    fixed = prepare_study(on_folder(root, tmp_path / "runs")).audit
    assert (fixed.status, signal(fixed, "box_seconds").status) == ("amber", "amber")
    assert signal(fixed, "visible_frames").sentence.startswith("Every clip shows the model 32 frames")


def test_study_tells_its_audit_in_verdict_and_mlflow(config, tmp_path):
    document = climb_ladder(config, tmp_path / "out", fit=fakes.fake_fit).document
    audit = document["audit"]
    assert json.loads((tmp_path / "out" / "verdict.json").read_text())["audit"] == audit
    names = ["box_seconds", "visible_frames", "recording", "duplicate_windows"]
    assert [one["name"] for one in audit["signals"]] == names
    [run] = studies(config)
    assert run.data.tags["audit"] == audit["status"]
    for one in audit["signals"]:
        assert run.data.tags[f"audit.{one['name']}"] == f"{one['status']}: {one['sentence']}"
        shown = run.data.metrics.get(f"audit/{one['name']}")
        assert shown == (one["accuracy"] and one["accuracy"][0])
        assert run.data.metrics[f"audit/{one['name']}_rows"] == one["rows"]
    assert run.data.params["audit.margin"] == "0.05"
    climb_ladder(config, tmp_path / "again", fit=fakes.fake_fit)
    client = MlflowClient(tracking_uri=config.tracking.uri)
    assert len(client.get_metric_history(run.info.run_id, "audit/box_seconds")) == 1


def test_audit_stands_in_mlflow_before_anything_is_trained(config, tmp_path):
    seen = []

    def look(rung, **options):
        [run] = studies(config)
        seen.append((run.info.status, "audit" in run.data.tags, run.data.metrics.get("audit/box_seconds")))
        return fakes.fake_fit(rung, **options)

    document = climb_ladder(config, tmp_path / "out", fit=look).document
    assert seen[0] == ("RUNNING", True, document["audit"]["signals"][0]["accuracy"][0])


def test_audit_that_mlflow_refused_is_completed_at_the_end(config, tmp_path, monkeypatch):
    finish = Tracker.finish

    def refuse_at_first(self, node, **what):
        if what.get("status", "") is None and "audit" in what["tags"]:
            raise OSError("database is locked")
        return finish(self, node, **what)

    monkeypatch.setattr(Tracker, "finish", refuse_at_first)
    climb_ladder(config, tmp_path / "out", fit=fakes.fake_fit)
    [run] = studies(config)
    assert run.data.tags["audit"]


def test_new_verdict_needs_a_full_audit_and_an_old_one_none(config, tmp_path):
    document = climb_ladder(config, tmp_path / "out", fit=fakes.fake_fit).document
    check_document(document)
    check_document({**document, "schema": "rfcx_lab/verdict/1", "audit": None})
    for audit in (None, {}, {**document["audit"], "status": "blue"}):
        with pytest.raises(jsonschema.ValidationError):
            check_document({**document, "audit": audit})
    for key in document["audit"]:
        with pytest.raises(jsonschema.ValidationError):
            check_document({**document, "audit": {k: v for k, v in document["audit"].items() if k != key}})
    for key in document["audit"]["signals"][0]:
        broken = copy.deepcopy(document)
        del broken["audit"]["signals"][0][key]
        with pytest.raises(jsonschema.ValidationError):
            check_document(broken)


def test_terminal_tells_every_signal_in_plain_words(rfcx_folder, tmp_path):
    root = rfcx_folder(recordings=12)
    audit = prepare_study(on_folder(root, tmp_path / "runs", "split.group=line")).audit
    with console().capture() as captured:
        say_audit(audit)
    text = captured.get()
    for one in audit.signals:
        assert re.search(rf"{name_signal(one.name)} +{one.status} +{'yes' if one.visible else 'no'}", text)
        if one.status != "green":
            assert one.sentence in text
    assert all(missing in text for missing in audit.not_checked)
    assert "\x1b[" not in text  # no terminal, no colours


def test_tables_alone_give_what_they_give_with_sound(rfcx_folder, tmp_path):
    root = rfcx_folder(recordings=12)
    config = on_folder(root, tmp_path / "runs", "window=crop", "window.frames=60")
    with_sound = prepare_study(config).audit
    shutil.rmtree(root / "train")
    alone = read_tables(config)[2]
    for name in ("box_seconds", "visible_frames", "recording"):
        assert signal(alone, name) == signal(with_sound, name)
    assert signal(alone, "duplicate_windows").status == "amber"
    with pytest.raises(LabError, match="train is not a folder"):  # a study can't do without
        prepare_study(config)


def test_bad_rows_of_tables_alone_are_rejected(rfcx_folder, tmp_path):
    root = rfcx_folder(recordings=30)
    table = pd.read_csv(root / "train_tp.csv", dtype=object)
    table.loc[0, "t_max"], table.loc[1, "recording_id"] = "soon", ""
    table.to_csv(root / "train_tp.csv", index=False)
    with console().capture() as captured:
        read_tables(on_folder(root, tmp_path / "runs"))
    assert "118 calls" in captured.get()
    assert "Rejected: 2 rows" in captured.get()


@pytest.mark.parametrize(
    ("window", "field", "value"),
    [("fixed", "t_max", "inf"), ("crop", "t_max", "1e308"), ("crop", "t_max", "1e20"), ("crop", "t_min", "inf")],
)
def test_impossible_times_are_rejected_without_recordings(rfcx_folder, tmp_path, field, value, window):
    root = rfcx_folder(recordings=12)
    shutil.rmtree(root / "train")
    table = pd.read_csv(root / "train_tp.csv", dtype=object)
    table.loc[3, field] = value
    table.to_csv(root / "train_tp.csv", index=False)
    clips, _, audit = read_tables(on_folder(root, tmp_path / "runs", f"window={window}", "window.frames=60"))
    assert clips.rejected[["line", "field"]].to_numpy().tolist() == [[5, field]]
    assert len(clips.table) == 47
    assert audit.status in ("amber", "red")


@pytest.mark.parametrize("margin", [0, 1, -0.1])
def test_margin_out_of_range_is_named(margin):
    with pytest.raises(LabError, match=r"audit.margin=.*: must lie between 0 and 1"):
        check_config(compose_config("+experiment=smoke", f"audit.margin={margin}"))


def studies(config: Config) -> list:
    client = MlflowClient(tracking_uri=config.tracking.uri)
    experiment = client.get_experiment_by_name(config.tracking.experiment)
    return client.search_runs([experiment.experiment_id], "tags.level = 'study'")
