"""Fits on the workers of a real scheduler, which need not see the driver's files."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from rfcx_lab.config import Config, EngineConfig
from rfcx_lab.engine import scheduler
from rfcx_lab.engine.away import UnwantedError, carry_out, pack
from rfcx_lab.engine.engine import open_engine
from rfcx_lab.engine.failure import Failure
from rfcx_lab.engine.fits import FitStore
from rfcx_lab.engine.passport import own_passport, refusal
from rfcx_lab.engine.remote import _on_worker
from rfcx_lab.engine.under_way import read_mark
from rfcx_lab.engine.work import Job, fit_job, measure, measure_model, train
from rfcx_lab.engine.workers import check_workers
from rfcx_lab.errors import LabError
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.lab.sweep import run_sweep
from rfcx_lab.model.fit import fit_rung
from tests import fakes
from tests.conftest import ROOT, TOY, compose_config
from tests.lab.dask_cluster import DaskCluster, answers, end, hiding_is_possible, mlflow_server, wait_until
from tests.lab.driver import EPOCHS, REPEATS, SIZE
from tests.lab.outcome import RUNGS, assert_view_is_whole, by_level, runs_of, without_root
from tests.lab.test_engine import assert_first_items_meet, double, meet, meet_after_a_death

FITS = REPEATS * len(RUNGS)
SECONDS_PER_EPOCH = 0.05


@dataclass(frozen=True)
class Site:
    """Two workers; `here` is a folder that they can't see, `shared` one that they can; an MLflow server."""

    cluster: DaskCluster
    here: Path
    shared: Path
    server: str

    @property
    def engine(self) -> tuple[str, str]:
        return "engine=dask", f"engine.address={self.cluster.file}"

    @property
    def begun(self) -> list[str]:
        """The fits that workers have begun."""
        return self._diary.read_text().splitlines() if self._diary.exists() else []

    @property
    def _diary(self) -> Path:
        return Path(self.cluster.environment[fakes.DIARY])

    def config(self, runs: Path, *overrides: str) -> Config:
        self._diary.unlink(missing_ok=True)
        return compose_config(*TOY, *SIZE, *self.engine, f"runs_dir={runs}", *overrides)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    if not hiding_is_possible():
        pytest.skip("a folder can't be hidden from a process here")
    base = tmp_path_factory.mktemp("site")
    here, shared = base / "here", base / "shared"
    for folder in (here, shared):
        folder.mkdir()
    environment = {fakes.DIARY: str(base / "diary"), fakes.SECONDS_PER_EPOCH: str(SECONDS_PER_EPOCH)}
    cluster = DaskCluster(base, hidden=here, workers=2, environment=environment)
    try:
        with mlflow_server(base) as server:
            cluster.start()
            wait_until(lambda: answers(server))
            yield Site(cluster, here, shared, server)
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def undisturbed(prepared, tmp_path_factory) -> dict:
    """The document of one process alone, which is that of the local engine too."""
    runs = tmp_path_factory.mktemp("local") / "runs"
    shutil.copytree(prepared, runs)
    config = compose_config(*TOY, *SIZE, "engine=inline", f"runs_dir={runs}")
    return without_root(climb_ladder(config, runs / "out", fit=fakes.fake_fit).document)


def document_of(config: Config) -> dict:
    return without_root(climb_ladder(config, Path(config.runs_dir) / "out", fit=fakes.fake_fit).document)


def records(runs: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in runs.glob("fits/[!.]*/fit.json")}


def test_workers_that_see_nothing_of_ours_come_to_the_same_verdict(site, undisturbed, capsys):
    runs = site.here / "runs"
    config = site.config(runs, f"tracking.uri={site.server}", "tracking.experiment=unseen", "engine.resources={FIT: 1}")
    assert document_of(config) == undisturbed
    said = capsys.readouterr().out
    assert "this machine computes the features" in said
    assert "each such worker is sent them once" in said
    [windows] = runs.glob("features/*/windows.npy")
    brought = list(site.cluster.scratch.rglob(f"rfcx_lab/{windows.parent.name}/windows.npy"))
    assert len(brought) == 2 and all(path.read_bytes() == windows.read_bytes() for path in brought)
    assert len(set(site.begun)) == len(site.begun) == FITS == len(records(runs))
    assert_live_and_whole(site.server, "unseen")


