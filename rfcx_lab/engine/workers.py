"""The workers of a scheduler: which of them a driver may use, and what is asked of each before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rfcx_lab.engine.passport import PYTHON, Passport, differences, own_passport, python_version, refusal
from rfcx_lab.engine.reach import Beacon, light_beacon, reach_refusal, sees
from rfcx_lab.errors import LabError

Workers = Mapping[str, Mapping[str, Any]]
"""What a scheduler knows of its workers, by address."""


@dataclass(frozen=True)
class Introduction:
    """What a worker says of itself."""

    passport: Passport
    reaches_store: bool


def choose_workers(everyone: Workers, resources: Mapping[str, float]) -> dict[str, Any]:
    """Those that take work, and offer `resources`."""
    return {
        name: worker for name, worker in everyone.items() if worker["status"] == "running" and slots(worker, resources)
    }


def offer_refusal(others: Workers, resources: Mapping[str, float], *, address: str) -> str | None:
    """A sentence on why none of `others` can be chosen, if it is for what they offer."""
    if not others or not resources or any(slots(worker, resources) for worker in others.values()):
        return None
    wanted, offers = _said(resources), {_said(worker["resources"]) or "nothing" for worker in others.values()}
    return (
        f"engine.resources: none of the {len(others)} worker(s) of {address} offers {wanted} (but "
        f"{'; '.join(sorted(offers))}); start some with it (dask worker {address} --nthreads 1 --resources "
        f'"{wanted}"), or leave engine.resources out.'
    )


def slots(worker: Mapping[str, Any], resources: Mapping[str, float]) -> int:
    """How many items a worker takes at a time."""
    offered = worker["resources"]
    return min([worker["nthreads"], *(int(offered.get(name, 0) // need) for name, need in resources.items())])


def check_workers(client: Any, workers: Workers, resources: Mapping[str, float], *, tracking_uri: str | None) -> None:
    """See that each of `workers` can work for this driver, and the scheduler can hand on what it is given.

    Raises:
        LabError: it names the one that can't, its host, and what to do.
    """
    for address, worker in workers.items():
        if (count := slots(worker, resources)) > 1:
            raise LabError(
                f"The worker {address} on {worker['host']} takes {count} fits at a time into one process, which Keras "
                "can't do: start it with --nthreads 1, and --nworkers for more of them."
            )
    _check_python(client, workers)
    with light_beacon(tracking_uri or "") as beacon:
        introductions = client.run(introduce, beacon, workers=list(workers), on_error="return")
    for address, said in introductions.items():
        host = workers[address]["host"]
        if isinstance(said, OSError):  # it has just gone, and if it comes again is asked with its first item
            continue
        if not isinstance(said, Introduction):
            raise LabError(_cannot_run(f"The worker {address} on {host}", said))
        if refused := refusal(said.passport, who=f"The worker {address}", ours=own_passport()):
            raise LabError(refused)
        if tracking_uri is not None and not said.reaches_store:
            raise LabError(reach_refusal(tracking_uri, worker=address, host=said.passport.host))
    try:
        client.run_on_scheduler(own_passport)
    except ImportError as error:
        raise LabError(_cannot_run(f"The scheduler {client.scheduler.address}", error)) from error


def introduce(beacon: Beacon) -> Introduction:
    """On a worker: who it is."""
    return Introduction(own_passport(), sees(beacon))


def _check_python(client: Any, workers: Workers) -> None:
    """Before any code is sent: another Python may not even be able to read it, and Dask asks this in words."""
    found = client.get_versions()
    ours = python_version(found["client"]["packages"]["python"].split("."))
    asked = {
        f"The worker {address} on {workers[address]['host']}": found["workers"].get(address) for address in workers
    }
    for who, answer in {f"The scheduler {client.scheduler.address}": found["scheduler"], **asked}.items():
        theirs = python_version(answer["packages"]["python"].split(".")) if answer else ours  # it has just gone
        if theirs != ours:
            raise LabError(
                f"{who} has {differences({PYTHON: theirs}, {PYTHON: ours})} on this machine: start it from an "
                "environment like this one."
            )


def _cannot_run(who: str, error: Exception) -> str:
    had = ", ".join(f"{name} {version}" for name, version in own_passport().versions.items())
    return f"{who} can't run rfcx_lab ({type(error).__name__}: {error}): install there what this machine has ({had})."


def _said(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={amount:g}" for name, amount in resources.items())
