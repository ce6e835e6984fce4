"""`+experiment=length`: a model that reads nothing but the length is found out, and hidden lengths hide it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from rfcx_lab.config import StepConfig
from rfcx_lab.data.telling import drawn_variance
from rfcx_lab.engine import work
from rfcx_lab.errors import LabError
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.length import measure_length, noise_configs
from rfcx_lab.lab.steps import step_configs
from rfcx_lab.lab.study import plan_study
from rfcx_lab.lab.swapped import SwappedHits
from rfcx_lab.report.table import LENGTH_HEADER, length_rows
from rfcx_lab.verdict.length import SHARES, judge_pipelines, read_pipelines
from rfcx_lab.verdict.record import read_record
from tests import fakes
from tests.conftest import TOY, compose_config
from tests.lab.outcome import by_level, runs_of

SIZE = (
    "engine=inline", "training.epochs=4", "steps.repeats=3", "length.repeats=3", "length.epochs=[6,4]",
    "window.frames=120", "split.test_fraction=0.5", *(override for override in TOY if override.startswith("data.")),
)  # fmt: skip
STEPS = [
    StepConfig("boxes", {}),
    StepConfig("windows", {"window": {"kind": "fixed", "seconds": 1.0, "frames": None, "padding": "end"}}),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    config = compose_config("+experiment=length", *SIZE, f"runs_dir={runs}")
    return replace(config, steps=replace(config.steps, steps=STEPS))


@pytest.fixture(scope="module")
def measured(config, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "load_model", lambda path: path.read_bytes())
        patch.setattr(work, "predict", fakes.read_length)
        return measure_length(config, tmp_path_factory.mktemp("out"), fit=fakes.fit_to_length)


def test_the_reader_is_found_out_where_it_sees_the_length(measured):
    check_document(measured.document)
    boxes = measured.document["pipelines"][0]
    assert boxes["shares"]["true"][0] > 0.9
    assert boxes["shares"]["swapped"][0] < 0.1
    assert boxes["shares"]["donor_swapped"][0] > 0.9
    assert boxes["noise"][0] > 0.9
    assert [name for name, claim in boxes["claims"].items() if claim["established"]] == [
        "swap_costs", "follows_length", "beats_majority",
    ]  # fmt: skip
    assert (boxes["audit"]["frames_status"], boxes["noise_audit"]["frames_status"]) == ("red", "red")


def test_a_fixed_window_hides_it(measured):
    windows = measured.document["pipelines"][1]
    assert windows["measured"]["shares"]["true"] == windows["measured"]["shares"]["swapped"]
    assert windows["noise"][0] <= windows["majority"]
    assert not any(claim["established"] for claim in windows["claims"].values())
    assert windows["audit"]["frames_status"] == "green"
    assert measured.document["answer"].count(" Shown:") == 1


def test_shares_and_their_draw_are_of_the_calls_they_name():
    """Two fits, four calls of three recordings, the last of which loses sound in its swapped box."""
    true, swapped = np.array([[1, 1, 0, 1], [1, 1, 1, 1]], bool), np.array([[0, 1, 0, 0], [0, 0, 0, 0]], bool)
    donor = np.array([[1, 0, 0, 0], [1, 0, 1, 0]], bool)
    hits = dict(zip(SHARES, (true, swapped, true, swapped, np.zeros_like(true), donor), strict=True))
    found = SwappedHits(hits, np.array([True, True, True, False]), np.array(["a", "b", "c", "c"]))
    assert found.shares("true") == [0.75, 1.0]
    assert found.shares("within_true") == [pytest.approx(2 / 3), 1.0]
    draws = found.draws()
    lost = np.array([1.0, 0.5, 0.5])  # of the first three, over the fits
    assert asdict(draws["swap_costs"]) == {"variance": pytest.approx(np.var(lost, ddof=1) / 3), "recordings": 3}
    followed = np.array([1.0 - 0.375, 0.0 - 0.375, 0.5 - 2 * 0.375])  # by recording, less the mean
    assert draws["follows_length"].variance == pytest.approx(3 / 2 * (followed**2).sum() / 4**2)
    nowhere = replace(found, within=np.zeros(4, bool))
    assert (nowhere.shares("within_true"), nowhere.draws()["swap_costs"].recordings) == ([], 0)


def test_a_reader_s_lead_over_the_most_frequent_species_is_paired_by_call(measured, config):
    boxes, windows = (one["measured"] for one in measured.document["pipelines"])
    layout = plan_study(noise_configs(config, step_configs(config))[0])
    test = layout.fits[0].split.test
    labels, recordings = layout.clips.labels[test], layout.clips.table["recording_id"].to_numpy()[test]
    frequent = np.bincount(labels).argmax()
    assert boxes["noise"] == [1.0] * 3
    assert boxes["draws"]["noise"]["variance"] == 0  # every call is named rightly: the lead is in the others
    variance, count = drawn_variance((labels != frequent).astype(float), recordings)
    assert variance > 0
    assert boxes["draws"]["beats_majority"] == {"variance": pytest.approx(variance), "recordings": count}
    assert windows["draws"]["swap_costs"]["variance"] == 0


def test_claims_follow_from_the_files(measured):
    paths = {path.name: path for path in measured.files}
    assert {"length.json", "length.png", "length.svg", "curves.csv.gz", "report.html"} <= set(paths)
    document = json.loads(paths["length.json"].read_text())
    records = read_pipelines(document, read_record(paths["curves.csv.gz"]))
    for found, told in zip(judge_pipelines(records, **document["judge"]), document["pipelines"], strict=True):
        plain = json.loads(json.dumps(vars(found), default=vars))
        assert plain == {key: told[key] for key in plain}


def test_one_run_with_the_page_stands_above_all_others(measured, config):
    runs = runs_of(config.tracking.uri, "length")
    [series] = by_level(runs, "series")
    assert {run.data.tags["mlflow.parentRunId"] for run in by_level(runs, "study")} == {series.info.run_id}
    assert series.data.tags["status"] == "1 of 2 read length"
    client = MlflowClient(tracking_uri=config.tracking.uri)
    kept = Path(client.download_artifacts(series.info.run_id, "report.html"))
    [page] = [path for path in measured.files if path.name == "report.html"]
    assert kept.read_bytes() == page.read_bytes()


def test_figure_shows_every_claimed_share_with_its_interval_and_the_way_on_noise(measured):
    from rfcx_lab.report.length_figure import length_figure

    paths = {path.name: path for path in measured.files}
    curves, pipelines = read_record(paths["curves.csv.gz"]).curves, measured.document["pipelines"]
    figure = length_figure(curves, measured.document)
    left, right = figure.axes
    keys = ("within_true", "within_swapped", "donor_swapped", "noise")
    intervals = [one["noise"] if key == "noise" else one["shares"][key] for one in pipelines for key in keys]
    assert [bar.get_height() for bar in left.patches] == pytest.approx([100 * point for point, _, _ in intervals])
    drawn = [tuple(line.get_ydata()) for line in left.lines]
    for _, low, high in intervals:
        assert any(ends == pytest.approx((100 * low, 100 * high)) for ends in drawn)
    assert [text.get_text() for text in left.texts] == ["*"] * 3  # over the boxes' claims, none over the windows'
    means = {line.get_label(): line.get_ydata() for line in right.lines if not line.get_label().startswith("_")}
    assert list(means) == ["boxes", "windows", "the most frequent species"]
    fits = [fit.val_accuracy for fit in curves["boxes, on noise"]]
    assert means["boxes"] == pytest.approx(100 * np.mean(fits, axis=0))
    assert all("%" in panel.get_ylabel() for panel in (left, right))


def test_terminal_marks_what_is_established(measured):
    boxes, windows = length_rows(measured.document)
    assert len(boxes) == len(LENGTH_HEADER)
    assert [cell.endswith(" *") for cell in boxes] == [False] * 4 + [True] * 3
    assert not any("*" in cell for cell in windows)


def test_nothing_is_trained_or_measured_again(measured, config, tmp_path, monkeypatch):
    monkeypatch.setattr(work, "predict", None)
    first = replace(config, steps=replace(config.steps, steps=STEPS[:1]), length=replace(config.length, epochs=[6]))
    again, before = (each.document["pipelines"][0] for each in (measure_length(first, tmp_path, fit=None), measured))
    assert {**again, "claims": None} == {**before, "claims": None}  # p-values are those of a smaller family


def test_noise_fits_are_those_of_the_article_on_noise(config):
    """So they can be trained ahead, by `+experiment=article data=noise`."""
    root = plan_study(step_configs(config)[0]).clips.root
    article = compose_config(
        "+experiment=article", "data=noise", f"data.root={root}", "window.frames=120", "training.epochs=6",
        "split.test_fraction=0.5", "ladder.repeats=3", "engine=inline", f"runs_dir={config.runs_dir}",
    )  # fmt: skip
    ahead = {spec.key for spec in plan_study(article).fits}
    assert ahead == {spec.key for spec in plan_study(noise_configs(config, step_configs(config))[0]).fits}


def test_pipelines_lead_from_the_article_to_the_ladder():
    configs = step_configs(compose_config("+experiment=length", "data=toy"))
    article, ladder = compose_config("+experiment=article"), compose_config("+experiment=ladder")
    for section in ("window", "features", "split", "training"):
        assert getattr(configs[0], section) == getattr(article, section)
    assert configs[1].features == configs[2].features == ladder.features
    for one in configs[1:]:
        assert replace(one.training, epochs=0) == replace(ladder.training, epochs=0)
        assert one.training.epochs == article.training.epochs
    assert configs[1].window == replace(article.window, frames=128)
    assert replace(configs[2].window, padding="end") == ladder.window
    assert all(replace(one.split, row_seed=0) == replace(ladder.split, row_seed=0) for one in configs[1:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": [5]}, r"length.epochs=\[5\]: must be 2 numbers above 0, one per step"),
        ({"epochs": [5, 0]}, r"length.epochs=\[5, 0\]: must be 2 numbers above 0"),
        ({"repeats": 0}, "length.repeats=0: must be 1 or more"),
        ({"boxes": "nowhere"}, "length.boxes=nowhere: must be a folder with a train_tp.csv, and there is none"),
        ({"boxes": ""}, "length.boxes=: must be a folder with a train_tp.csv, and there is none"),
    ],
)
def test_impossible_setting_is_named_before_anything_is_trained(config, tmp_path, change, message):
    broken = replace(config, length=replace(config.length, **change))
    with pytest.raises(LabError, match=message) as caught:
        measure_length(broken, tmp_path, fit=None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["recording_id,t_min,t_max", "a,0,1"], "lacks the column species_id"),
        (
            ["recording_id,species_id,t_min,t_max", "a,0,0,1", "b,1,,", "c,1,0,1"],
            "train_tp.csv, line 3: t_min is not a number",
        ),
        (
            ["recording_id,species_id,t_min,t_max", "a,0,0,1", "b,0,0,1", "c,0,0,1", "d,1,0,1"],
            "species 1 is in 1 group.s. of row; a split needs at least 3",
        ),
    ],
)
def test_boxes_that_can_not_be_used_are_told_by_their_key_before_the_data_are_read(
    config, tmp_path, monkeypatch, rows, message
):
    (tmp_path / "train_tp.csv").write_text("\n".join(rows) + "\n")
    broken = replace(config, length=replace(config.length, boxes=str(tmp_path)), data=None)
    monkeypatch.setattr("rfcx_lab.lab.length.step_configs", lambda _: [replace(config, data=None)] * len(STEPS))
    monkeypatch.setattr("rfcx_lab.lab.length.check_config", lambda _: None)
    with pytest.raises(LabError, match=message) as caught:
        measure_length(broken, tmp_path / "out", fit=None)
    assert str(caught.value).startswith(f"length.boxes={tmp_path}: ")
    assert "\n" not in str(caught.value)
