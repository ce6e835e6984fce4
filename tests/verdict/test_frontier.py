"""Where the frontier runs, when it counts as known, and where to look next, on surfaces of known answer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import ndtri

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.acquisition import _added_noise, next_cells
from rfcx_lab.verdict.frontier import (
    ALL_OVERFIT,
    FOUND,
    NONE_OVERFITS,
    OPEN,
    Frontier,
    FrontierConfig,
    estimate_frontier,
)
from rfcx_lab.verdict.level_set import Grid, Observation, infer_margins
from rfcx_lab.verdict.turning import NOT_LEARNT

GRID = Grid.regular(5, 8)
DEPTH, WIDTH = GRID.points.T
STRAIGHT = 0.6 * (WIDTH + 0.5 * DEPTH - 0.75)
BENT = 0.6 * (WIDTH + 0.5 * DEPTH**2 - 0.8)
DIPPED = 0.6 * (WIDTH - 0.4 - 1.2 * (DEPTH - 0.5) ** 2)
SURFACES = {"straight": STRAIGHT, "bent": BENT, "dipped": DIPPED}


def look(margins: np.ndarray, cell: int, rng: np.random.Generator, *, sd: float) -> Observation:
    return Observation(cell, tuple(margins[cell] + rng.normal(0, sd, 3)))


def search(margins: np.ndarray, *, sd: float, seed: int, trials: int = 40) -> tuple[list[Observation], Frontier]:
    """Search until it stops by itself."""
    rng, observations = np.random.default_rng(seed), []
    while True:
        observations.append(look(margins, next_cells(GRID, observations)[0], rng, sd=sd))
        known = estimate_frontier(GRID, observations)
        if known.settled or len(observations) == trials:
            return observations, known


def beside(margins: np.ndarray) -> set[int]:
    cells = set()
    for column in GRID.columns:
        for a, b in pairwise(column):
            if (margins[a] > 0) != (margins[b] > 0):
                cells |= {a, b}
    return cells


@pytest.mark.parametrize("name", SURFACES)
def test_search_finds_the_frontier_in_a_third_of_the_grid_and_stops(name: str) -> None:
    margins, stopped, right = SURFACES[name], [], []
    for seed in range(12):
        observations, known = search(margins, sd=0.06, seed=seed)
        wrong = set(np.flatnonzero((known.posterior.mean > 0) != (margins > 0)))
        stopped.append(len(observations))
        right.append(known.settled and known.status == FOUND and wrong <= beside(margins))
    assert np.median(stopped) <= 13
    assert np.mean(right) >= 0.8


def test_crossings_lie_where_the_margin_is_0() -> None:
    observations = [look(STRAIGHT, cell, np.random.default_rng(cell), sd=0.01) for cell in range(40)]
    known = estimate_frontier(GRID, observations)
    for column, crossing in zip(GRID.columns, known.crossings, strict=True):
        true = 7 * (0.75 - 0.5 * DEPTH[column[0]])
        assert crossing.status == FOUND and crossing.monotone
        assert crossing.position == pytest.approx(true, abs=0.3)
        assert crossing.low is not None and crossing.high is not None
        assert crossing.low <= true <= crossing.high <= crossing.low + 3


@pytest.mark.parametrize(("level", "status"), [(0.25, ALL_OVERFIT), (-0.25, NONE_OVERFITS)])
def test_a_space_without_frontier_is_said_to_have_none(level: float, status: str) -> None:
    for seed in range(5):
        observations, known = search(level + 0.1 * (WIDTH - 0.5), sd=0.05, seed=seed)
        assert known.status == status and known.settled
        assert len(observations) <= 13
        assert "no frontier" in known.reason and ("smaller" in known.reason) == (status == ALL_OVERFIT)
        assert {crossing.status for crossing in known.crossings} == {status}
        assert all(crossing.position is None for crossing in known.crossings)


def test_pure_noise_about_0_establishes_nothing() -> None:
    settled = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        cells = [int(cell) for cell in rng.permutation(40)[:15]]
        known = estimate_frontier(GRID, [look(np.zeros(40), cell, rng, sd=0.1) for cell in cells])
        settled += known.settled
    assert settled <= 2


def test_it_has_to_be_known_for_several_trials_in_a_row() -> None:
    observations, known = search(STRAIGHT, sd=0.03, seed=0)
    assert known.settled
    count = len(observations)
    once = FrontierConfig(persistence=1)
    assert all(estimate_frontier(GRID, observations[:n], config=once).settled for n in range(count - 2, count + 1))
    assert not estimate_frontier(GRID, observations[: count - 1]).settled
    assert not estimate_frontier(GRID, observations, config=FrontierConfig(persistence=count)).settled


def test_more_confidence_leaves_more_in_doubt_and_more_tolerance_less() -> None:
    rng = np.random.default_rng(3)
    observations = [look(BENT, cell, rng, sd=0.1) for cell in (0, 7, 12, 20, 32, 39)]
    base = FrontierConfig()
    unsure = {
        name: set(estimate_frontier(GRID, observations, config=config).unsure)
        for name, config in {
            "base": base,
            "confident": replace(base, confidence=0.99),
            "tolerant": replace(base, tolerance=3),
        }.items()
    }
    assert unsure["tolerant"] < unsure["base"] < unsure["confident"]


def test_a_known_frontier_says_how_near_to_it_cells_may_be_in_doubt() -> None:
    observations = [look(STRAIGHT, cell, np.random.default_rng(cell), sd=0.02) for cell in range(40)]
    said = [
        estimate_frontier(GRID, observations, config=FrontierConfig(tolerance=tolerance)).reason for tolerance in (1, 3)
    ]
    assert said == [
        "The frontier is known: of 40 cells only those beside it are in doubt.",
        "The frontier is known: of 40 cells only those at most 3 from it are in doubt.",
    ]


def test_margins_upside_down_turn_the_verdict_round() -> None:
    observations = [look(STRAIGHT, cell, np.random.default_rng(cell), sd=0.02) for cell in range(0, 40, 2)]
    turned = [Observation(o.cell, tuple(-m for m in o.margins)) for o in observations]
    up, down = estimate_frontier(GRID, observations), estimate_frontier(GRID, turned)
    assert [c.status for c in up.crossings] == [FOUND] * 5
    assert [c.status for c in down.crossings] == [OPEN] * 5
    assert not any(crossing.monotone for crossing in down.crossings)
    np.testing.assert_allclose(up.posterior.overfit, 1 - down.posterior.overfit, atol=0.3)


def test_first_the_outermost_columns_are_cut_where_a_falling_frontier_would_cross_them() -> None:
    assert next_cells(GRID, [], count=2) == [5, 34]
    turned = Grid(GRID.points[:, ::-1], GRID.columns)  # the frontier is still sought along the columns
    assert next_cells(turned, [], count=2) == [5, 34]
    assert next_cells(Grid.regular(7), [], count=2) == [4, 2]
    seen = look(STRAIGHT, 5, np.random.default_rng(0), sd=0.05)
    assert next_cells(GRID, [seen]) == [34] == next_cells(GRID, [], pending=[5])
    assert not {5, 34} & set(next_cells(GRID, [seen], barred=[34], count=5))


@pytest.mark.parametrize("told", [0, 1, 3, 8])
def test_no_cell_is_chosen_twice_in_a_batch_nor_a_pending_or_barred_one(told: int) -> None:
    rng = np.random.default_rng(told)
    observations = [look(STRAIGHT, cell, rng, sd=0.05) for cell in next_cells(GRID, [], count=told)]
    pending, barred = [17, 18], [25]
    cells = next_cells(GRID, observations, count=6, pending=pending, barred=barred)
    assert len(set(cells)) == 6 and not set(cells) & {17, 18, 25}
    rest = next_cells(GRID, observations, count=100, pending=pending, barred=barred)
    assert sorted(rest) == sorted(set(range(40)) - {17, 18, 25})


@pytest.mark.parametrize("seed", range(6))
def test_what_is_pending_is_believed_in_and_a_batch_spreads(seed: int) -> None:
    rng = np.random.default_rng(seed)
    observations = [look(STRAIGHT, cell, rng, sd=0.03) for cell in (19, 0, 39)]
    one_by_one: list[int] = []
    for _ in range(5):
        one_by_one += next_cells(GRID, observations, pending=one_by_one)
    assert next_cells(GRID, observations, count=5) == one_by_one
    chosen = GRID.points[one_by_one[:4]]
    gaps = np.linalg.norm(chosen[:, None] - chosen[None], axis=2)[np.triu_indices(4, 1)]
    assert gaps.max() > 0.4


def test_it_looks_beside_the_frontier() -> None:
    rng = np.random.default_rng(1)
    observations = [look(STRAIGHT, cell, rng, sd=0.02) for cell in (19, 0, 39)]
    for _ in range(8):
        observations.append(look(STRAIGHT, next_cells(GRID, observations)[0], rng, sd=0.02))
    later = [abs(STRAIGHT[o.cell]) for o in observations[3:]]
    assert np.mean(later) < 0.6 * np.mean(np.abs(STRAIGHT))


def test_repeats_are_added_where_noise_is_the_doubt() -> None:
    grid = Grid.regular(1, 4)  # every cell was seen; the third is near 0 and noisy
    values = ((-0.5, -0.4, -0.6), (-0.4, -0.3, -0.5), (0.06, -0.06, 0.09), (0.5, 0.4, 0.6))
    observations = [Observation(cell, margins) for cell, margins in enumerate(values)]
    assert next_cells(grid, observations) == [2]


@pytest.mark.parametrize("overlap", [0.0, 0.25])
def test_a_trial_adds_what_it_takes_off_the_variance_of_the_mean(overlap: float) -> None:
    grid = Grid.regular(1, 3)
    seen = infer_margins(grid, [Observation(0, (0.1, 0.3, 0.5)), Observation(2, (0.5, 0.6))], overlap=overlap)
    added = _added_noise(np.array([3.0, 0.0, 2.0]), seen, repeats=4, overlap=overlap)
    for count, extra in zip((3, 0, 2), added, strict=True):
        before = 1 / (seen.noise**2 * (1 / count + overlap)) if count else 0.0
        assert before + 1 / extra == pytest.approx(1 / (seen.noise**2 * (1 / (count + 4) + overlap)))


def test_the_same_observations_give_the_same_choice() -> None:
    observations = [look(BENT, cell, np.random.default_rng(cell), sd=0.05) for cell in (19, 0, 39, 12)]
    assert next_cells(GRID, observations, count=5) == next_cells(GRID, list(observations), count=5)
    turned = infer_margins(GRID, observations[::-1])
    np.testing.assert_allclose(turned.mean, infer_margins(GRID, observations).mean, atol=1e-10)


@pytest.mark.parametrize("setting", [{"confidence": 0.4}, {"tolerance": 0}, {"persistence": 0}, {"overlap": -0.1}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(LabError, match=next(iter(setting))):
        FrontierConfig(**setting)


def test_nothing_observed_is_told_in_a_sentence() -> None:
    with pytest.raises(LabError, match="Nothing was observed"):
        estimate_frontier(GRID, [])
    with pytest.raises(LabError, match="40 cells"):
        next_cells(GRID, [Observation(40, (0.1,))])


# What has learnt nothing


def test_what_has_learnt_nothing_lies_on_neither_side() -> None:
    nothing = {4, 5, *GRID.columns[4]}  # two cells about the frontier of the first column, and the whole last one
    seen = [cell for cell in range(40) if cell not in nothing]
    observations = [look(STRAIGHT, cell, np.random.default_rng(cell), sd=0.01) for cell in seen]
    known = estimate_frontier(GRID, observations, not_learnt=nothing)
    assert known.not_learnt == tuple(sorted(nothing)) and not nothing & set(known.unsure)
    assert known.status == FOUND and "10 more have learnt nothing" in known.reason
    first, *others, last = known.crossings
    assert (first.status, first.low, first.high) == (FOUND, 3, 6)
    assert first.position is not None and 3 < first.position < 6
    assert (last.status, last.position, last.low, last.high) == (NOT_LEARNT, None, None, None)
    assert others == list(estimate_frontier(GRID, observations).crossings[1:4])


def test_a_space_that_overfits_wherever_it_learns_has_no_frontier() -> None:
    nothing = [int(cell) for cell in np.flatnonzero(STRAIGHT < 0.05)]
    observations = [
        look(STRAIGHT, cell, np.random.default_rng(cell), sd=0.01) for cell in range(40) if cell not in nothing
    ]
    assert estimate_frontier(GRID, observations).status != ALL_OVERFIT
    assert estimate_frontier(GRID, observations, not_learnt=nothing).status == ALL_OVERFIT


def test_what_was_observed_of_a_cell_outweighs_that_a_trial_of_it_learnt_nothing() -> None:
    observations = [look(STRAIGHT, cell, np.random.default_rng(cell), sd=0.05) for cell in (19, 0, 39)]
    assert estimate_frontier(GRID, observations, not_learnt=[19]).not_learnt == ()
    assert next_cells(GRID, observations, not_learnt=[19]) == next_cells(GRID, observations)


def test_the_search_keeps_off_where_nothing_learns() -> None:
    barren, rng = DEPTH > 0.6, np.random.default_rng(0)
    observations: list[Observation] = []
    nothing: list[int] = []
    for _ in range(20):
        [cell] = next_cells(GRID, observations, not_learnt=nothing)
        assert cell not in nothing
        if barren[cell]:
            nothing.append(cell)
        else:
            observations.append(look(STRAIGHT, cell, rng, sd=0.05))
    assert 1 <= len(nothing) <= 10  # it would try all 16, would it hope as much of them as of others
    all_barren = next_cells(GRID, [], not_learnt=[19, 0, 39], count=2)
    assert len(set(all_barren) - {19, 0, 39}) == 2


def test_a_trial_is_chosen_by_how_much_it_is_expected_to_lower_the_loss() -> None:
    begun = [*next_cells(GRID, [], count=2), 0, 12]
    observations = [look(BENT, cell, np.random.default_rng(cell), sd=0.05) for cell in begun]
    seen = infer_margins(GRID, observations)
    added = _added_noise(np.bincount(begun, minlength=40) * 3.0, seen, repeats=3, overlap=0.0)
    normal, gains = ndtri((np.arange(2001) + 0.5) / 2001)[:, None], []
    for cell in range(40):  # whatever it may bring
        moves = seen.covariance[:, cell] / np.sqrt(seen.covariance[cell, cell] + added[cell])
        means = seen.mean + normal * moves
        gains.append(np.abs(means).mean(axis=0).sum() - np.abs(seen.mean).sum())
    [chosen] = next_cells(GRID, observations)
    assert gains[chosen] > 0.999 * max(gains) > 1.2 * np.median(gains)
