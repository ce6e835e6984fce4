"""How often the tests of a ladder claim what is not so, on simulated repeats whose training sets overlap."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from rfcx_lab.verdict import Curves, JudgeConfig, RungInfo
from rfcx_lab.verdict.crossfit import excess_interval, rise_interval, rises_to_the_end
from rfcx_lab.verdict.onset import NOT_OVERFIT, Verdict
from rfcx_lab.verdict.questions import evaluate_checkpoints, evaluate_ends
from rfcx_lab.verdict.rungs import JudgedFit, JudgedRung
from rfcx_lab.verdict.smoothing import smooth
from rfcx_lab.verdict.turning import EXACT, NO, OPEN, YES, Evaluation, Place, locate

REPEATS, EPOCHS, OVERLAP = 6, 30, 0.25
MARGIN = math.log1p(JudgeConfig().margin)
Logs = NDArray[np.float64]
_VERDICT = Verdict(NOT_OVERFIT, None, None, None, None, None, None, "")


def correlated(rng: np.random.Generator, count: int = REPEATS) -> Logs:
    """Standard normal values of repeats, correlated as Nadeau and Bengio (2003) take them to be."""
    return np.asarray(math.sqrt(OVERLAP) * rng.normal() + math.sqrt(1 - OVERLAP) * rng.normal(size=count))


def log_losses(
    rng: np.random.Generator, rise: float, *, spread: float = 0.03, noise: float = 0.001, onset: int = 8
) -> Logs:
    """A fall to epoch `onset`, then a rise by `rise` on average to the end, `(repeats, epochs)`."""
    epoch = np.arange(1, EPOCHS + 1)
    fall = 0.3 * np.clip(1 - (epoch - 1) / (onset - 1), 0, None) ** 2
    after = np.clip((epoch - onset) / (EPOCHS - onset), 0, None) ** 0.7
    rises = rise + spread * correlated(rng)
    return np.asarray(fall + rises[:, None] * after + noise * rng.normal(size=(REPEATS, EPOCHS)))


def judged(rungs: Sequence[Logs], *, smoothed: bool = True) -> list[JudgedRung]:
    made = []
    for index, logs in enumerate(rungs):
        losses = np.exp(logs)
        fits = {
            repeat: JudgedFit(
                Curves(tuple(loss), tuple(loss), None, None, repeat=repeat),
                _VERDICT,
                smooth(loss, window=3) if smoothed else loss,
                3 if smoothed else 1,
            )
            for repeat, loss in enumerate(losses)
        }
        made.append(
            JudgedRung(
                RungInfo(f"rung {index}", "capacity", index + 1), index, fits, {NOT_OVERFIT: len(fits)}, len(fits)
            )
        )
    return made


def place(rungs: Sequence[Logs], config: JudgeConfig | None = None) -> Place:
    return locate(evaluate_ends(judged(rungs), config=config or JudgeConfig(), validation_fraction=OVERLAP))


def test_rise_of_pure_noise_is_not_claimed() -> None:
    """Each curve's own minimum, or that of all, would be below its end by noise alone."""
    rng = np.random.default_rng(1)
    config = JudgeConfig(margin=0.0)
    claimed = [
        YES in place([0.05 * rng.normal(size=(REPEATS, EPOCHS)) for _ in range(2)], config).claims for _ in range(500)
    ]
    assert np.mean(claimed) <= 0.03


def test_each_claim_is_tested_at_half_of_alpha() -> None:
    """Rises of just the margin: 2.5 % are called overfit; 5 % by a whole alpha, 10 % if repeats were independent."""
    rng = np.random.default_rng(2)
    found = Counter[str]()
    for _ in range(3000):
        rungs = judged([log_losses(rng, MARGIN, spread=0.015, noise=0.0)], smoothed=False)
        found[evaluate_ends(rungs, config=JudgeConfig(), validation_fraction=OVERLAP)[0].state] += 1
    assert 0.015 <= found[YES] / 3000 <= 0.034
    assert 0.005 <= found[NO] / 3000 <= 0.034


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_alpha_is_the_level_of_the_tests(alpha: float) -> None:
    rises = np.array([0.10, 0.16, 0.13, 0.19, 0.12, 0.14])
    logs = np.array([[0.3, 0.1, 0.0, rise] for rise in rises])
    error = np.std(rises, ddof=1) * math.sqrt(1 / REPEATS + OVERLAP / (1 - OVERLAP))
    limit = float(rises.mean() - stats.t.ppf(1 - alpha / 2, df=REPEATS - 1) * error)
    for margin, state in ((limit - 1e-6, YES), (limit + 1e-6, OPEN)):
        config = JudgeConfig(margin=math.expm1(margin), alpha=alpha)
        [found] = evaluate_ends(judged([logs], smoothed=False), config=config, validation_fraction=OVERLAP)
        assert found.state == state


@pytest.mark.parametrize(("rises", "false"), [((MARGIN,) * 5, YES), ((0.0, 0.0, MARGIN, MARGIN), YES)])
def test_family_of_rungs_that_do_not_overfit_keeps_its_level(rises: Sequence[float], false: str) -> None:
    """Five tests that did not stop at the first failure would claim something false in 12 % of the ladders."""
    rng = np.random.default_rng(3)
    wrong = [false in place([log_losses(rng, rise) for rise in rises]).claims for _ in range(600)]
    assert np.mean(wrong) <= 0.035


