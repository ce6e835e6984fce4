"""The command line as it is, but for fits that take no Keras: for tests to stop it as a terminal does."""

from __future__ import annotations

import runpy
from functools import partial

from rfcx_lab.lab import command, ladder
from tests.fakes import fake_fit

if __name__ == "__main__":
    command.climb_ladder = partial(ladder.climb_ladder, fit=fake_fit)
    runpy.run_module("rfcx_lab", run_name="__main__", alter_sys=True)