def assert_live_and_whole(uri: str, experiment: str) -> None:
    """Every epoch is there once, and came when it was over: the driver would have logged them all at once."""
    client, fits = MlflowClient(tracking_uri=uri), by_level(runs_of(uri, experiment), "fit")
    assert len(fits) == FITS
    for run in fits:
        history = sorted(client.get_metric_history(run.info.run_id, "loss/val"), key=lambda metric: metric.step)
        assert [metric.step for metric in history] == list(range(1, EPOCHS + 1))
        assert history[-1].timestamp - history[0].timestamp >= 1000 * SECONDS_PER_EPOCH * (EPOCHS - 2)


def test_workers_that_see_our_files_are_sent_none_and_one_that_dies_costs_a_retry(site, undisturbed, capsys):
    config, marks = site.config(site.shared / "runs"), []

    def kill() -> None:
        wait_until(lambda: bool(site.begun))
        wait_until(lambda: bool(marks) or marks.extend(site.shared.glob("runs/fits/.*.mark")))
        for victim in site.cluster.processes()[:1]:
            victim.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    document = document_of(config)
    killer.join()
    assert document == undisturbed
    said = capsys.readouterr().out
    assert "computes the features" not in said and "sent them" not in said
    assert len(set(site.begun)) == FITS <= len(site.begun) <= FITS + 1
    assert len(records(site.shared / "runs")) == FITS
    assert marks and not list(site.shared.rglob("*.mark"))  # how far fits had come, while they were under way
    assert_view_is_whole(config.tracking.uri, repeats=REPEATS, epochs=EPOCHS)
    wait_until(lambda: len(site.cluster.registered()) == 2)  # its nanny has started another


def test_sweep_whose_trials_only_the_driver_can_open(site, prepared, tmp_path):
    """`sweep.storage` is a file that no worker sees, and need not be more."""
    small = ("sweep.space.lstm_width.values=[4,64]", "sweep.space.dense_layers.values=[0,3]", "sweep.n_trials=3")
    size = ("kind=sweep", "sweep.repeats=2", *small)
    shutil.copytree(prepared, tmp_path / "runs")
    shutil.copytree(prepared, site.here / "swept")
    alone = compose_config(*TOY, *SIZE, *size, "engine=inline", f"runs_dir={tmp_path / 'runs'}")
    config = site.config(site.here / "swept", *size, f"tracking.uri={site.server}", "tracking.experiment=swept")
    there, here = (run_sweep(each, tmp_path / "out", fit=fakes.fit_with_frontier).document for each in (config, alone))
    assert there["answer"] == here["answer"] and there["crossings"] == here["crossings"]
    assert [trial["value"] for trial in there["trials"]] == [trial["value"] for trial in here["trials"]]
    assert Path(config.sweep.storage).is_file() and len(site.begun) == 6


def test_scheduler_that_goes_away_is_said_and_a_new_one_goes_on(site, undisturbed):
    runs = site.shared / "interrupted"
    config = site.config(runs)

    def kill() -> None:
        wait_until(lambda: bool(records(runs)))
        site.cluster.kill_scheduler()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(LabError, match=r"The scheduler tcp://\S+ has gone.* the same command goes on from here"):
        document_of(config)
    killer.join()
    finished = records(runs)
    assert 0 < len(finished) < FITS
    assert {run.info.status for run in runs_of(config.tracking.uri)} <= {"FINISHED", "FAILED"}
    site.cluster.stop()
    site.cluster.start()
    assert document_of(site.config(runs)) == undisturbed
    assert len(site.begun) == FITS - len(finished)
    assert all(path.read_bytes() == record for path, record in finished.items())
    assert_view_is_whole(config.tracking.uri, repeats=REPEATS, epochs=EPOCHS)


def test_store_that_only_this_machine_can_open_is_fatal_with_the_remedy(site):
    runs = site.here / "refused"
    with pytest.raises(LabError, match=r"only this machine can open it.*tracking\.uri=http://HOST:5000"):
        document_of(site.config(runs))
    with pytest.raises(LabError, match=r"tracking\.uri=http://127\.0\.0\.1:9: the worker \S+ on \S+ does not reach"):
        document_of(site.config(runs, "tracking.uri=http://127.0.0.1:9"))
    assert not site.begun and not (runs / "features").exists()


