"""A fit's identity, and the store of finished ones.

The store is the truth: `runs/fits/<key>/` holds `fit.json` (curves, status), `best.keras`, and what it
predicts on the test part once it was measured there. MLflow is a view of it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import MISSING

from rfcx_lab.config import RungConfig, TrainingConfig, signature
from rfcx_lab.data.splits import Split
from rfcx_lab.errors import LabError
from rfcx_lab.features.cache import WindowStore
from rfcx_lab.files import whole_file, whole_folder
from rfcx_lab.model.backend import versions
from rfcx_lab.model.fit import Fit
from rfcx_lab.verdict.chance import chance_loss
from rfcx_lab.verdict.curves import Curves
from rfcx_lab.verdict.settled import SettledRule

SCHEMA = 2  # raised when the same spec would give another curve


@dataclass(frozen=True)
class FitSpec:
    """All that decides a fit's curve; small enough to send to a worker."""

    rung: RungConfig
    split: Split
    seed: int
    windows: WindowStore
    labels: NDArray[np.int64]
    classes: int
    time_major: bool
    training: TrainingConfig
    settled: SettledRule | None = None  # when it may end before its budget; None: never

    @property
    def whole(self) -> FitSpec:
        """The same fit, trained to its budget whatever its curve."""
        return replace(self, settled=None)

    @property
    def title(self) -> str:
        """What a person calls the fit: its rung, and which repeat."""
        return f"{self.rung.name} · {self.split.repeat}"

    @property
    def chance_loss(self) -> float:
        """What the best constant guess comes to on the validation part. It follows from the spec; no record has it."""
        own = self.labels[self.split.train], self.labels[self.split.validation]
        return chance_loss(*own, classes=self.classes)

    @property
    def key(self) -> str:
        """16 hex digits over data, features, split, seed, architecture, training and library versions.

        What a fit is that may end before its budget hangs on the rule by which it does; so it is another one.
        """
        rung = signature(replace(self.rung, name=MISSING, role="capacity"))  # a name changes no curve
        identity = {
            "schema": SCHEMA,
            "windows": self.windows.key,
            "labels": hashlib.blake2b(self.labels.tobytes(), digest_size=8).hexdigest(),
            "classes": self.classes,
            "time_major": self.time_major,
            "split": self.split.key,
            "seed": self.seed,
            "rung": rung,
            "training": signature(self.training),
            "versions": versions(),
            **({} if self.settled is None else {"settled": _identify(self.settled)}),  # what is whole keeps its key
        }
        if not self.time_major:
            identity["scaled"] = "by coefficient"  # before, by frame, which is what is last where axes are turned
        return hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=8).hexdigest()


def _identify(rule: SettledRule) -> dict[str, Any]:
    return {"margin": rule.margin, **asdict(rule.config), "onset": signature(rule.onset)}


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What one fit's kept epoch does on a part: cross-entropy in nats, accuracy, and what it predicts."""

    loss: float
    accuracy: float
    probabilities: NDArray[np.float32]  # [rows of the part, classes]


