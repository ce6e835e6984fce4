"""Reading the configuration must stay cheap: `--help` does it."""

from __future__ import annotations

import subprocess
import sys

import rfcx_lab.verdict


def test_config_imports_no_numpy() -> None:
    code = "import sys, rfcx_lab.verdict.config; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names_exist() -> None:
    for name in rfcx_lab.verdict.__all__:
        assert getattr(rfcx_lab.verdict, name).__name__ == name
