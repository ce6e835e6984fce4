"""One process that fits rungs as a worker does, and nothing else, as `scaling.py` asks it to: JSON in, JSON out.

The very function that a worker calls, on one thread, with its traced models kept; no driver, no scheduler, no MLflow,
and no fit is written anywhere.
"""

from __future__ import annotations

import json
import sys
import time
from functools import cache

from rfcx_lab.model.backend import prepare_process

prepare_process()  # one thread per process, before numpy is imported

from measure import Material, read_requests

from rfcx_lab.config import RungConfig, TrainingConfig
from rfcx_lab.model.fit import Part, fit_rung


def main() -> None:
    """Answer requests until there are no more."""
    parts = cache(Material.parts)  # a worker draws no windows either
    for request, material in read_requests():
        begin = time.perf_counter()
        train, validation = parts(material)
        fit = fit_rung(
            RungConfig(**request["rung"]),
            train=Part(*train),
            validation=Part(*validation),
            classes=material.classes,
            training=TrainingConfig(**request["training"]),
            seed=request["seed"],
        )
        last = fit.epochs[-1]
        json.dump({"seconds": time.perf_counter() - begin, "last": [last.train_loss, last.val_loss]}, sys.stdout)
        print(flush=True)


if __name__ == "__main__":
    main()
