"""Where a sweep's trials are kept: what can't hold them, and whose study it is."""

from __future__ import annotations

import re
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from rfcx_lab.errors import LabError
from rfcx_lab.search.trial_store import open_study
from tests import fakes
from tests.lab.sweeps import SIZE, begun, study_of, sweep

# Another study


def test_a_stored_study_of_another_kind_is_fatal(make_sweep_config, tmp_path, diary):
    sweep(make_sweep_config("sweep.n_trials=2"), tmp_path / "one")
    before = begun(diary)
    with pytest.raises(LabError) as caught:
        sweep(make_sweep_config("sweep.n_trials=2", "sweep.space.lstm_width.values=[4,16,32]"), tmp_path / "two")
    assert "sweep.space.lstm_width is [4, 16, 64] there and [4, 16, 32] here" in str(caught.value)
    assert "name=smoke-2" in str(caught.value)
    with pytest.raises(LabError, match=r"training\.batch_size is \d+ there and 7 here"):
        sweep(make_sweep_config("sweep.n_trials=2", "training.batch_size=7"), tmp_path / "two")
    assert begun(diary) == before
    other = make_sweep_config("sweep.n_trials=2", "sweep.space.lstm_width.values=[4,16,32]", "name=smoke-2")
    assert sweep(other, tmp_path / "two").document["trials"]


def test_one_whose_fits_end_otherwise_can_be_gone_on_with(tmp_path):
    def refuse(name: str, **identity) -> str:
        with pytest.raises(LabError) as caught:
            open_study(str(tmp_path / "study.log"), name=name, identity=identity)
        return str(caught.value)

    whole, early = {"repeats": 3}, {"repeats": 3, "settled": {"after": 3, "clearance": 0.1}}
    for name, ends in (("whole", whole), ("early", early)):
        open_study(str(tmp_path / "study.log"), name=name, identity={"sweep": ends})
    told = refuse("whole", sweep=early)
    assert "to go on with it, set sweep.end_settled=false, which" in told
    assert "or run this one under a name of its own, as name=whole-2." in told
    assert "to go on with it, set sweep.end_settled=true, which" in refuse("early", sweep=whole)
    later = refuse("early", sweep={**early, "settled": {"after": 6, "clearance": 0.1}})
    assert "to go on with it, set sweep.settled.after=3; or run" in later
    never_early = {"sweep": whole, "training": {"keep": "last"}}
    for other in (refuse("whole", sweep={**early, "repeats": 4}), refuse("early", **never_early)):
        assert "to go on" not in other and "as name=" in other


def test_a_study_that_no_sweep_has_made_is_fatal(sweep_config, tmp_path):
    Path(sweep_config.sweep.storage).parent.mkdir(parents=True)
    storage = JournalStorage(JournalFileBackend(sweep_config.sweep.storage))
    optuna.create_study(study_name="smoke", storage=storage).ask()
    with pytest.raises(LabError, match=r"a study smoke that no sweep has made; .* name=smoke-2\.$"):
        sweep(sweep_config, tmp_path / "out")


# No place for trials


@pytest.mark.parametrize("content", [b"no journal\n", b'{"a": 1}\n', b"\xff\xfe\n", b"no end"])
def test_a_file_that_is_no_journal_is_said_and_left_alone(content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(LabError, match=rf"^sweep\.storage={re.escape(str(path))} can't be used .*\.$"):
        open_study(str(path), name="x", identity={})
    assert path.read_bytes() == content


def test_a_database_that_is_not_there_is_said_without_its_password():
    with pytest.raises(LabError, match=r"sweep\.storage=postgresql://…@127\.0\.0\.1:1/x can't be used") as caught:
        open_study("postgresql://me:secret@127.0.0.1:1/x", name="x", identity={})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("storage", "why"),
    [
        ("postgres://me:secret@127.0.0.1:1/x", ".*refused"),
        ("", "it names no file"),
        ("sqlite:///:memory:", "it names no file"),
        ("{place}", "Is a directory"),
        ("{place}/file/study.log", "File exists|Not a directory"),
        ("{place}/file", "its line 1 is none of a journal"),
        ("sqlite:///{place}/file", "file is not a database"),
    ],
)
def test_a_storage_that_is_no_use_is_said_before_features_are_computed(storage, why, toy_config, tmp_path, capsys):
    (tmp_path / "file").write_text("no journal\n")
    config = toy_config(*SIZE, f"sweep.storage={storage.format(place=tmp_path)}")
    with pytest.raises(LabError, match=rf"^sweep\.storage=\S* can't be used \({why}") as caught:
        sweep(config, tmp_path / "out")
    assert "secret" not in str(caught.value) + capsys.readouterr().out
    assert not (Path(config.runs_dir) / "features").exists()


def test_a_folder_that_can_not_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match=r"can't be used"):
        open_study(str(tmp_path / "file" / "study.log"), name="x", identity={})


def test_a_line_that_was_cut_short_is_mended(sweep_config, tmp_path):
    first = sweep(sweep_config, tmp_path / "one").document
    with Path(sweep_config.sweep.storage).open("ab") as journal:
        journal.write(b'{"op_code":4,"worker_id":"x","stu')
    assert sweep(sweep_config, tmp_path / "two").document == first


@pytest.mark.parametrize("url", ["", "sqlite:///"])
def test_a_second_driver_of_a_study_in_a_file_is_refused_and_told_how_both_may_work(
    url, make_sweep_config, tmp_path, diary
):
    """Whether it has the first one's runs_dir, or another one."""
    storage = f"{url}{tmp_path}/study"
    first, second = (make_sweep_config(f"sweep.storage={storage}") for _ in range(2))
    refusals = []

    def fit(rung, **options):
        if not refusals:
            for runs in (first.runs_dir, str(tmp_path / "other")):
                second.runs_dir = runs
                with pytest.raises(LabError) as caught:
                    sweep(second, tmp_path / "second")
                refusals.append(str(caught.value))
        return fakes.fit_with_frontier(rung, **options)

    assert sweep(first, tmp_path / "first", fit=fit).document
    both = "sweep.storage=postgresql://user:password@host/name"
    assert refusals[0].startswith(
        "This study is being run already, from the same runs_dir; wait for that run to end, or"
    )
    assert f"a runs_dir of its own and both one database, as {both}" in refusals[0]
    assert refusals[1].startswith(f"sweep.storage={storage} is in use by another driver, and a file has only one: wait")
    assert both in refusals[1]
    assert not (tmp_path / "other" / "features").exists()
    assert {t.state for t in study_of(storage).trials} == {TrialState.COMPLETE}
