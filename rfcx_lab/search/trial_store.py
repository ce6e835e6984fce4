"""Where the trials of a sweep are kept, a journal file or any database that Optuna takes, and whose trials they are."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from rfcx_lab.errors import LabError, hide_password
from rfcx_lab.files import is_disk_full
from rfcx_lab.search.database import address, alone_in, engine_options, is_server, why
from rfcx_lab.search.trials import DIRECTION

SHARED = "as sweep.storage=postgresql://user:password@host/name"
_IDENTITY = "rfcx_lab"  # user attribute of a study: what makes its trials comparable
_STALE = 5  # seconds after which a killed driver's lock on the journal is taken over; held for one write
_OPENING = 60.0  # seconds to wait for another driver that is making the tables
_LONGEST = 60  # characters of a value that differs
_MOST_NAMED = 3
_SETTLED = "sweep.settled."  # when its fits end


def check_storage(storage: str) -> None:
    """Raise LabError where trials can't be kept there, which is better known before hours of features."""
    with _usable(storage):
        if "://" in storage:
            engine = sqlalchemy.create_engine(
                address(storage), poolclass=sqlalchemy.NullPool, **engine_options(storage)
            )
            sqlalchemy.inspect(engine).get_table_names()
        elif os.path.lexists(storage):
            with Path(storage).open("rb+"):
                _mend(Path(storage))


@contextmanager
def held(storage: str) -> Iterator[None]:
    """Be the only driver of a study that lies in a file; a database's drivers see to each other.

    Raises:
        LabError: there is another one.
    """
    if is_server(storage):
        yield
        return
    with _usable(storage):
        path = sqlalchemy.make_url(storage).database if "://" in storage else storage
        if not str(path or "").strip() or path == ":memory:":
            raise ValueError("it names no file")
        Path(str(path)).parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{path}.driver", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise LabError(
                f"sweep.storage={storage} is in use by another driver, and a file has only one: wait for its end, or "
                f"let both work on one database, {SHARED}."
            ) from None
    try:
        yield
    finally:
        lock.release()


def open_study(storage: str, *, name: str, identity: Mapping[str, Any]) -> optuna.Study:
    """The study of that name, made if it is not there yet.

    Raises:
        LabError: the storage can't be opened, or the study there is another one: of another space, other data.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with _usable(storage), _alone_while_opening(storage):
        opened = _open_storage(storage)
        study = optuna.create_study(
            study_name=name,
            storage=opened,
            direction=DIRECTION,
            load_if_exists=True,
            sampler=optuna.samplers.RandomSampler(),  # each trial is asked for with one of its own
        )
        there = study.user_attrs.get(_IDENTITY)
        if there is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(_IDENTITY, dict(identity))
            return study
        names = optuna.get_all_study_names(opened)
    _compare(there, identity, name=name, names=names, storage=storage)
    return study


@contextmanager
def _usable(storage: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a broken journal, a database and its driver each raise their own
        if isinstance(error, LabError) or is_disk_full(error):
            raise
        raise LabError(
            f"sweep.storage={hide_password(storage)} can't be used ({why(error)}): it must be a journal file of "
            "Optuna, or the URL of a database that is there, with its driver installed."
        ) from error


def _alone_while_opening(storage: str) -> AbstractContextManager[None]:
    """Two that make a database's tables at once would both fail."""
    return alone_in(storage, "rfcx_lab tables", patience=_OPENING) if is_server(storage) else nullcontext()


def _open_storage(storage: str) -> BaseStorage:
    if "://" in storage:
        url = address(storage).replace("{", "{{").replace("}", "}}")  # Optuna fills in templates
        return RDBStorage(url, engine_options(storage))
    path = Path(storage)
    path.parent.mkdir(parents=True, exist_ok=True)
    _mend(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return JournalStorage(JournalFileBackend(storage, JournalFileSymlinkLock(storage, grace_period=_STALE)))


def _mend(path: Path) -> None:
    """Cut off the line that a killed writer, or a full disk, has left without its end: Optuna would not go on.

    Raises:
        ValueError: a whole line is none of a journal; Optuna would write behind it.
    """
    content = path.read_bytes() if path.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if not whole and content:
        raise ValueError("its first line has no end")
    for number, line in enumerate(whole.splitlines(), start=1):
        entry = json.loads(line) if line[:1] == b"{" else None
        if not isinstance(entry, dict) or "op_code" not in entry:
            raise ValueError(f"its line {number} is none of a journal")
    if len(whole) < len(content):
        with path.open("rb+") as file:
            file.truncate(len(whole))


def _compare(
    there: Mapping[str, Any] | None, asked: Mapping[str, Any], *, name: str, names: list[str], storage: str
) -> None:
    if there == json.loads(json.dumps(asked)):
        return
    free = next(new for n in range(2, 10_000) if (new := f"{name}-{n}") not in names)
    where = f"{hide_password(storage)} holds a study {name}"
    if there is None:
        raise LabError(f"{where} that no sweep has made; choose a name for this one, as name={free}.")
    old, here = _flat(there), _flat(asked)
    keys = [key for key in {**old, **here} if old.get(key) != here.get(key)]
    named = [f"{key} is {_cut(old.get(key))} there and {_cut(here.get(key))} here" for key in keys[:_MOST_NAMED]]
    more = f", and {len(keys) - _MOST_NAMED} more differ" if len(keys) > _MOST_NAMED else ""
    raise LabError(
        f"{where} of another kind ({'; '.join(named)}{more}): their trials can't be compared; {_go_on(old, here, keys)}"
        f"run this one under a name of its own, as name={free}."
    )


def _go_on(there: Mapping[str, Any], here: Mapping[str, Any], keys: Sequence[str]) -> str:
    """How the stored study would go on, where it is told apart by when its fits end alone; else nothing."""
    if not all(key.startswith(_SETTLED) for key in keys):
        return ""
    if here.get("training.keep") == "last":  # such fits never end early
        return ""
    if not any(key.startswith(_SETTLED) for key in there):
        return "to go on with it, set sweep.end_settled=false, which trains every fit to its budget as there; or "
    if not any(key.startswith(_SETTLED) for key in here):
        return (
            "to go on with it, set sweep.end_settled=true, which ends a fit once its verdict is settled as there; or "
        )
    values = [f"{key}={json.dumps(there[key])}" for key in keys if key in there]
    return f"to go on with it, set {' '.join(values)}; or "


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(node, Mapping):
        return {prefix: json.loads(json.dumps(node))}
    return {k: v for name, child in node.items() for k, v in _flat(child, f"{prefix}.{name}".lstrip(".")).items()}


def _cut(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
