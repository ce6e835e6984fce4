"""What makes two processes come to the same curves: their versions, and the very code of this package.

A fit's key holds the versions, so a worker with others would keep its fits under another key; and what is sent to it is
made of this package's classes. So a driver compares passports before anything is trained, and a worker that has joined
later does with every item it is given.
"""

from __future__ import annotations

import hashlib
import platform
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import rfcx_lab
from rfcx_lab.model.backend import versions

_PACKAGES = ("librosa", "soxr", "dask", "distributed")  # features are made by these, and items brought by those
PYTHON = "Python"


@dataclass(frozen=True)
class Passport:
    """Of one process. Two are equal where their processes come to the same."""

    host: str = field(compare=False)
    versions: Mapping[str, str]  # by package; of Python, major and minor
    code: str  # a hash of this package's modules


@cache
def own_passport() -> Passport:
    """That of this process."""
    found = {PYTHON: python_version(sys.version_info[:2]), "rfcx_lab": rfcx_lab.__version__, **versions()}
    return Passport(socket.gethostname(), found | {name: _version(name) for name in _PACKAGES}, _code())


def python_version(numbers: tuple[int, ...]) -> str:
    """Major and minor: releases of one minor version read each other's pickles and byte code."""
    return ".".join(map(str, numbers[:2]))


def differences(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """What is of another version, in a phrase: empty where nothing is."""
    names = [name for name in {**ours, **theirs} if theirs.get(name) != ours.get(name)]
    return ", ".join(f"{name} {theirs.get(name, 'missing')} instead of {ours.get(name, 'none')}" for name in names)


def refusal(theirs: Passport, *, who: str, ours: Passport) -> str | None:
    """A sentence on why a process can't work for ours; None where it can. `who` is what it is called, as the worker."""
    if theirs == ours:
        return None
    different = differences(theirs.versions, ours.versions)
    if not different:
        return (
            f"{who} on {theirs.host} has other code under rfcx_lab {rfcx_lab.__version__} than this machine "
            f"({platform.node()}): bring both to the same commit, and start it anew."
        )
    return (
        f"{who} on {theirs.host} has {different} on this machine ({platform.node()}): its fits would be others; "
        "install there what is installed here, and start it anew."
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _code() -> str:
    root, digest = Path(rfcx_lab.__file__).parent, hashlib.blake2b(digest_size=8)
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()
