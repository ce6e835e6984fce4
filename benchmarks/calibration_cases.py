"""The ladders of known truth that the verdict is calibrated on, built from the rungs on record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from known_truth import NADEAU_BENGIO, KnownLadder, KnownRung, Noise, Spread
from record_fit import RecordedRung

EPOCHS = 30
MARGIN = 0.05
_AT = math.log1p(MARGIN)
_HAIR = 1e-6  # on which side of the margin the truth lies, by next to nothing

EFFECTS = (0.1, 0.2, 0.3, 0.4, 0.6)
"""Rise of the first rung that overfits, as a share of its lowest loss."""

CORRELATIONS = (0.0, NADEAU_BENGIO, 0.5)


@dataclass(frozen=True)
class Case:
    """A ladder and what is true of it."""

    name: str
    ladder: KnownLadder

    @property
    def truth(self) -> int | None:
        """Index of the rung at which overfitting begins; None: on none."""
        return self.ladder.first_overfitting(MARGIN)

    def is_false_at_best(self, states: Sequence[str | None]) -> bool:
        """Whether one of the claims made of the rungs' best checkpoints is false; `states` as in `verdict.json`."""
        lowest = [rung.lowest() for rung in self.ladder.rungs]
        for position, state in enumerate(states[1:], start=1):  # the lowest rung has none below
            excess = lowest[position] - min(lowest[:position])
            if (state == "worse" and excess <= 0) or (state == "not_worse" and excess >= _AT):
                return True
        return False


def model_rung(recorded: Sequence[RecordedRung], name: str, *, rise: float, epochs: int = EPOCHS) -> KnownRung:
    """Make a rung with a true log `rise` that is like the rung `name` of the records, averaged, in all else."""
    found = [rung for rung in recorded if rung.name == name]
    spreads = {field.name: _mean([getattr(rung.spread, field.name) for rung in found]) for field in fields(Spread)}
    return KnownRung(
        rise=rise,
        onset=float(round(_mean([rung.onset for rung in found]))),
        depth=_mean([rung.depth for rung in found]),
        epochs=epochs,
        spread=Spread(**spreads),
        noise=Noise(_mean([rung.noise.innovation for rung in found]), _mean([rung.noise.phi for rung in found])),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def ladder_cases(recorded: Sequence[RecordedRung]) -> list[Case]:
    """Ladders that never overfit, ladders that do, and the least favourable of either."""

    def rung(name: str, rise: float = 0.0) -> KnownRung:
        return model_rung(recorded, name, rise=rise)

    small, middle, large = "LSTM 8", "LSTM 32", "LSTM 128"
    under, over = _AT - _HAIR, _AT + _HAIR
    dense = rung("+ Dense 128", math.log1p(0.4))
    turning = rung(large, math.log1p(0.3))
    silent = replace(rung(large), learns=False)
    loud = replace(rung(large, over), spread=replace(rung(large).spread, rise=0.15), noise=Noise(0.05, 0.3))
    calm = replace(dense, spread=replace(dense.spread, rise=0.02), noise=Noise(0.005, 0.3))
    made = {
        "never: flat": (rung(small), rung(middle), rung(large)),
        "never: flat, and quiet": (rung(small), rung(small), rung(middle)),
        "never: just under the margin, top rung": (rung(small), rung(small), rung(large, under)),
        "never: just under the margin, every rung": tuple(rung(large, under) for _ in range(3)),
        "never: learns nothing": (silent, silent, silent),
        "never: learns nothing, rises from chance": (replace(silent, rise=0.2), replace(silent, rise=0.3)),
        "turns: plainly, at rung 1 of 3": (rung(small), turning, dense),
        "turns: plainly, at rung 3 of 5": (rung(small), rung(small), rung(middle), turning, dense),
        "turns: rung 1 just over the margin": (rung(small), rung(large, over), dense),
        "turns: rung 1 just under, rung 2 over": (rung(small), rung(large, under), dense),
        "turns: rungs 1 and 2 on either side": (rung(small), rung(large, under), rung(large, over), dense),
        "turns: rung 1 over and unlike the others": (rung(small), loud, calm),
    }
    cases = [Case(name, KnownLadder(rungs)) for name, rungs in made.items()]
    for name in ("never: just under the margin, top rung", "turns: rung 1 just over the margin"):
        for correlation in CORRELATIONS:
            if correlation != NADEAU_BENGIO:
                title = f"{name}; repeats correlated by {correlation:g}"
                cases.append(Case(title, KnownLadder(made[name], correlation=correlation)))
    return cases


def power_cases(recorded: Sequence[RecordedRung]) -> list[Case]:
    """A small rung that doesn't overfit, one that does by each of EFFECTS, and one that does more."""
    cases = []
    for effect in EFFECTS:
        rungs = (
            model_rung(recorded, "LSTM 8", rise=0.0),
            model_rung(recorded, "LSTM 128", rise=math.log1p(effect)),
            model_rung(recorded, "+ Dense 128", rise=math.log1p(effect + 0.2)),
        )
        cases.append(Case(f"{effect:.0%}", KnownLadder(rungs)))
    return cases


def rung_cases(recorded: Sequence[RecordedRung]) -> list[Case]:
    """Single rungs that overfit, at each correlation of their repeats, and over a longer budget."""
    cases = []
    for name, rise in (("LSTM 128", 0.3), ("+ Dense 128", 0.4), ("+ Dense 48", 0.6), ("+ head dropout", 0.4)):
        rung = model_rung(recorded, name, rise=math.log1p(rise))
        cases += [
            Case(f"{name}, correlated by {correlation:g}", KnownLadder((rung,), correlation=correlation))
            for correlation in CORRELATIONS
        ]
    for name in ("LSTM 128", "+ Dense 128"):
        rung = model_rung(recorded, name, rise=math.log1p(0.4), epochs=100)
        cases.append(Case(f"{name}, 100 epochs, correlated by {NADEAU_BENGIO:g}", KnownLadder((rung,))))
    return cases
