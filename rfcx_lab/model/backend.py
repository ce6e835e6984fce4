"""How Keras is started in a process: quiet, and on one thread, so that a seed means the same curve every time."""

from __future__ import annotations

import gc
import logging
import os
import sys
from functools import cache
from pathlib import Path

ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_DETERMINISTIC_OPS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""Set before Keras is first imported; what the user has set stays."""


def prepare_process() -> None:
    """Apply ENVIRONMENT to this process."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def start_keras() -> None:
    """Import Keras for the first time in this process, without what its backend writes to stderr meanwhile.

    TensorFlow's C++ side logs before it reads any setting, so the file descriptor itself is turned away.
    """
    if "keras" in sys.modules:
        return
    prepare_process()
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import keras  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    gc.freeze()  # what was imported stays: looking through it would take 0.2 s of every collection
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of every few models loaded to be measured


def versions() -> dict[str, str]:
    """Versions that decide what a seed gives, without importing any of it."""
    backend = os.environ.get("KERAS_BACKEND", ENVIRONMENT["KERAS_BACKEND"])
    return {name: _version(name) for name in ("keras", backend, "numpy")}


@cache
def _version(name: str) -> str:
    """The version of an installed package: once per process, as reading all that is said of one takes milliseconds."""
    from importlib.metadata import version

    return version(name)
