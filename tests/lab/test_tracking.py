from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from mlflow import MlflowClient

from rfcx_lab.errors import LabError
from rfcx_lab.lab.checks import check_config
from rfcx_lab.lab.ladder import climb_ladder
from rfcx_lab.lab.study import prepare_study
from rfcx_lab.lab.view import StudyView
from rfcx_lab.tracking.store import Rested
from rfcx_lab.tracking.tracker import Tracker
from tests import fakes
from tests.conftest import ROOT


@pytest.fixture
def silent_server() -> Iterator[tuple[str, list[socket.socket]]]:
    """Takes every connection and never answers."""
    server, taken = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        while True:
            try:
                taken.append(server.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", taken
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()
    for connection in taken:
        connection.close()


def test_a_server_that_does_not_answer_is_given_up_after_three_tries(silent_server, monkeypatch):
    uri, taken = silent_server
    assert int(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) == 2
    assert int(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]) == 10
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with pytest.raises(LabError, match=rf"tracking.uri={uri} can't be used \(timed out\)") as caught:
        Tracker(uri=uri, experiment="x", study_key="y")
    assert "\n" not in str(caught.value)
    assert len(taken) == 3


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("http://127.0.0.1:1", "Connection refused"),
        ("sqlite:////etc/passwd/mlflow.db", "File exists|Not a directory"),
        ("sqlite:////proc/nowhere/mlflow.db", "No such file"),
        ("ftp://127.0.0.1", "unsupported URI"),
    ],
)
def test_a_store_out_of_reach_is_said_before_features_are_computed(toy_config, tmp_path, uri, why):
    config = toy_config(f"tracking.uri={uri}")
    with pytest.raises(LabError, match=rf"tracking.uri={uri} can't be used \(.*({why})") as caught:
        prepare_study(config)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert not (tmp_path / "runs" / "features").exists()


def test_telemetry_is_off_before_mlflow_is_imported():
    """A worker imports no more of MLflow's keepers than this one."""
    code = (
        "import os, sys; import rfcx_lab.tracking.client as ours; "
        "print('mlflow' in sys.modules, os.environ['MLFLOW_DISABLE_TELEMETRY']); "
        "ours.start_mlflow(); from mlflow.telemetry.utils import is_telemetry_disabled; print(is_telemetry_disabled())"
    )
    hidden = {"MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "CI", "PYTEST_CURRENT_TEST"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["False", "true", "True"]


@pytest.mark.parametrize("uri", ["''", "here", "/tmp/mlruns"])
def test_what_is_no_address_is_said(toy_config, uri):
    with pytest.raises(LabError, match="must be an address, as sqlite:///"):
        check_config(toy_config(f"tracking.uri={uri}"))


def test_password_of_a_store_is_kept_to_oneself_and_a_missing_driver_is_named(toy_config, monkeypatch):
    """As SQLAlchemy asks for the driver; none of them is here, whatever else is installed."""
    for driver in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, driver, None)
    config = toy_config("tracking.uri='postgresql://me:SEC@RET@127.0.0.1:1/lab?password=SECRET'")
    with pytest.raises(LabError) as caught:
        prepare_study(config)
    said = str(caught.value)
    assert "tracking.uri=postgresql://…@127.0.0.1:1/lab?password=… can't be used (psycopg" in said
    assert "is not installed: install it with pip)" in said
    assert "SEC" not in said


def test_password_stands_in_no_file_and_no_parameter(ready_config, tmp_path):
    secret = "postgresql://me:SECRET@host/lab"
    config = ready_config("training.epochs=5", "ladder.repeats=2", "split.test_fraction=0.3", f"sweep.storage={secret}")
    climb_ladder(config, tmp_path / "out", fit=fakes.fake_fit, command=[f"sweep.storage={secret}"])
    client = MlflowClient(tracking_uri=config.tracking.uri)
    experiment = client.get_experiment_by_name(config.tracking.experiment)
    [run] = client.search_runs([experiment.experiment_id], "tags.level = 'study'")
    assert run.data.params["sweep.storage"] == "postgresql://…@host/lab"
    assert "postgresql://…@host/lab" in (tmp_path / "out" / "config.yaml").read_text()
    assert "postgresql://…@host/lab" in (tmp_path / "out" / "report.html").read_text()
    for path in (tmp_path / "runs" / "mlflow.db", *(tmp_path / "out").iterdir()):
        assert b"SECRET" not in path.read_bytes(), path


def test_a_fit_that_ends_reads_of_its_run_only_which_epochs_are_there(ready_config, tmp_path, monkeypatch):
    """The driver's share of a study is what it asks MLflow for: half of it went into what it had just written."""
    asked, per_fit, attempt, close_fit = [], [], Rested.attempt, StudyView.close_fit

    def ask(self, call, *arguments, **named):
        asked.append(call.__name__)
        return attempt(self, call, *arguments, **named)

    def close(self, *fit):
        asked.clear()
        close_fit(self, *fit)
        per_fit.append(Counter(asked))

    monkeypatch.setattr(Rested, "attempt", ask)
    monkeypatch.setattr(StudyView, "close_fit", close)
    config = ready_config("training.epochs=5", "ladder.repeats=2", "split.test_fraction=0.3")
    climb_ladder(config, tmp_path / "out", fit=fakes.fake_fit)
    once = ("get_metric_history", "write_text", "log_batch", "set_terminated")
    assert per_fit[:6] == [Counter(once)] * 6
    assert per_fit[6:] == [Counter()] * (len(per_fit) - 6)  # nothing is lacking when all are shown again
