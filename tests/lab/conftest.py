from __future__ import annotations

from pathlib import Path

import pytest

from tests import fakes


@pytest.fixture
def diary(tmp_path, monkeypatch) -> Path:
    """A file with a line per fit that has begun."""
    path = tmp_path / "diary"
    path.touch()
    monkeypatch.setenv(fakes.DIARY, str(path))
    return path
