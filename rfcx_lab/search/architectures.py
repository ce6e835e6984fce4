"""From the space in the config to its architectures, and from one of them to the rung that is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import pairwise

from rfcx_lab.config import RungConfig
from rfcx_lab.errors import LabError
from rfcx_lab.search.space import Architecture, Axis, Number, Space
from rfcx_lab.sweep_config import AxisConfig, SpaceConfig, SweepConfig

AXES = tuple(f.name for f in fields(SpaceConfig))
CAPACITY_AXES = ("lstm_layers", "dense_layers", "lstm_width", "dense_width")
"""Those along which more is a larger model: what a frontier can be sought along."""

_WHOLE = CAPACITY_AXES
_LEAST = {"lstm_layers": 1, "dense_layers": 0, "lstm_width": 1, "dense_width": 1}
_DENSE_LAYERS = {"dense_width": 1, "dense_taper": 2, "dense_dropout": 1}  # so many make the axis exist
_MOST_TRIALS, _MOST_REPEATS, _MOST_LAYERS = 100_000, 100, 50
_MOST_CELLS = 10_000
_MOST_PATIENCE = 86_400
_MOST_WORK = 2e7  # choices of length scales times pairs of cells: 160 MB, and a second per estimate


def check_sweep(config: SweepConfig) -> Space:
    """The space to search; LabError, naming the key, where there is nothing to search, or not so."""
    from rfcx_lab.search.sampler import SAMPLERS

    for key, value, most in (
        ("n_trials", config.n_trials, _MOST_TRIALS),
        ("repeats", config.repeats, _MOST_REPEATS),
        ("at_once", config.at_once, _MOST_TRIALS),
    ):
        if not 1 <= value <= most:
            raise LabError(f"sweep.{key}={value}: must be from 1 to {most}.")
    if config.repeats < 2:
        raise LabError("sweep.repeats=1: must be 2 or more; of one fit nobody knows how much of its rise is chance.")
    if config.sampler not in SAMPLERS:
        raise LabError(f"sweep.sampler={config.sampler}: must be one of {', '.join(SAMPLERS)}.")
    if not 0.5 < config.confidence < 1:
        raise LabError(f"sweep.confidence={config.confidence}: must lie between 0.5 and 1.")
    if not 1 <= config.tolerance <= _MOST_CELLS:
        raise LabError(f"sweep.tolerance={config.tolerance}: must be from 1 to {_MOST_CELLS}, in architectures.")
    if not 0 < config.patience <= _MOST_PATIENCE:
        raise LabError(f"sweep.patience={config.patience}: must be above 0 and at most {_MOST_PATIENCE}, in seconds.")
    space = build_space(config)
    cells = len(space.cells)
    if config.sampler == "grid" and cells > config.n_trials:
        raise LabError(
            f"sweep.sampler=grid: the grid has {cells} architectures and sweep.n_trials={config.n_trials}; raise "
            "sweep.n_trials to their number, or take another sampler."
        )
    return space


def build_space(config: SweepConfig) -> Space:
    """The axes that have more than one value, each existing where it means something.

    Raises:
        LabError: the space is empty, contradictory or too large.
    """
    values = {name: axis_values(getattr(config.space, name), name) for name in AXES}
    swept = [name for name in AXES if len(values[name]) > 1]
    if not swept:
        raise LabError("sweep.space holds one architecture; give an axis, as sweep.space.lstm_width, several values.")
    axes = tuple(_axis(name, values) for name in swept)
    _check_along(config.along, axes)
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > _MOST_CELLS:
        raise LabError(f"sweep.space holds up to {count} architectures, more than {_MOST_CELLS}; give it fewer steps.")
    space = Space(axes, config.along)
    if 4 ** len(axes) * len(space.cells) ** 2 > _MOST_WORK:
        raise LabError(
            f"sweep.space holds {len(space.cells)} architectures over {len(axes)} axes, more than a frontier can be "
            f"inferred in; {int((_MOST_WORK / 4 ** len(axes)) ** 0.5)} are the most with so many axes."
        )
    _check_alike(config, space)
    return space


def _check_alike(config: SweepConfig, space: Space) -> None:
    """Two architectures with the same layers would be the same fits, which count twice."""
    seen: dict[str, Architecture] = {}
    for cell in space.cells:
        name = repr(build_rung(config, cell))
        other = seen.setdefault(name, cell)
        if other is not cell:
            axis = next(axis for axis in cell if cell[axis] != other.get(axis))
            raise LabError(
                f"sweep.space.{axis}: {other.get(axis):g} and {cell[axis]:g} give the same layers "
                f"({build_rung(config, cell).name}), as widths are rounded; leave one of them out, or give it another "
                "value."
            )


def build_rung(config: SweepConfig, architecture: Mapping[str, Number]) -> RungConfig:
    """The rung of an architecture, named after its layers.

    A rate of 0 is written as a ladder's rung has it, so that both are one fit.
    """
    fixed = {name: values[0] for name in AXES if len(values := axis_values(getattr(config.space, name), name)) == 1}
    chosen: Architecture = {**fixed, **architecture}
    dense: list[int] = []
    for layer in range(int(chosen["dense_layers"])):
        dense.append(max(1, round(chosen["dense_width"] * (chosen["dense_taper"] ** layer if layer else 1))))
    rate = float(chosen["dense_dropout"]) if dense else 0.0
    rung = RungConfig(
        name="",
        lstm=[int(chosen["lstm_width"])] * int(chosen["lstm_layers"]),
        dense=dense,
        lstm_dropout=float(chosen["lstm_dropout"]),
        dense_dropout=[rate] * len(dense) if rate else [],
    )
    return replace(rung, name=name_rung(rung))


def name_rung(rung: RungConfig) -> str:
    """What its layers are: `LSTM 32, Dense 64 + 64, dropout 0.4`."""
    parts = ["LSTM " + " + ".join(map(str, rung.lstm))]
    if rung.lstm_dropout:
        parts.append(f"dropout {rung.lstm_dropout:g}")
    if rung.dense:
        parts.append("Dense " + " + ".join(map(str, rung.dense)))
    if rung.dense_dropout:
        parts.append(f"dropout {rung.dense_dropout[0]:g}")
    return ", ".join(parts)


def axis_values(axis: AxisConfig, name: str) -> tuple[Number, ...]:
    """The values of an axis of the config, whole numbers where only such make sense.

    Raises:
        LabError: there are none, they are given in two ways, or they are out of range.
    """
    key = f"sweep.space.{name}"
    grid = (axis.low, axis.high, axis.step, axis.log_steps)
    if axis.values and any(part is not None for part in grid):
        raise LabError(f"{key}: has values and a grid; leave values=[] or set low, high, step and log_steps to null.")
    values = list(axis.values) or _grid_values(axis, key, whole=name in _WHOLE)
    if any(not a < b for a, b in pairwise(values)):
        raise LabError(f"{key}.values={_plain(values)}: must grow, from the smallest model to the largest.")
    if name in _WHOLE:
        return _whole(values, name, key)
    if name == "dense_taper" and not all(0 < value <= 4 for value in values):
        raise LabError(f"{key}={_plain(values)}: must be above 0 and at most 4.")
    if name.endswith("dropout") and not all(0 <= value < 1 for value in values):
        raise LabError(f"{key}={_plain(values)}: dropout rates must lie from 0 to below 1.")
    return tuple(map(float, values))


def _whole(values: list[float], name: str, key: str) -> tuple[int, ...]:
    most = _MOST_LAYERS if name.endswith("layers") else 1_000_000
    if not all(value == round(value) and _LEAST[name] <= value <= most for value in values):
        raise LabError(f"{key}={_plain(values)}: must be whole numbers from {_LEAST[name]} to {most}.")
    return tuple(round(value) for value in values)


def _grid_values(axis: AxisConfig, key: str, *, whole: bool) -> list[float]:
    low, high = axis.low, axis.high
    if low is None or high is None:
        raise LabError(f"{key}: is empty; give it values=[…], or low and high with step or log_steps.")
    if not low < high:
        raise LabError(f"{key}: low={low:g} must lie below high={high:g}.")
    if (axis.step is None) == (axis.log_steps is None):
        raise LabError(
            f"{key}: low and high need either step or log_steps, not {'neither' if axis.step is None else 'both'}."
        )
    if axis.step is not None:
        if axis.step <= 0 or (high - low) / axis.step > _MOST_CELLS:
            raise LabError(f"{key}.step={axis.step:g}: must be above 0, and at least (high - low) / {_MOST_CELLS}.")
        count = round((high - low) / axis.step)
        if abs(low + count * axis.step - high) > 1e-9 * max(1.0, abs(high)):
            raise LabError(f"{key}: high={high:g} is no whole number of steps of {axis.step:g} above low={low:g}.")
        return [round(low + n * axis.step, 10) for n in range(count + 1)]
    assert axis.log_steps is not None
    if not 2 <= axis.log_steps <= _MOST_CELLS or low <= 0:
        raise LabError(f"{key}.log_steps={axis.log_steps}: must be 2 or more, between a low and a high above 0.")
    values = [low * (high / low) ** (n / (axis.log_steps - 1)) for n in range(axis.log_steps)]
    rounded = [float(round(value)) if whole else float(f"{value:.4g}") for value in values]
    if len(set(rounded)) < len(rounded):
        given = f"from {low:g} to {high:g} give {_plain(rounded)}"
        raise LabError(f"{key}: log_steps={axis.log_steps} {given}; take fewer.")
    return rounded


def _axis(name: str, values: Mapping[str, tuple[Number, ...]]) -> Axis:
    needed, layers = _DENSE_LAYERS.get(name, 0), values["dense_layers"]
    enough = tuple(count for count in layers if count >= needed)
    if not enough:
        raise LabError(
            f"sweep.space.{name}: has several values, and no architecture has the {needed} dense layer(s) they are "
            "for; raise sweep.space.dense_layers, or give it one value."
        )
    log = name.endswith("width")
    if len(enough) == len(layers):
        return Axis(name, values[name], log=log)
    return Axis(name, values[name], log=log, parent="dense_layers", when=enough)


def _check_along(along: str, axes: tuple[Axis, ...]) -> None:
    possible = [axis.name for axis in axes if axis.name in CAPACITY_AXES and axis.parent is None]
    if along not in possible:
        some = ", ".join(possible) or "none has several values in every architecture"
        raise LabError(f"sweep.along={along}: must be an axis of the space on which models grow ({some}).")


def _plain(values: list[float]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values[:12]) + ("]" if len(values) <= 12 else ", …]")
