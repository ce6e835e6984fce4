"""Work on machines that need not see this one's files: what it needs goes with it, what it finds comes back.

Each item is an errand. A fit comes back as it is, and the driver keeps it: a worker writes nothing of a study but its
curves in MLflow and, where it sees the driver's files, how far a fit has come. What is large is read where it can be
seen, and the worker says at each errand whether it can, by what it finds there and not by a setting: a folder of
windows is named by the hash of all that they are made of, and a recording is told by its digest. Where it can't,
windows are brought to it, once, and kept in the folder that Dask gives each worker and removes with it. Recordings are
not brought: the stretches to be cut out of them are tens of times larger than the features, so the driver's machine
computes these.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rfcx_lab.data.recordings import Recording, find_recording
from rfcx_lab.engine.fits import FitSpec, FitStore
from rfcx_lab.engine.passport import Passport, own_passport, refusal
from rfcx_lab.engine.reach import absolute_uri, is_open_here, this_machine
from rfcx_lab.engine.under_way import Marker, remove_mark
from rfcx_lab.engine.work import FitFunction, Job, fit_job, keep_measured, measure, measure_model, train
from rfcx_lab.errors import LabError
from rfcx_lab.features.cache import WINDOWS_FILE, WindowStore
from rfcx_lab.features.segments import Segment
from rfcx_lab.files import is_disk_full
from rfcx_lab.model.fit import Fit

_one_at_a_time = threading.Lock()  # Keras's state is a process's, and a worker may have several threads


@dataclass(frozen=True)
class Errand:
    """An item on its way: what is to be done with it, for whom, and what it needs of the driver's files."""

    function: Callable[[Any], Any]
    item: Any
    passport: Passport
    machine: str
    model: bytes | None = None  # to be measured


@dataclass(frozen=True)
class Lacking:
    """A worker's answer where it can't see what the item reads: these windows, or else a recording."""

    worker: str  # its address
    windows: WindowStore | None


class UnwantedError(Exception):
    """Ends a fit whose driver has stopped, or is gone."""


def pack(function: Callable[[Any], Any], item: Any) -> Errand:
    """Make an item ready to be sent."""
    model = None
    if isinstance(item, Job):
        if function is measure:
            model = FitStore(item.store).best_model(item.model.key).read_bytes()
        windows = item.spec.windows
        spec = replace(item.spec, windows=replace(windows, path=windows.path.absolute()))
        store, uri = item.store.absolute(), absolute_uri(item.tracking_uri)
        item = replace(item, spec=spec, store=store, tracking_uri=uri)
    elif _are_segments(item):
        item = [replace(s, recording=replace(s.recording, path=s.recording.path.absolute())) for s in item]
    return Errand(function, item, own_passport(), this_machine(), model)


def carry_out(errand: Errand, *, worker: str, folder: Path, wanted: Callable[[], bool]) -> Any:
    """On a worker, do what is asked for; `folder` is where windows are brought to, `wanted` whether they still are.

    Raises:
        LabError: this worker has other versions than the driver, or its disk is full.
    """
    if refused := refusal(own_passport(), who=f"The worker {worker}", ours=errand.passport):
        raise LabError(refused)
    try:
        if isinstance(errand.item, Job):
            with _one_at_a_time:
                return _do_job(errand, errand.item, worker=worker, folder=folder, wanted=wanted)
        if _are_segments(errand.item) and not all(map(_is_here, {segment.recording for segment in errand.item})):
            return Lacking(worker, None)
        return errand.function(errand.item)
    except Exception as error:
        if is_disk_full(error):
            raise disk_refusal() from error
        raise


def unpack(function: Callable[[Any], Any], item: Any, answer: Any) -> Any:
    """Keep what was found where `function` itself would have, and give back what it would have."""
    if function is train:
        return FitStore(item.store).write(item.spec, answer)
    if function is measure:
        keep_measured(item, answer)
    return answer


def keep_part(path: Path, part: bytes, *, at: int, sender: str, last: bool) -> None:
    """On a worker, keep a part of a file that is being brought, from byte `at` on; with the last one it is there."""
    beside = path.with_name(f".{path.name}.{sender}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside.open("r+b" if at else "wb") as file:
        file.seek(at)
        file.write(part)
    if last:
        beside.replace(path)


def brought_to(folder: Path, windows: WindowStore) -> Path:
    """Where windows are kept that were brought."""
    return folder / windows.key / WINDOWS_FILE


def disk_refusal() -> LabError:
    """What a full disk of a worker's machine comes to."""
    return LabError(
        f"No space is left on a disk of {own_passport().host}, on which a worker runs: make room there, and the same "
        "command goes on from here; finished fits and features are kept."
    )


def _do_job(errand: Errand, job: Job, *, worker: str, folder: Path, wanted: Callable[[], bool]) -> Any:
    windows, brought = job.spec.windows, brought_to(folder, job.spec.windows)
    if not (windows.path / WINDOWS_FILE).is_file():
        if not brought.is_file():
            return Lacking(worker, windows)
        windows = replace(windows, path=brought.parent)
    spec = replace(job.spec, windows=windows)
    if errand.function is train:
        run_id = job.run_id if is_open_here(job.tracking_uri, machine=errand.machine) else ""
        fit = partial(_fit_while_wanted, job.fit, wanted)
        try:
            return fit_job(replace(job, spec=spec, run_id=run_id, fit=fit), Marker(job.store, spec.key))
        finally:
            remove_mark(job.store, spec.key)  # a driver that sees another folder under this name can't
    if errand.function is measure:
        return _measure(spec, errand.model or b"", job.part)
    return errand.function(replace(job, spec=spec))


def _fit_while_wanted(fit: FitFunction, wanted: Callable[[], bool], *rung: Any, on_epoch: Any, **options: Any) -> Fit:
    """`fit`, ended after an epoch in which its driver has gone: nobody else can end a thread of a worker."""

    def heard(number: int, epoch: Any) -> None:
        if not wanted():
            raise UnwantedError
        on_epoch(number, epoch)

    return fit(*rung, on_epoch=heard, **options)


def _measure(spec: FitSpec, model: bytes, part: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(model)
        return measure_model(spec, path, part=part)


def _are_segments(item: Any) -> bool:
    return isinstance(item, list) and bool(item) and all(isinstance(each, Segment) for each in item)


def _is_here(recording: Recording) -> bool:
    return find_recording(recording.path.parent, recording.path.stem) == recording
