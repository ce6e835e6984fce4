"""The command as a user types it, for tests to run."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rfcx_lab", *arguments]


def run(*arguments: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=timeout)


def assert_one_sentence(finished: subprocess.CompletedProcess[str], message: str) -> None:
    assert finished.returncode == 1
    [sentence] = finished.stderr.splitlines()
    assert message in sentence
    assert len(sentence) < 400
