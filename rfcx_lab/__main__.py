"""`python -m rfcx_lab +experiment=NAME [group=option] [key=value]`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

import hydra
from omegaconf import DictConfig

from rfcx_lab.config import register_schemas
from rfcx_lab.errors import LabError
from rfcx_lab.help import ASKED, describe
from rfcx_lab.refusals import explain, read_config

CONF = Path(__file__).resolve().parents[1] / "conf"
FULL_ERROR = "HYDRA_FULL_ERROR"
STOPPED = "Stopped. Finished fits and features are kept: the same command goes on from here."
STATUS = 130  # as shells report Ctrl-C

register_schemas()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def main(composed: DictConfig) -> None:
    """Run one study; bad input ends with one sentence and status 1."""
    from hydra.core.hydra_config import HydraConfig

    from rfcx_lab.lab.command import run

    try:
        command = list(HydraConfig.get().overrides.task)
        config = read_config(composed, command, conf=CONF)
        run(config, Path(HydraConfig.get().runtime.output_dir), command=command)
    except LabError as error:
        sys.exit(str(error))


def stop(number: int, frame: FrameType | None) -> None:
    """Ctrl-C, or a cluster's SIGTERM: end the workers and the open runs, and then the process; at once if repeated."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, leave)
    raise KeyboardInterrupt


def leave(number: int, frame: FrameType | None) -> None:
    """Wait for nothing: workers end when their driver is gone, and the next run mends what is open in MLflow."""
    show_cursor = "\x1b[?25h" if sys.stdout.isatty() else ""
    os.write(2, f"{show_cursor}\n{STOPPED}\n".encode())
    os._exit(STATUS)


def main_in_sentences() -> None:
    """`main`, where what Hydra refuses is one sentence too. HYDRA_FULL_ERROR=1 shows Hydra's own words."""
    if os.environ.get(FULL_ERROR) == "1":
        main()
        return
    if not CONF.is_dir():
        sys.exit(f"{CONF} does not exist; run rfcx_lab from its repository, installed there with pip install -e.")
    os.environ[FULL_ERROR] = "1"  # Hydra raises what it would otherwise print over many lines
    try:
        main()
    except Exception as error:
        sentence = explain(error, sys.argv[1:], conf=CONF)
        if sentence is None:
            raise
        sys.exit(sentence)


if __name__ == "__main__":
    if sys.argv[1:] in ASKED:
        print(describe(CONF))
        sys.exit()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    try:
        main_in_sentences()
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        sys.exit(STATUS)
