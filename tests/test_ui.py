"""`python -m rfcx_lab.ui` as a person has it: real servers on a store and on trials, taken ports, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import psutil
import pytest
from mlflow import MlflowClient

from rfcx_lab.search.trial_store import open_study
from rfcx_lab.tracking.store import ready_store
from rfcx_lab.ui import _newest_sweep
from tests.conftest import ROOT

ADDRESS = re.compile(r"^(MLflow UI|Optuna dashboard): (http://127\.0\.0\.1:(\d+))$", re.MULTILINE)
_ASK = build_opener(ProxyHandler({}))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder of runs with an MLflow store and a sweep's trials, both of which were begun."""
    runs = tmp_path_factory.mktemp("ui") / "runs"
    uri = f"sqlite:///{runs}/mlflow.db"
    with ready_store(uri, fill=lambda beside: MlflowClient(tracking_uri=beside).search_experiments()):
        MlflowClient(tracking_uri=uri).create_experiment("watched")
    open_study(str(runs / "optuna" / "plane.log"), name="plane", identity={}).ask()
    return runs


@dataclass
class Ui:
    """A running UI, and what it has said."""

    process: subprocess.Popen[str]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def addresses(self) -> dict[str, str]:
        return {name: address for name, address, _ in ADDRESS.findall(self.said)}

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait_for(self, condition: Callable[[], object], *, running: bool = True) -> None:
        deadline = time.monotonic() + 240
        while not condition():
            assert time.monotonic() < deadline, self.said
            assert not running or self.process.poll() is None, self.said
            time.sleep(0.05)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Ui]:
    log = folder / "said"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "rfcx_lab.ui", *arguments],
            **{"cwd": ROOT, "stdout": output, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True},
        )
    ui = Ui(process, log)
    try:
        yield ui
    finally:
        left = [] if process.poll() is not None else ui.family()
        for each in (*left, process):
            each.kill()
        process.wait()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rfcx_lab.ui", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)


def fetch(address: str, **headers: str) -> bytes:
    with _ASK.open(Request(address, headers=headers), timeout=60) as answer:
        assert answer.status == 200
        return answer.read()


def hold(stack: ExitStack, port: int) -> None:
    """Have a port taken, by whomever."""
    try:
        stack.enter_context(socket.create_server(("127.0.0.1", port)))
    except OSError:
        assert port in {at.laddr.port for at in psutil.net_connections("tcp") if at.status == psutil.CONN_LISTEN}


def test_both_answer_on_this_machine_alone_and_end_with_ctrl_c(runs, tmp_path):
    with ExitStack() as stack:
        for port in (5000, 8080):
            hold(stack, port)
        ui = stack.enter_context(started(tmp_path, "--runs-dir", str(runs)))
        ui.wait_for(lambda: len(ui.addresses) == 2)
        for name, port in (("MLflow UI", 5000), ("Optuna dashboard", 8080)):
            assert f"Port {port} is taken: the {name} takes {ui.addresses[name].rpartition(':')[2]}." in ui.said
        assert b"<title>MLflow</title>" in fetch(ui.addresses["MLflow UI"])
        found = json.loads(fetch(ui.addresses["MLflow UI"] + "/api/2.0/mlflow/experiments/search?max_results=9"))
        assert "watched" in {experiment["name"] for experiment in found["experiments"]}
        telemetry = json.loads(fetch(ui.addresses["MLflow UI"] + "/ajax-api/3.0/mlflow/ui-telemetry"))
        assert telemetry["disable_ui_telemetry"] is True
        [study] = json.loads(fetch(ui.addresses["Optuna dashboard"] + "/api/studies"))["study_summaries"]
        assert study["study_name"] == "plane"
        family = ui.family()
        listening = [at.laddr for each in family for at in each.net_connections() if at.status == psutil.CONN_LISTEN]
        assert {at.ip for at in listening} == {"127.0.0.1"}
        assert {f"http://{at.ip}:{at.port}" for at in listening} == set(ui.addresses.values())
        os.killpg(ui.process.pid, signal.SIGINT)
        ui.wait_for(lambda: ui.process.poll() is not None, running=False)
        assert ui.process.returncode == 0, ui.said
        assert "Traceback" not in ui.said
        assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def dashboard_on(runs: Path, folder: Path) -> Iterator[Ui]:
    """The Optuna dashboard alone, as `make dashboard` has it."""
    with started(folder, "--runs-dir", str(runs), "--only", "optuna") as ui:
        ui.wait_for(lambda: ui.addresses)
        yield ui


@pytest.fixture
def dashboard(runs, tmp_path) -> Iterator[Ui]:
    """One to be killed."""
    with dashboard_on(runs, tmp_path) as ui:
        yield ui


@pytest.fixture(scope="module")
def lasting(runs, tmp_path_factory) -> Iterator[Ui]:
    """One to be asked."""
    with dashboard_on(runs, tmp_path_factory.mktemp("lasting")) as ui:
        yield ui


def test_a_server_that_dies_is_told(dashboard):
    [server] = dashboard.family()
    server.kill()
    dashboard.wait_for(lambda: dashboard.process.poll() is not None, running=False)
    assert dashboard.process.returncode == 1
    assert re.search(r"^The Optuna dashboard has ended \(status -9\)\.$", dashboard.said, re.MULTILINE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_server_outlives_its_parent(dashboard, number):
    """Not even one that is killed alone, and has no say in it."""
    [server] = dashboard.family()
    dashboard.process.send_signal(number)
    dashboard.wait_for(lambda: dashboard.process.poll() is not None, running=False)
    assert dashboard.process.returncode == (0 if number == signal.SIGTERM else -number)
    dashboard.wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, running=False)


