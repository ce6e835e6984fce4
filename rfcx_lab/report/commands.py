"""What to run after a study, as a command to be copied."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rfcx_lab.verdict.frontier_sentence import more_trials
from rfcx_lab.verdict.length import READS

_PLAIN = re.compile(r"[A-Za-z_][\w.-]*")  # text that needs no quotes
_ENOUGH_REPEATS = 6  # the fewest of which a paired test can reach p < .05 two-sided


NEXT = "Next:"
"""What stands before it, wherever it is told."""


@dataclass(frozen=True)
class Next:
    """A command, and what it does in a phrase."""

    purpose: str
    command: str


def spell(command: Sequence[str]) -> str:
    """The command line with the overrides `command`, quoted for a shell."""
    return shlex.join(["python", "-m", "rfcx_lab", *command])


def recommended_command(document: Mapping[str, Any], command: Sequence[str]) -> str:
    """Train the recommended rung alone, for as long as recommended. `document` is a verdict that recommends one."""
    rungs = [document["recommended"]["rung"]]
    # A ladder needs a rung that can be the answer: a remedy is trained beside what it is compared with.
    rungs += [remedy["against"] for remedy in document["remedies"] if remedy["name"] == rungs[0]]
    return _with(
        command,
        {"ladder.only": f"[{','.join(map(str, rungs))}]", "training.epochs": str(document["recommended"]["epochs"])},
    )


def next_command(document: Mapping[str, Any], command: Sequence[str]) -> Next | None:
    """More repeats where the point is not established and they would settle it, else the recommended rung, if any."""
    settling = settling_command(document, command)
    if settling is not None or document["recommended"]["rung"] is None:
        return settling
    return Next("Train the recommended rung alone", recommended_command(document, command))


def settling_command(document: Mapping[str, Any], command: Sequence[str]) -> Next | None:
    """More repeats, where they would establish a point that is not."""
    answer = document["begins_to_overfit"]["trained_to_the_end"]
    repeats = max(rung["repeats"] for rung in document["rungs"])
    more = answer["repeats_wanted"] or (_ENOUGH_REPEATS if repeats < _ENOUGH_REPEATS else None)
    if not answer["established"] and more is not None and more > repeats:
        return Next(
            f"Settle it with {more} repeats; what is trained is not trained again",
            _with(command, {"ladder.repeats": str(more)}),
        )
    return None


def next_of_sweep(document: Mapping[str, Any], command: Sequence[str], *, alone: Sequence[str] | None) -> Next | None:
    """More trials where the frontier is not established, else the recommended architecture, if any.

    `document` is a `frontier.json`, `alone` the overrides that train what it recommends.
    """
    if not document["established"]:
        more = more_trials(document)
        return Next(
            f"Settle it with up to {more['sweep.n_trials']} trials; what is trained is not trained again",
            _with(command, more),
        )
    return None if alone is None else Next("Train the recommended architecture alone", spell(alone))


def next_of_length(document: Mapping[str, Any], command: Sequence[str]) -> Next | None:
    """More repeats where a pipeline that sees the length looks as if it read it, and that is not shown yet.

    `document` is a `length.json`.
    """
    seeing = [one for one in document["pipelines"] if one["audit"]["frames_status"] != "green"]
    claims = [one["claims"][name] for one in seeing for name in READS]
    if not any(claim["mean"] and claim["mean"][0] > 0 and not claim["established"] for claim in claims):
        return None
    repeats, noisy = (2 * max(one[key] for one in document["pipelines"]) for key in ("repeats", "noise_repeats"))
    return Next(
        f"Settle what is not shown with {repeats} repeats, and {noisy} on noise; what is trained is not trained again",
        _with(command, {"steps.repeats": str(repeats), "length.repeats": str(noisy)}),
    )


def with_own(command: Sequence[str], own: Mapping[str, str]) -> list[str]:
    """The overrides `command`, with these keys at these values, as Hydra reads them."""
    kept = [override for override in command if override.lstrip("+").split("=")[0] not in own]
    return [*kept, *(f"{key}={value}" for key, value in own.items())]


def spell_change(change: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What a step sets, key by key, as Hydra reads it: `{"window.kind": "fixed", "window.frames": "null"}`."""
    return {
        f"{section}.{key}": spell_value(value) for section, values in change.items() for key, value in values.items()
    }


def spell_value(value: Any) -> str:
    """A value as Hydra reads it: `null`, `true`, `2048`, `[8, 4]`, `end`, `"LSTM 8"`."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    return str(value)


def _with(command: Sequence[str], own: Mapping[str, str]) -> str:
    return spell(with_own(command, own))