@pytest.mark.parametrize("spread", [0.02, 0.07])
def test_family_of_rungs_that_overfit_keeps_its_level(spread: float) -> None:
    """Five rungs just above the margin. Cross-fitted upper ends would clear the lowest of them in 13 % of the ladders.

    With the wider spread some sets of recordings show no rise in any repeat, and no spread either.
    """
    rng = np.random.default_rng(4)
    rises = (MARGIN + 0.001,) * 5
    wrong = [
        NO in place([log_losses(rng, rise, spread=spread, noise=0.02) for rise in rises]).claims for _ in range(400)
    ]
    assert np.mean(wrong) <= 0.05


def test_named_rung_is_seldom_a_wrong_one() -> None:
    rng = np.random.default_rng(5)
    named = Counter(
        found.position if found.bound == EXACT and found.established else None
        for found in (
            place([log_losses(rng, rise, spread=0.02, noise=0.01) for rise in (0.0, 0.0, 0.18, 0.3)])
            for _ in range(400)
        )
    )
    assert named[1] + named[3] <= 0.05 * 400
    assert named[2] >= 0.6 * 400


def test_sequences_stop_at_the_first_failure() -> None:
    def found(*states: str) -> Place:
        return locate([Evaluation(str(i), i, state, None, 6, None) for i, state in enumerate(states)])

    assert found(NO, NO, YES, YES) == Place(2, EXACT, True, (NO, NO, YES, YES), None)
    assert found(YES, OPEN, YES).claims == (OPEN, OPEN, YES)
    assert found(NO, OPEN, NO, YES) == Place(3, "at_or_below", False, (NO, OPEN, OPEN, YES), (1, 3))
    assert found(NO, YES, OPEN) == Place(None, "none", False, (NO, OPEN, OPEN), (1, None))
    assert found(OPEN, YES) == Place(1, "at_or_below", False, (OPEN, YES), (0, 1))
    for reversed_ladder in ((YES, NO), (NO, YES, NO), (NO, YES, NO, YES), (YES, OPEN, NO, YES)):
        broken = found(*reversed_ladder)
        assert (broken.position, broken.established, broken.candidates) == (None, False, None)


def test_upper_end_allows_for_every_plausible_minimum() -> None:
    rng = np.random.default_rng(6)
    for _ in range(50):
        levels = list(np.exp(log_losses(rng, 0.05, noise=0.02)))
        interval = rise_interval(levels, validation_fraction=OVERLAP, confidence=0.95)
        assert interval is not None
        point, low, high = interval
        assert point == pytest.approx(np.mean(rises_to_the_end(levels)))
        mean = np.mean(np.log(levels), axis=0)
        assert low is not None and high is not None
        assert low < point <= mean[-1] - mean.min() + 1e-9 < high
    assert rise_interval(levels[:1], validation_fraction=OVERLAP, confidence=0.95) is None


def best_losses(rng: np.random.Generator, means: Sequence[float]) -> list[Logs]:
    return [np.repeat((mean + 0.05 * correlated(rng))[:, None], 2, axis=1) for mean in means]


def test_best_checkpoints_are_tested_at_half_of_alpha() -> None:
    """The top rung is as good as each of four below, the best of which looks better by luck, in all repeats at once."""
    rng = np.random.default_rng(7)
    wrong = Counter[str]()
    for _ in range(400):
        rungs = judged(best_losses(rng, [0.0] * 5), smoothed=False)
        wrong[evaluate_checkpoints(rungs, config=JudgeConfig(), validation_fraction=OVERLAP)[-1].state] += 1
    assert wrong[YES] / 400 <= 0.035
    config = JudgeConfig()
    margin = math.log1p(config.margin)
    cleared = 0
    for _ in range(400):
        rungs = judged(best_losses(rng, [0.0, 0.0, 0.0, 0.0, margin]), smoothed=False)
        cleared += evaluate_checkpoints(rungs, config=config, validation_fraction=OVERLAP)[-1].state == NO
    assert cleared / 400 <= 0.035


def test_missing_repeats_do_not_flatter_a_lower_rung() -> None:
    """The rung below that lacks the hard repeats looks best by its mean, and is the worse of the two."""
    hard, easy = 2.0, 1.0
    rung = {0: hard, 1: hard, 2: easy, 3: easy}
    whole = {0: 0.9 * hard, 1: 0.9 * hard, 2: 0.9 * easy, 3: 0.9 * easy}
    partial = {2: 1.1 * easy, 3: 1.1 * easy}
    interval = excess_interval(rung, [whole, partial], validation_fraction=OVERLAP, confidence=0.95)
    assert interval is not None and interval[0] == pytest.approx(-math.log(0.9))
    alone = excess_interval(rung, [whole, {3: 5.0}], validation_fraction=OVERLAP, confidence=0.95)
    assert alone is not None and alone[2] is None  # what shares one repeat can't be ruled out as the best
