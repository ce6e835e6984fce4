"""How long one waits: for `--help`, against `import hydra`; and for a study's first epoch, cold and warm.

    python benchmarks/start.py

Every figure is the wall-clock time of a fresh process. The first epoch counts once it stands in MLflow, so it includes
tracing and training it; next to it stands a bare script that imports Keras and fits the same rung for one epoch. Cold:
nothing there yet, the toy soundscape is made, features computed, the store's tables created. Warm: all of that is
there, the fits are not. A minute.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import count
from pathlib import Path

from measure import Task, check, describe_machine, interleave, ratios, show

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("tensorflow", "keras", "librosa", "mlflow", "numpy", "pandas", "distributed")
STUDY = [sys.executable, "-m", "rfcx_lab", "+experiment=smoke", "ladder.only=[LSTM 32]"]
BARE = """
import os
os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3")
import keras, numpy
model = keras.Sequential([keras.Input((32, 40)), keras.layers.LSTM(32), keras.layers.Dense(6, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
x, y = numpy.random.normal(size=(80, 32, 40)).astype("float32"), numpy.arange(80) % 6
model.fit(x[:60], y[:60], batch_size=16, verbose=0)
model.evaluate(x[:60], y[:60], batch_size=128, verbose=0)
model.evaluate(x[60:], y[60:], batch_size=128, verbose=0)
"""


def main() -> int:
    """Measure, and say whether the aims are met."""
    options = _options()
    describe_machine(["hydra-core", "mlflow", "keras", "tensorflow", "distributed"])
    _loaded_by_help()  # byte code is written
    commands = {"import hydra": [sys.executable, "-c", "import hydra"], "--help": [*STUDY[:3], "--help"]}
    taken = interleave({name: partial(_run, command) for name, command in commands.items()}, rounds=options.rounds)
    show(taken)
    aims = [
        check("--help against import hydra", ratios(taken["--help"], taken["import hydra"]), at_most=2),
        check(f"heavy modules imported by --help ({', '.join(HEAVY)})", [len(_loaded_by_help())], at_most=0),
    ]
    if options.study_rounds:
        _compare_studies(options.study_rounds)
    return 0 if all(aims) else 1


def _compare_studies(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs = (Path(folder) / f"runs{i}" for i in count())
        kept, epochs = next(runs), count(11)
        _first_epoch(kept, epochs=10)
        ways: dict[str, Task] = {
            "bare script": lambda: _run([sys.executable, "-c", BARE]),
            "cold": lambda: _first_epoch(next(runs), epochs=10),
            "warm": lambda: _first_epoch(kept, epochs=next(epochs)),  # other fits of the same data
        }
        taken = interleave(ways, rounds=rounds)
    show(taken)
    for name in ("cold", "warm"):
        check(f"first epoch, {name}, against the bare script", ratios(taken[name], taken["bare script"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="of --help and import hydra")
    parser.add_argument("--study-rounds", type=int, default=3, help="of the studies; 0: none")
    return parser.parse_args()


def _run(command: list[str]) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _loaded_by_help() -> list[str]:
    code = (
        "import runpy, sys\n"
        "sys.argv = ['rfcx_lab', '--help']\n"
        "try: runpy.run_module('rfcx_lab', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in run.stdout.split("LOADED")[1].split() if name in HEAVY]


def _first_epoch(runs: Path, *, epochs: int) -> float:
    """Seconds from the command to the first epoch in the store; the study is then killed."""
    store = runs / "mlflow.db"
    before = _metrics(store)
    begin = time.perf_counter()
    study = subprocess.Popen(
        [*STUDY, f"runs_dir={runs}", f"training.epochs={epochs}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while _metrics(store) == before:
            if study.poll() is not None:
                raise RuntimeError(f"The study ended with status {study.returncode} before its first epoch.")
            time.sleep(0.02)
        return time.perf_counter() - begin
    finally:
        os.killpg(study.pid, signal.SIGKILL)
        study.wait()


def _metrics(store: Path) -> int:
    """Rows of the store's metrics; none while it or its tables are being made."""
    if not store.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=1) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM metrics").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