def open_remote(site: Site, **options):
    return open_engine(EngineConfig("dask", address=str(site.cluster.file), **options))


def test_resource_that_nobody_offers_is_said(site):
    with (
        pytest.raises(LabError, match=r"none of the 2 worker\(s\) of \S+ offers GPU=1 \(but FIT=1\)"),
        open_remote(site, resources={"GPU": 1}),
    ):
        pass


def test_items_fail_and_end_the_run_as_those_of_the_other_engines_do(site):
    with open_remote(site) as engine:
        assert engine.workers == 2
        results = dict(engine.run(double, [1, 2, 3, 5]))
        assert results == {1: 2, 2: 4, 3: Failure("ValueError: three is right out"), 5: 10}
        assert list(engine.map(double, [5, 1, 2])) == [10, 2, 4]
        with pytest.raises(LabError, match="four is not allowed"):
            list(engine.run(double, [1, 4]))


def test_first_items_wait_for_workers_that_are_not_ready_rather_than_for_one_another(site, tmp_path):
    with open_remote(site) as engine:
        assert_first_items_meet(engine, tmp_path)


def test_item_of_a_worker_that_dies_waits_for_its_successor_rather_than_behind_another(site, tmp_path):
    with open_remote(site) as engine:
        results = dict(engine.run(partial(meet_after_a_death, tmp_path, 2), range(2)))
    assert not [found for found in results.values() if isinstance(found, Failure)]
    assert len(set(results.values())) == 2
    wait_until(lambda: len(site.cluster.registered()) == 2)


def test_worker_that_joins_is_given_an_item_at_once(site, tmp_path):
    with open_remote(site) as engine:
        newcomer = site.cluster.spawn_worker()
        try:
            results = dict(engine.run(partial(meet, tmp_path, 3), range(3)))
        finally:
            end(newcomer)
    assert len(set(results.values())) == 3
    wait_until(lambda: len(site.cluster.registered()) == 2)


def test_worker_of_another_version_is_refused_by_name(site):
    """Its Keras is the same; what it is told of its version is not."""
    other = site.cluster.base / "other"
    (other / "keras-3.0.1.dist-info").mkdir(parents=True)
    (other / "keras-3.0.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: keras\nVersion: 3.0.1\n")
    worker = site.cluster.spawn_worker("--resources", "ODD=1", PYTHONPATH=f"{other}:{ROOT}")
    try:
        wait_until(lambda: len(site.cluster.registered()) == 3)
        with (
            pytest.raises(LabError, match=r"The worker tcp://\S+ on \S+ has keras 3\.0\.1 instead of 3\.\d+.* on this"),
            open_remote(site, resources={"ODD": 1}),
        ):
            pass
    finally:
        end(worker)
        wait_until(lambda: len(site.cluster.registered()) == 2)


@pytest.fixture
def toy(prepared) -> Callable[..., Job]:
    """A job of the toy study, whose files are to be found under the folder it is called with."""

    def make(runs: Path, fit=fakes.fake_fit, *, epochs: int = EPOCHS) -> Job:
        shutil.copytree(prepared, runs)
        study = prepare_study(compose_config(*TOY, *SIZE, "engine=inline", f"runs_dir={runs}"))
        spec = replace(study.fits[0], training=replace(study.fits[0].training, epochs=epochs))
        return Job(spec, fit, study.store, f"sqlite:///{runs}/mlflow.db", "")

    return make


@pytest.mark.keras
def test_real_fit_comes_back_bit_for_bit_and_is_measured_there(site, toy):
    job = toy(site.here / "real", fit_rung, epochs=2)
    with open_remote(site) as engine:
        [(_, key)] = engine.run(train, [job])
        [(_, held_out)] = engine.run(measure, [job])
    assert key == job.spec.key
    store, fitted = FitStore(job.store), fit_job(job)
    curves = store.read_curves(job.spec)
    assert list(curves.val_loss) == [epoch.val_loss for epoch in fitted.epochs]
    assert list(curves.train_loss) == [epoch.train_loss for epoch in fitted.epochs]
    kept = store.held_out(job.spec)
    assert kept is not None and np.array_equal(kept.probabilities, held_out.probabilities)
    assert np.array_equal(measure_model(job.spec, store.best_model(job.spec.key)).probabilities, kept.probabilities)


