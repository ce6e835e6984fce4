"""Which rung is recommended, where some have more fits than others."""

from __future__ import annotations

import pytest

from rfcx_lab.verdict import JudgeConfig, RungInfo
from rfcx_lab.verdict.choice import find_lowest, recommend
from rfcx_lab.verdict.rungs import JudgedRung, RungVerdict, judge_rung, summarise_rung
from tests.verdict import synthetic
from tests.verdict.synthetic import Truth


def judge(*rungs: tuple[float, int]) -> tuple[list[RungVerdict], list[JudgedRung]]:
    """Rungs of growing size, each with its lowest loss and its number of fits."""
    judged = [
        judge_rung(
            synthetic.fits(Truth(lowest=lowest, scale=0.002), repeats=repeats, rung=index),
            RungInfo(f"rung {index}", "capacity", 10 + index),
            index=index,
            epochs=50,
            config=JudgeConfig(),
        )
        for index, (lowest, repeats) in enumerate(rungs)
    ]
    return [summarise_rung(rung, validation_fraction=0.25, confidence=0.95) for rung in judged], judged


def test_what_was_given_more_fits_on_purpose_does_not_rule_out_the_others() -> None:
    rungs = judge((2.4, 2), (2.6, 4))
    assert find_lowest(*rungs, planned=2) == recommend(*rungs, planned=2).index == 0


@pytest.mark.parametrize("planned", [None, 3])
def test_what_has_lost_fits_is_neither_the_best_nor_recommended(planned: int | None) -> None:
    rungs = judge((2.4, 2), (2.6, 4))
    chosen = recommend(*rungs, planned=planned)
    assert find_lowest(*rungs, planned=planned) == chosen.index == 1
    assert chosen.rule.endswith("that of rung 1.")


def test_where_nothing_was_fitted_nothing_is_lowest() -> None:
    assert find_lowest([], [], planned=2) is None
