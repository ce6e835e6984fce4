"""Every verdict on record follows from the curves beside it, and a fit made again from its command is the same."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from rfcx_lab.engine.work import _part
from rfcx_lab.errors import LabError
from rfcx_lab.features.cache import ensure_windows
from rfcx_lab.lab.contract import check_document
from rfcx_lab.lab.outcome import judge_architecture
from rfcx_lab.lab.study import plan_study
from rfcx_lab.model.fit import fit_rung
from rfcx_lab.records import FOLDER, main, read_records
from rfcx_lab.search.space import Axis, Space
from rfcx_lab.verdict import JudgeConfig, OnsetConfig, judge_ladder
from rfcx_lab.verdict.frontier import FrontierConfig, estimate_frontier
from rfcx_lab.verdict.length import judge_pipelines, read_pipelines
from rfcx_lab.verdict.level_set import Observation
from rfcx_lab.verdict.record import read_record
from rfcx_lab.verdict.statements import split_answer
from rfcx_lab.verdict.steps import compare_steps, read_steps
from tests.conftest import ROOT, compose_config

PARTS = ("Question", "Command", "Duration", "Answer", "What it means", "Limits")
EPOCHS = 2  # made again
RECORDS = sorted(path.parent for path in FOLDER.glob("**/verdict.json"))


def test_there_are_records():
    assert {"ladder-esc50", "ladder-soundscape"} <= {folder.name for folder in RECORDS}


@pytest.mark.parametrize("folder", RECORDS, ids=lambda folder: "/".join(folder.relative_to(FOLDER).parts))
def test_verdict_follows_from_the_curves(folder: Path):
    document = json.loads((folder / "verdict.json").read_text())
    check_document(document)
    record = read_record(folder / "curves.csv.gz")
    judge = document["judge"]
    found = judge_ladder(
        record.curves,
        order=record.order,
        validation_fraction=record.validation_fraction,
        config=JudgeConfig(**{**judge, "onset": OnsetConfig(**judge["onset"])}),
    ).to_dict()
    assert found == {key: document[key] for key in found}
    assert document["answer"] in told_of(folder)


def told_of(folder: Path) -> str:
    """The README of the study that `folder` belongs to, its quotations in one line."""
    study = FOLDER / folder.relative_to(FOLDER).parts[0]
    return (study / "README.md").read_text().replace("\n> ", " ")


def test_steps_follow_from_their_curves():
    paths = sorted(FOLDER.glob("*/mended.json"))
    assert paths  # else this would hold nothing
    for path in paths:
        document = json.loads(path.read_text())
        check_document(document)
        assert document["answer"] in told_of(path.parent)
        records = read_steps(document, read_record(path.parent / "curves.csv.gz"))
        judge = JudgeConfig(**{**document["judge"], "onset": OnsetConfig(**document["judge"]["onset"])})
        for found, step in zip(compare_steps(records, config=judge), document["steps"], strict=True):
            plain = json.loads(json.dumps(vars(found), default=vars))
            assert plain == {key: step[key] for key in plain}


def test_length_follows_from_what_was_measured():
    for path in (ROOT / "experiments").glob("*/length.json"):
        document = json.loads(path.read_text())
        check_document(document)
        assert document["answer"] in told_of(path.parent)
        records = read_pipelines(document, read_record(path.parent / "curves.csv.gz"))
        for found, told in zip(judge_pipelines(records, **document["judge"]), document["pipelines"], strict=True):
            plain = json.loads(json.dumps(vars(found), default=vars))
            assert plain == {key: told[key] for key in plain}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("**/frontier.json")), ids=lambda path: path.parent.name)
def test_frontier_follows_from_its_curves(path: Path):
    """Margins from the curves, the frontier from the margins, in the order of the trials."""
    document = json.loads(path.read_text())
    check_document(document)
    record = read_record(path.parent / "curves.csv.gz")
    config = compose_config("+experiment=sweep", f"training.epochs={document['epochs']}")
    assert config.ladder.margin == document["margin"]
    axes = [Axis(**{**axis, **{k: tuple(axis[k]) for k in ("values", "when")}}) for axis in document["space"]["axes"]]
    space = Space(tuple(axes), document["space"]["along"])
    names = [architecture["name"] for architecture in document["architectures"]]
    infos = {info.name: info for info in record.order}
    observations = []
    for trial in document["trials"]:
        cell = space.find(trial["values"])
        curves = [fit for fit in record.curves[names[cell]] if fit.repeat in trial["repeats"]]
        outcome = judge_architecture(
            curves, infos[names[cell]], index=0, validation_fraction=record.validation_fraction, config=config
        )
        assert outcome.margins == pytest.approx(trial["margins"])
        assert (outcome.summary.statuses, outcome.notes.get("onset")) == (trial["statuses"], trial["onset"])
        observations.append(Observation(cell, outcome.margins))
    overlap = record.validation_fraction / (1 - record.validation_fraction)
    found = estimate_frontier(
        space.grid, observations, config=FrontierConfig(confidence=document["confidence"], overlap=overlap)
    )
    assert (found.status, found.trials) == (document["status"], len(document["trials"]))
    for crossing, told in zip(found.crossings, document["crossings"], strict=True):
        assert crossing.status == told["status"]
        assert crossing.position == (told["position"] and pytest.approx(told["position"], rel=1e-6))
    told = [architecture["margin"][0] for architecture in document["architectures"]]
    assert list(found.posterior.mean) == pytest.approx(told, abs=1e-6)


def test_every_study_has_its_parts_and_stands_in_the_index():
    index = (FOLDER / "README.md").read_text()
    folders = sorted(path for path in FOLDER.iterdir() if path.is_dir())
    assert [record.name for record in read_records(FOLDER)] == [path.name for path in folders]
    for folder in folders:
        text = (folder / "README.md").read_text()
        assert [part for part in PARTS if f"**{part}.**" not in text] == []
        assert "```sh\n" in text
        assert "\n|---" in text
        for figure in re.findall(r"!\[.+?\]\((.+?)\)", text):
            assert (folder / figure).is_file()
        assert f"[{folder.name}]({folder.name})" in index


def test_a_study_of_several_ladders_has_an_answer_of_each(tmp_path):
    for name in ("gru", "lstm"):
        (tmp_path / "cells" / name).mkdir(parents=True)
        (tmp_path / "cells" / name / "verdict.json").write_text(json.dumps({"answer": f"{name} overfits."}))
    (tmp_path / "cells" / "README.md").write_text("**Question.** Which\ncell?\n\n")
    [record] = read_records(tmp_path)
    assert record.question == "Which cell?"
    assert record.answers == {"gru": "gru overfits.", "lstm": "lstm overfits."}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("**/curves.csv.gz")), ids=lambda path: path.parent.name)
def test_records_tell_what_they_are_of_and_what_their_fits_are_judged_against(path: Path):
    """All data have 24 species, but for noise equally frequent or so near to it that their frequencies gain nothing."""
    record = read_record(path)
    kinds = {"verdict.json": "ladder", "frontier.json": "sweep", "mended.json": "mended", "length.json": "length"}
    assert [kind for name, kind in kinds.items() if (path.parent / name).is_file()] == [record.study]
    for rung, fits in record.curves.items():
        as_frequent = not rung.endswith(", on noise")  # the boxes there are of species that are not equally frequent
        for fit in fits:
            assert fit.chance_loss == pytest.approx(math.log(24), abs=0.01 if as_frequent else 0.05)
            assert fit.chance_loss < math.log(24) + 0.01
            assert not fit.settled
            assert fit.failure is not None or fit.budget == fit.epochs


def test_studies_are_listed_with_question_and_answer(capsys):
    main([])
    shown = capsys.readouterr().out
    for folder in RECORDS:
        if (folder.parent / "mended.json").is_file():
            continue  # part of that study's answer
        first, *rest = split_answer(json.loads((folder / "verdict.json").read_text())["answer"])
        assert f" {first}\n" in shown
        assert rest[0] not in shown
    assert "Where does the ladder from LSTM 8 to the article's stack begin to overfit, on real recordings?" in shown


@pytest.mark.parametrize(
    ("readme", "verdict", "message"),
    [
        (None, '{"answer": "yes"}', "README.md can't be read"),
        ("# A study\n", '{"answer": "yes"}', r"has no paragraph that begins with \*\*Question"),
        ("**Question.** Is it?\n\n", '{"answers": 3}', "verdict.json is not a verdict with an answer"),
        ("**Question.** Is it?\n\n", "{", "verdict.json is not a verdict with an answer"),
    ],
)
def test_broken_record_is_named(tmp_path, readme, verdict, message):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "verdict.json").write_text(verdict)
    if readme is not None:
        (folder / "README.md").write_text(readme)
    with pytest.raises(LabError, match=message):
        read_records(tmp_path)


@pytest.mark.keras
def test_a_fit_on_record_is_the_same_when_it_is_made_again(tmp_path):
    """LSTM 8, repeat 0 of the embedded soundscape, from the recordings on."""
    config = compose_config("+experiment=ladder", "ladder.repeats=1", "ladder.only=[LSTM 8]", f"runs_dir={tmp_path}")
    layout = plan_study(config)
    ensure_windows(layout.clips, window=config.window, features=config.features, under=tmp_path / "features")
    [spec] = layout.fits
    fit = fit_rung(
        spec.rung,
        train=_part(spec, spec.split.train),
        validation=_part(spec, spec.split.validation),
        classes=spec.classes,
        training=replace(spec.training, epochs=EPOCHS),
        seed=spec.seed,
    )
    recorded = read_record(FOLDER / "ladder-soundscape" / "curves.csv.gz").curves["LSTM 8"][0]
    for name in ("train_loss", "val_loss", "train_accuracy", "val_accuracy"):
        found = [getattr(epoch, name) for epoch in fit.epochs]
        assert found == pytest.approx(getattr(recorded, name)[:EPOCHS], rel=1e-5)
