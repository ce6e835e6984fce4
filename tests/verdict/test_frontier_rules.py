"""What the frontier makes of a posterior: which cells are in doubt, where it runs, and how sure each side is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from rfcx_lab.verdict import frontier
from rfcx_lab.verdict.frontier import ALL_OVERFIT, FOUND, NONE_OVERFITS, OPEN, Frontier, FrontierConfig
from rfcx_lab.verdict.level_set import Grid, Observation, Posterior

ONCE = FrontierConfig(persistence=1)


@pytest.fixture
def known(monkeypatch) -> Callable[..., Frontier]:
    """The frontier of columns of probabilities, smallest model first."""

    def estimate(*columns: Sequence[float], config: FrontierConfig = ONCE) -> Frontier:
        overfit = np.concatenate(columns)
        posterior = Posterior(overfit - 0.5, 0.01 * np.eye(len(overfit)), overfit, 0.1)
        monkeypatch.setattr(frontier, "infer_margins", lambda *asked, **options: posterior)
        grid = Grid.regular(len(columns), len(columns[0]))
        return frontier.estimate_frontier(grid, [Observation(0, (0.1,))], config=config)

    return estimate


def test_only_the_two_cells_beside_the_frontier_may_stay_unsure(known):
    found = known([0.01, 0.02, 0.4, 0.6, 0.97, 0.99])
    assert (found.status, found.unsure) == (FOUND, ())
    assert known([0.01, 0.1, 0.4, 0.97, 0.98, 0.99]).unsure == (1,)
    assert known([0.01, 0.02, 0.03, 0.6, 0.9, 0.99]).unsure == (4,)
    assert known([0.01, 0.1, 0.4, 0.6, 0.9, 0.99], config=FrontierConfig(tolerance=2, persistence=1)).unsure == ()


def test_in_a_column_that_it_does_not_cross_it_may_run_close_by_the_end(known):
    crossed = [0.01, 0.02, 0.98, 0.99]
    assert known(crossed, [0.6, 0.97, 0.98, 0.99]).unsure == ()
    assert known(crossed, [0.01, 0.02, 0.03, 0.4]).unsure == ()
    assert known(crossed, [0.6, 0.7, 0.98, 0.99]).unsure == (5,)
    assert known(crossed, [0.01, 0.02, 0.3, 0.4]).unsure == (6,)


@pytest.mark.parametrize(
    ("sure", "doubtful", "status"),
    [([0.96, 0.97, 0.99], [0.6, 0.97, 0.99], ALL_OVERFIT), ([0.01, 0.02, 0.04], [0.01, 0.02, 0.4], NONE_OVERFITS)],
)
def test_that_there_is_none_takes_every_cell(sure, doubtful, status, known):
    assert known(sure, sure).status == status
    found = known(sure, doubtful)
    assert (found.status, len(found.unsure)) == (OPEN, 1)


def test_each_side_begins_where_it_is_sure(known):
    [crossing] = known([0.01, 0.04, 0.2, 0.3, 0.7, 0.9, 0.96, 0.99]).crossings
    assert (crossing.low, crossing.high) == (1, 6)
    assert crossing.position == pytest.approx(3.5)
    [nowhere_sure] = known([0.2, 0.3, 0.7, 0.9]).crossings
    assert (nowhere_sure.low, nowhere_sure.high) == (None, None)