class FitStore:
    """Finished fits under one folder, by key."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, spec: FitSpec) -> str | None:
        """The key of the finished fit that serves `spec`; None where there is none.

        A whole one serves whoever would have been content with less; one that ended before its budget serves no other
        rule, and never whoever wants it whole.
        """
        serving = self.serving(spec)
        return None if serving is None else serving.key

    def serving(self, spec: FitSpec) -> FitSpec | None:
        """`spec`, or the same fit as a whole one: whichever has the record that `find` tells of."""
        return next((each for each in (spec.whole, spec) if self.has(each.key)), None)

    def has(self, key: str) -> bool:
        """Whether the fit is finished (a fit whose loss diverged is), and its record whole."""
        return self._path(key).is_file() and _is_whole(self._path(key))

    def damage(self, spec: FitSpec) -> Path | None:
        """The record of a fit that can't be read, as after a power cut, if it is there: the fit counts as missing."""
        paths = (self._path(key) for key in (spec.whole.key, spec.key))
        return next((path for path in paths if path.is_file() and not _is_whole(path)), None)

    def write(self, spec: FitSpec, fit: Fit) -> str:
        """Keep a finished fit: whole, or not at all; returns the key that it is kept under.

        One that might have ended before its budget and did not is the whole one.
        """
        key = spec.key if fit.settled else spec.whole.key
        record = {
            "key": key,
            "rung": asdict(spec.rung),
            "seed": spec.seed,
            "failure": fit.failure,
            "best_epoch": fit.best_epoch,
            "epochs": len(fit.epochs),
            "budget": spec.training.epochs,
            "curves": curves_of(spec, fit).to_dict(),
        }
        if not self.has(key):  # a folder without its record is no fit
            shutil.rmtree(self._root / key, ignore_errors=True)
        with whole_folder(self._root / key) as folder:
            (folder / "fit.json").write_text(json.dumps(record, indent=1, allow_nan=False))
            if fit.best_model is not None:
                self._model(folder).write_bytes(fit.best_model)
        return key

    def read_curves(self, spec: FitSpec) -> Curves:
        """The curves of a finished fit, under the repeat that `spec` gives it, with what they are judged against."""
        record = self._record(self.find(spec) or spec.key)
        return against(spec, _curves(record, repeat=spec.split.repeat))

    def best_epoch(self, key: str) -> int | None:
        """The epoch, from 1, whose weights were kept; none where no epoch had a finite loss."""
        epoch = self._record(key)["best_epoch"]
        return None if epoch is None else int(epoch)

    def best_model(self, key: str) -> Path:
        """The .keras file of a finished fit's best epoch."""
        return self._model(self._root / key)

    def has_model(self, key: str) -> bool:
        """Whether the fit came to its end and kept its best epoch."""
        return self.has(key) and self._record(key)["failure"] is None and self.best_model(key).is_file()

    def held_out(self, spec: FitSpec, part: str = "test", *, windows: WindowStore | None = None) -> HeldOut | None:
        """What the fit's kept epoch was measured to do on a part of its split, if it was.

        With `windows`: shown these of the same calls, in place of its own.
        """
        path = self._held_out(spec, part, windows)
        if not path.is_file():
            return None
        with np.load(path) as kept:
            return HeldOut(float(kept["loss"]), float(kept["accuracy"]), kept["probabilities"])

    def write_held_out(
        self, spec: FitSpec, result: HeldOut, part: str = "test", *, windows: WindowStore | None = None
    ) -> None:
        """Keep a measurement on a part."""
        with whole_file(self._held_out(spec, part, windows)) as beside, beside.open("wb") as file:
            np.savez_compressed(file, **asdict(result))

    def _held_out(self, spec: FitSpec, part: str, windows: WindowStore | None) -> Path:
        rows = hashlib.blake2b(getattr(spec.split, part).tobytes(), digest_size=8).hexdigest()
        others = "" if windows is None or windows.key == spec.windows.key else f"-{windows.key}"
        return self._root / spec.key / f"held_out-{rows}{others}.npz"

    def _record(self, key: str) -> dict[str, Any]:
        return _read(self._path(key))

    def _path(self, key: str) -> Path:
        return self._root / key / "fit.json"

    @staticmethod
    def _model(folder: Path) -> Path:
        return folder / "best.keras"


def _read(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def _curves(record: dict[str, Any], *, repeat: int) -> Curves:
    return Curves.from_dict({**record["curves"], "repeat": repeat})


def _is_whole(path: Path) -> bool:
    try:
        record = _read(path)
        _curves(record, repeat=0)
        return {"failure", "best_epoch"} <= set(record)
    except (ValueError, TypeError, KeyError, LabError):  # no JSON, or not what `FitStore.write` writes
        return False


def against(spec: FitSpec, curves: Curves) -> Curves:
    """Curves of `spec` with what its data and its config say they are to be judged against."""
    return replace(curves, chance_loss=spec.chance_loss, budget=spec.training.epochs)


def curves_of(spec: FitSpec, fit: Fit) -> Curves:
    """A fit's epochs as curves to judge."""
    return Curves(
        train_loss=tuple(e.train_loss for e in fit.epochs),
        val_loss=tuple(e.val_loss for e in fit.epochs),
        train_accuracy=tuple(e.train_accuracy for e in fit.epochs),
        val_accuracy=tuple(e.val_accuracy for e in fit.epochs),
        repeat=spec.split.repeat,
        failure=fit.failure,
        settled=fit.settled,
    )
