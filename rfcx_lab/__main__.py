"""`python -m rfcx_lab +experiment=NAME [group=option] [key=value]`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

import hydra
from omegaconf import DictConfig, MissingMandatoryValue

from rfcx_lab.config import register_schemas
from rfcx_lab.errors import LabError

CONF = Path(__file__).resolve().parents[1] / "conf"
STOPPED = "Stopped. Finished fits and features are kept: the same command goes on from here."
STATUS = 130  # as shells report Ctrl-C

register_schemas()


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def main(composed: DictConfig) -> None:
    """Run one study; bad input ends with one sentence and status 1."""
    from hydra.core.hydra_config import HydraConfig

    from rfcx_lab.lab.command import run

    try:
        run(composed, Path(HydraConfig.get().runtime.output_dir))
    except MissingMandatoryValue as error:
        sys.exit(f"{error.full_key} is not set; add {error.full_key}=… to the command.")
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


if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    try:
        main()
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        sys.exit(STATUS)
