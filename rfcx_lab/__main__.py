"""`python -m rfcx_lab +experiment=NAME [group=option] [key=value]`."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig, MissingMandatoryValue

from rfcx_lab.config import register_schemas
from rfcx_lab.errors import LabError
from rfcx_lab.help import ASKED, describe

CONF = Path(__file__).resolve().parents[1] / "conf"

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
    except KeyboardInterrupt:
        sys.exit("Stopped. Finished fits and features are kept: the same command goes on from here.")


if __name__ == "__main__":
    if sys.argv[1:] in ASKED:
        print(describe(CONF))
    else:
        main()
