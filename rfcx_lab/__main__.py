"""`python -m rfcx_lab +experiment=NAME [group=option] [key=value]`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rfcx_lab.help import ASKED, describe
from rfcx_lab.interrupt import STATUS, STOPPED, answer_with, leave, stop, was_heard

if TYPE_CHECKING:  # Hydra takes a second to import, in which Ctrl-C has to be answered already
    from omegaconf import DictConfig

CONF = Path(__file__).resolve().parents[1] / "conf"
FULL_ERROR = "HYDRA_FULL_ERROR"


def main(composed: DictConfig) -> None:
    """Run one study; bad input ends with one sentence and status 1."""
    from hydra.core.hydra_config import HydraConfig

    from rfcx_lab.errors import LabError
    from rfcx_lab.lab.command import run
    from rfcx_lab.refusals import read_config

    try:
        command = list(HydraConfig.get().overrides.task)
        config = read_config(composed, command, conf=CONF)
        answer_with(stop)  # from here on there are workers to end, and runs
        run(config, Path(HydraConfig.get().runtime.output_dir), command=command)
    except LabError as error:
        sys.exit(str(error))


def main_in_sentences() -> None:
    """`main`, where what Hydra refuses is one sentence too. HYDRA_FULL_ERROR=1 shows Hydra's own words."""
    import hydra

    from rfcx_lab.config import register_schemas
    from rfcx_lab.refusals import explain

    register_schemas()
    compose_and_run = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(main)
    if os.environ.get(FULL_ERROR) == "1":
        compose_and_run()
        return
    if not CONF.is_dir():
        sys.exit(f"{CONF} does not exist; run rfcx_lab from its repository, installed there with pip install -e.")
    os.environ[FULL_ERROR] = "1"  # Hydra raises what it would otherwise print over many lines
    try:
        compose_and_run()
    except Exception as error:
        sentence = explain(error, sys.argv[1:], conf=CONF)
        if sentence is None:
            raise
        sys.exit(sentence)


if __name__ == "__main__":
    answer_with(leave)
    if sys.argv[1:] in ASKED:
        print(describe(CONF))
        sys.exit()
    try:
        main_in_sentences()
        if was_heard():  # and lost: Python drops an exception that is raised amid a destructor or a callback
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        sys.exit(STATUS)