def test_fits_under_way_end_when_their_driver_closes(site, toy):
    endless = toy(site.shared / "endless", epochs=100_000)
    jobs = [replace(endless, spec=replace(endless.spec, seed=seed)) for seed in range(2)]
    Path(site.cluster.environment[fakes.DIARY]).unlink(missing_ok=True)
    with open_remote(site) as engine:
        under_way = [engine._scheduler.submit(_on_worker, pack(train, job)) for job in jobs]
        wait_until(lambda: len(site.begun) == 2)
    assert {future.status for future in under_way} == {"cancelled"}
    with open_remote(site) as engine:
        assert list(engine.map(double, [1, 2])) == [2, 4]  # both workers are free


def test_worker_that_came_later_with_other_code_refuses_its_items(toy, tmp_path):
    errand = pack(double, 1)
    where = {"worker": "tcp://worker:1", "folder": tmp_path, "wanted": lambda: True}
    assert carry_out(errand, **where) == 2
    other = replace(errand.passport, versions={**errand.passport.versions, "keras": "3.0.1"})
    with pytest.raises(LabError, match=r"The worker tcp://worker:1 on \S+ has keras \S+ instead of 3\.0\.1 on this"):
        carry_out(replace(errand, passport=other), **where)
    with pytest.raises(UnwantedError):
        carry_out(pack(train, toy(tmp_path / "runs")), **{**where, "wanted": lambda: False})


def test_a_worker_in_another_folder_marks_how_far_its_fit_has_come(toy, tmp_path, monkeypatch):
    job, seen = toy(tmp_path / "runs"), []

    def watched(*rung, on_epoch, **options):
        def heard(number, epoch):
            on_epoch(number, epoch)
            seen.append(read_mark(job.store, job.spec.key).epoch)

        return fakes.fake_fit(*rung, on_epoch=heard, **options)

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    errand = pack(train, replace(job, fit=watched, store=job.store.relative_to(tmp_path)))
    monkeypatch.chdir(tmp_path / "elsewhere")
    job.store.mkdir(exist_ok=True)
    carry_out(errand, worker="tcp://worker:1", folder=tmp_path, wanted=lambda: True)
    assert seen == list(range(1, EPOCHS + 1))
    assert not list(tmp_path.rglob("*.mark"))


def test_other_code_of_the_same_version_is_refused():
    theirs = replace(own_passport(), code="0" * 16, host="node7")
    assert refusal(own_passport(), who="The worker", ours=own_passport()) is None
    assert "node7 has other code under rfcx_lab" in str(refusal(theirs, who="The worker", ours=own_passport()))


def test_worker_that_takes_several_fits_into_one_process_is_refused():
    workers = {"tcp://a:1": {"nthreads": 4, "resources": {"GPU": 2}, "host": "a", "status": "running"}}
    with pytest.raises(LabError, match=r"tcp://a:1 on a takes 2 fits at a time .* --nthreads 1"):
        check_workers(None, workers, {"GPU": 1}, tracking_uri=None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": "tcp://127.0.0.1:9"}, r"engine\.address=tcp://127\.0\.0\.1:9: no scheduler answers there"),
        ({"address": "http://127.0.0.1:9"}, r"engine\.address=http://127\.0\.0\.1:9: no scheduler answers there"),
        ({"address": "nowhere.json"}, r"engine\.address=nowhere\.json: must be a scheduler's address"),
        ({}, r"engine\.address is not set; add the scheduler's"),
        ({"address": "tcp://a:1", "resources": "GPU"}, r"engine\.resources=GPU: must say how much"),
        ({"address": "tcp://a:1", "resources": {"GPU": 0}}, r"engine\.resources=.*: must say how much"),
        ({"address": "tcp://a:1", "patience": -1.0}, r"engine\.patience=-1\.0: must be 0 seconds or more"),
    ],
)
def test_engine_that_can_t_be_opened_is_said(options, said, monkeypatch):
    monkeypatch.setattr(scheduler, "_CONNECT_SECONDS", 0.5)
    with pytest.raises(LabError, match=said), open_engine(EngineConfig("dask", **options)):
        pass


@pytest.mark.parametrize("key", ["address", "resources"])
def test_what_goes_with_another_engine_is_said(key):
    with (
        pytest.raises(LabError, match=rf"engine\.{key}=.*: goes with engine=dask"),
        open_engine(EngineConfig("inline", **{key: {"GPU": 1}})),
    ):
        pass
