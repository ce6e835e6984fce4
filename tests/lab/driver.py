"""A driver process for tests to kill: climbs a toy ladder with a fake fit. Arguments: output folder, overrides."""

from __future__ import annotations

import sys
from pathlib import Path

from rfcx_lab.lab.ladder import climb_ladder
from tests.conftest import compose_config
from tests.fakes import fake_fit

if __name__ == "__main__":
    climb_ladder(compose_config(*sys.argv[2:]), Path(sys.argv[1]), fit=fake_fit)
