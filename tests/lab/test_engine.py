from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from rfcx_lab.config import EngineConfig
from rfcx_lab.engine.engine import open_engine
from rfcx_lab.engine.failure import Failure
from rfcx_lab.errors import LabError

PREPARING_SECONDS = 2.5  # after which Dask would expect preparing to last far longer than an item that it doesn't know
ENGINES = {"inline": EngineConfig("inline"), "local": EngineConfig("local", workers=2)}


def double(number: int) -> int:
    if number == 3:
        raise ValueError("three is right out")
    if number == 4:
        raise LabError("four is not allowed.")
    return 2 * number


def die_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def die_or_double(number: int) -> int:
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def note(path: Path) -> None:
    with path.open("a") as file:
        file.write("done ")


def process_of(_: int) -> int:
    return os.getpid()


def sign_in(folder: Path) -> None:
    time.sleep(0.3)  # an item that doesn't wait for it would find no signature
    (folder / f"process {os.getpid()}").touch()


def be_first_or_wait(folder: Path) -> None:
    """Only one worker is ready before an item has begun."""
    try:
        (folder / "ready").touch(exist_ok=False)
    except FileExistsError:
        await_file(folder / "begun")


def meet(folder: Path, count: int, number: int) -> int:
    """Done once all have begun."""
    (folder / "begun").touch()
    (folder / f"there {number}").touch()
    for other in range(count):
        await_file(folder / f"there {other}")
    return os.getpid()


def meet_after_a_death(folder: Path, count: int, number: int) -> int:
    """The same, but the first one dies once before it is there."""
    if number == 0 and not (folder / "died").exists():
        await_file(folder / "there 1")
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return meet(folder, count, number)


def await_file(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path.name} never came")
        time.sleep(0.02)


def read_signature(path: Path) -> str:
    return "prepared" if (path.parent / f"process {os.getpid()}").exists() else "unprepared"


@pytest.mark.parametrize("kind", ENGINES)
def test_an_item_that_raises_is_a_failure_and_the_rest_goes_on(kind):
    with open_engine(ENGINES[kind]) as engine:
        results = dict(engine.run(double, [1, 2, 3, 5]))
    assert results == {1: 2, 2: 4, 3: Failure("ValueError: three is right out"), 5: 10}


@pytest.mark.parametrize("kind", ENGINES)
def test_map_keeps_the_order(kind):
    with open_engine(ENGINES[kind]) as engine:
        assert list(engine.map(double, [5, 1, 2])) == [10, 2, 4]


@pytest.mark.parametrize("kind", ENGINES)
def test_bad_input_ends_the_run(kind):
    with open_engine(ENGINES[kind]) as engine, pytest.raises(LabError, match="four is not allowed"):
        list(engine.run(double, [1, 4]))


def test_a_worker_that_dies_costs_one_retry(tmp_path):
    with open_engine(ENGINES["local"]) as engine:
        assert dict(engine.run(die_once, [tmp_path / "marker"])) == {tmp_path / "marker": "survived"}


def test_an_item_that_kills_every_worker_is_recorded_and_the_rest_goes_on():
    with open_engine(ENGINES["local"]) as engine:
        results = dict(engine.run(die_or_double, range(6)))
    assert results.pop(0) == Failure("its worker process died 2 times (out of memory?)")
    assert results == {n: 2 * n for n in range(1, 6)}


def test_workers_are_recycled():
    with open_engine(EngineConfig("local", workers=1, recycle_after=2)) as engine:
        processes = [process for _, process in engine.run(process_of, range(6))]
    assert processes[0] == processes[1] != processes[2] == processes[3] != processes[4]


def test_recycling_repeats_no_work(tmp_path):
    with open_engine(EngineConfig("local", workers=2, recycle_after=2)) as engine:
        results = dict(engine.run(note, [tmp_path / str(n) for n in range(8)]))
    assert [path.read_text() for path in sorted(results)] == ["done "] * 8


@pytest.mark.parametrize("kind", ENGINES)
def test_preparing_workers_changes_no_result(kind, tmp_path):
    with open_engine(ENGINES[kind]) as engine:
        engine.prepare(partial(sign_in, tmp_path))
        found = dict(engine.run(read_signature, [tmp_path / str(n) for n in range(4)]))
    assert set(found.values()) == {"local": {"prepared"}, "inline": {"unprepared"}}[kind]


def test_items_wait_for_workers_that_are_not_ready_rather_than_for_one_another(tmp_path):
    with open_engine(EngineConfig("local", workers=3)) as engine:
        assert_first_items_meet(engine, tmp_path)


def assert_first_items_meet(engine, folder: Path) -> None:
    """None waits behind another, though all but one worker prepare for long."""
    engine.prepare(partial(be_first_or_wait, folder))
    await_file(folder / "ready")
    time.sleep(PREPARING_SECONDS)
    results = dict(engine.run(partial(meet, folder, engine.workers), range(engine.workers)))
    assert not [found for found in results.values() if isinstance(found, Failure)]
    assert len(set(results.values())) == engine.workers


def test_workers_that_could_not_be_prepared_work_all_the_same(tmp_path):
    with open_engine(ENGINES["local"]) as engine:
        engine.prepare(partial(sign_in, tmp_path / "missing"))
        assert dict(engine.run(double, [1, 2])) == {1: 2, 2: 4}


def test_prepared_workers_are_recycled_too(tmp_path):
    with open_engine(EngineConfig("local", workers=1, recycle_after=2)) as engine:
        engine.prepare(partial(sign_in, tmp_path))
        processes = [process for _, process in engine.run(process_of, range(4))]
    assert processes[0] == processes[1] != processes[2] == processes[3]


def test_an_engine_is_closed_while_its_workers_are_being_prepared(tmp_path):
    with open_engine(ENGINES["local"]) as engine:
        engine.prepare(partial(sign_in, tmp_path))
    assert engine._client is None


def test_engine_starts_no_worker_before_it_has_work():
    with open_engine(ENGINES["local"]) as engine:
        assert list(engine.run(double, [])) == []
        assert engine._client is None


@pytest.mark.parametrize("config", [EngineConfig("warp"), EngineConfig("local", workers=0)])
def test_bad_engine_is_named(config):
    with pytest.raises(LabError, match="engine"), open_engine(config):
        pass
