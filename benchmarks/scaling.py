"""Fits per minute with two workers against one: what a second core, or many machines, are worth to small rungs.

    python benchmarks/scaling.py [--address tcp://HOST:8786]

The same number of fits of a rung, on the same windows, by `rfcx_lab` with one worker process and with two, in turn:
curves streamed to MLflow and fits kept, as in any study. Small rungs are the hard case: what driver and store cost is
the largest share of them. Beside them, what the machine itself allows: the same fits by bare processes, without driver,
scheduler or MLflow, one and then two at once, on one thread each. What these fall short of twice as many is the
processor's doing, as where two hardware threads share a core; only what is lost beyond it is ours. With a scheduler's
address, its workers take a turn too, all of them; they need a store that they reach (`--tracking-uri`) where they are
not on this machine. Start-up is not counted: each worker has fitted the rung before. A quarter of an hour.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from hydra import compose, initialize_config_dir
from measure import Material, check, describe_machine, interleave, ratios
from omegaconf import OmegaConf
from throughput import Lab, Loop, open_loop, share

from rfcx_lab.config import Config, EngineConfig, RungConfig, TrainingConfig, register_schemas
from rfcx_lab.engine.engine import Engine, open_engine

CONF = Path(__file__).resolve().parents[1] / "conf"
ONE, TWO = "1 worker", "2 workers"
BARE_ONE, BARE_TWO = "1 bare process", "2 bare processes"
AIM = 1.6  # times one worker
_NEVER = 10**6  # fits after which a worker is replaced: that is not what is measured


def main() -> int:
    """Measure, and say whether the aim is met."""
    options = _options()
    describe_machine(["keras", "tensorflow", "distributed"])
    register_schemas()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = OmegaConf.to_object(compose("config"))
    assert isinstance(config, Config)
    training = TrainingConfig(
        epochs=options.epochs,
        batch_size=config.training.batch_size,
        learning_rate=config.training.learning_rate,
        shuffle=config.training.shuffle,
    )
    rungs = [rung for rung in config.ladder.rungs if rung.name in options.rungs]
    material = Material(rows=options.rows, frames=32, width=40, classes=24, seed=options.seed)
    print(f"{material}, {training}; {options.fits} fits per round", flush=True)
    engines = {ONE: EngineConfig("local", workers=1, recycle_after=_NEVER)}
    engines[TWO] = EngineConfig("local", workers=2, recycle_after=_NEVER)
    if options.address:
        engines[options.address] = EngineConfig("dask", address=options.address)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        uri = options.tracking_uri or f"sqlite:///{folder}/mlflow.db"
        opened = {name: stack.enter_context(open_engine(each, tracking_uri=uri)) for name, each in engines.items()}
        lab = Lab(opened[ONE], Path(folder), material, training, uri=uri)
        bare = [stack.enter_context(open_loop(sys.executable, "bare_fits.py", threads=1)) for _ in range(2)]
        print("fits per minute, median (range over rounds)")
        met = [_compare(rung, lab, opened, bare, fits=options.fits, rounds=options.rounds) for rung in rungs]
    return 0 if all(met) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rungs", nargs="*", metavar="NAME", default=["LSTM 8", "LSTM 32"])
    parser.add_argument("--fits", type=int, default=8, help="per round, by every way alike; a multiple of two")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=288, help="training windows (the default study has about 290)")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--address", metavar="URI", help="a Dask scheduler's, whose workers are to take part")
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="a store that they reach; without, a file on this machine"
    )
    return parser.parse_args()


def _compare(
    rung: RungConfig, lab: Lab, engines: dict[str, Engine], bare: Sequence[Loop], *, fits: int, rounds: int
) -> bool:
    ways = {name: partial(_fit, lab, engine, rung, fits=fits) for name, engine in engines.items()}
    ways[BARE_ONE] = partial(share, bare[:1], rung, lab, fits=fits)
    ways[BARE_TWO] = partial(share, bare, rung, lab, fits=fits)
    share(bare, rung, lab, fits=len(bare))  # warm, too
    for name, engine in engines.items():
        _fit(lab, engine, rung, fits=2 * engine.workers)  # traced, imported, warm
        if engine.workers > fits:
            print(f"  {name}: {engine.workers} workers for {fits} fits; more --fits keep them busy")
    taken = interleave(ways, rounds=rounds)
    for name, seconds in taken.items():
        _show(f"{rung.name:<8} {name}", [60 * fits / each for each in seconds])
    met = check(f"  {rung.name:<8} {TWO} against {ONE}", ratios(taken[ONE], taken[TWO]), at_least=AIM)
    check(f"  {rung.name:<8} two bare processes against one", ratios(taken[BARE_ONE], taken[BARE_TWO]))
    check(f"  {rung.name:<8} {ONE} against {BARE_ONE}", ratios(taken[BARE_ONE], taken[ONE]))
    for name in [name for name in engines if name not in (ONE, TWO)]:
        check(f"  {rung.name:<8} {engines[name].workers} of {name} against {ONE}", ratios(taken[ONE], taken[name]))
    return met


def _fit(lab: Lab, engine: Engine, rung: RungConfig, *, fits: int) -> None:
    lab.engine = engine
    lab.fit(rung, fits=fits)


def _show(what: str, rates: Sequence[float]) -> None:
    print(f"  {what:<34} {statistics.median(rates):7.1f}  ({min(rates):.1f} to {max(rates):.1f})", flush=True)


if __name__ == "__main__":
    sys.exit(main())