def test_a_page_that_had_its_name_lead_here_is_not_answered(lasting):
    address = lasting.addresses["Optuna dashboard"]
    assert fetch(f"{address}/api/studies", Host=address.removeprefix("http://"))
    with pytest.raises(HTTPError, match="403"):
        fetch(f"{address}/api/studies", Host="elsewhere.example:80")


def test_a_second_server_takes_the_next_port_and_of_several_sweeps_the_last(lasting, runs, tmp_path):
    older, newer = tmp_path / "optuna" / "a.log", tmp_path / "optuna" / "b.log"
    older.parent.mkdir()
    for path in (older, newer):
        path.write_bytes((runs / "optuna" / "plane.log").read_bytes())
    os.utime(older, (1, 1))
    with dashboard_on(tmp_path, tmp_path) as second:
        assert second.addresses != lasting.addresses
        assert fetch(second.addresses["Optuna dashboard"] + "/api/studies")
        assert f"Of 2 sweeps, {newer} was written to last; --storage opens {older}." in second.said
    port = lasting.addresses["Optuna dashboard"].rpartition(":")[2]
    refused = run("--runs-dir", str(runs), "--only", "optuna", "--optuna-port", port)
    assert_one_sentence(refused, f"Port {port} of 127.0.0.1 can't be had for the Optuna dashboard")


def assert_one_sentence(finished: subprocess.CompletedProcess[str], words: str) -> None:
    assert finished.returncode == 1
    [sentence] = finished.stderr.splitlines()
    assert words in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 500


def finish_study(runs: Path, name: str, *, kind: str, storage: str, at: float) -> None:
    """What a finished study leaves of its config."""
    path = runs / "studies" / name / "now" / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"name: {name}\nkind: {kind}\nsweep:\n  sampler: tpe\n  storage: {storage}\ntracking:\n  uri: x\n")
    os.utime(path, (at, at))


def test_of_several_sweeps_one_in_a_database_may_be_the_last(tmp_path):
    journal = tmp_path / "optuna" / "plane.log"
    journal.parent.mkdir()
    journal.touch()
    os.utime(journal, (20, 20))
    finish_study(tmp_path, "old", kind="sweep", storage="postgresql://host/old", at=10)
    finish_study(tmp_path, "ladder", kind="ladder", storage="postgresql://host/no", at=50)
    assert _newest_sweep(tmp_path) == str(journal)
    finish_study(tmp_path, "new", kind="sweep", storage="postgresql://host/new", at=30)
    assert _newest_sweep(tmp_path) == "postgresql://host/new"
    finish_study(tmp_path, "hidden", kind="sweep", storage="postgresql://…@host/lab", at=40)
    refused = run("--runs-dir", str(tmp_path), "--only", "optuna")
    assert_one_sentence(refused, "The last sweep's trials are in postgresql://…@host/lab, and who may open it is")
    assert "make dashboard STORAGE=" in refused.stderr


@pytest.mark.parametrize(
    ("files", "arguments", "words"),
    [
        ({}, [], "There is no study yet: {runs}/mlflow.db does not exist; make ladder makes it"),
        ({}, ["--only", "optuna"], "There is no sweep yet in {runs}/optuna: make sweep makes one."),
        ({}, ["--only", "optuna", "--storage", "{runs}/other.log"], "{runs}/other.log does not exist"),
        ({}, ["--only", "optuna", "--storage", "sqlite:///{runs}/other.db"], "{runs}/other.db does not exist"),
        (
            {"mlflow.db": b"x" * 5000},
            ["--only", "mlflow"],
            "{runs}/mlflow.db is no store that MLflow can open (file is not a database)",
        ),
        ({"mlflow.db": b""}, ["--only", "mlflow"], "(no such table: experiments)"),
        ({"optuna/x.log": b"no\njournal\n"}, ["--only", "optuna"], "{runs}/optuna/x.log can't be read: Expecting"),
        ({"o.db": b""}, ["--only", "optuna", "--storage", "sqlite:///{runs}/o.db"], "no trials that Optuna can open"),
    ],
)
def test_a_store_that_is_missing_or_damaged_is_one_sentence(files, arguments, words, tmp_path):
    runs = tmp_path / "runs"
    for name, content in files.items():
        (runs / name).parent.mkdir(parents=True, exist_ok=True)
        (runs / name).write_bytes(content)
    finished = run("--runs-dir", str(runs), *(argument.format(runs=runs) for argument in arguments))
    assert_one_sentence(finished, words.format(runs=runs))
    for name, content in files.items():
        assert (runs / name).read_bytes() == content


def test_help_imports_nothing_heavy():
    code = (
        "import runpy, sys\n"
        "sys.argv = ['ui', '--help']\n"
        "try: runpy.run_module('rfcx_lab.ui', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split("LOADED")[1].split())
    assert "--tracking-uri" in done.stdout
    assert not loaded & {"mlflow", "optuna", "optuna_dashboard", "numpy", "hydra", "omegaconf", "rich"}


@pytest.mark.parametrize(("target", "words"), [("ui", "-m rfcx_lab.ui"), ("dashboard", "-m rfcx_lab.ui --only optuna")])
def test_make_starts_it(target, words):
    own = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}  # of the make that runs tests
    shown = subprocess.run(["make", "-n", target], cwd=ROOT, env=own, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1].strip().endswith(words)
