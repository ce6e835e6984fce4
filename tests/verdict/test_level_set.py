"""The posterior of the overfit margin, against exact answers and on surfaces of known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import level_set
from rfcx_lab.verdict.level_set import Grid, Observation, infer_margins, pool_noise


def slope(grid: Grid) -> np.ndarray:
    """Margins that are 0 on a straight line through the middle of the grid."""
    return 0.6 * (grid.points[:, 1] + 0.4 * grid.points[:, 0] - 0.7)


def look(cells: list[int], margins: np.ndarray, *, sd: float, seed: int = 0, repeats: int = 3) -> list[Observation]:
    rng = np.random.default_rng(seed)
    return [Observation(cell, tuple(margins[cell] + rng.normal(0, sd, repeats))) for cell in cells]


def test_it_is_scikit_learn_s_gaussian_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(level_set, "_LENGTH_SCALES", (0.8,))
    monkeypatch.setattr(level_set, "_HEIGHTS", (1.5,))
    monkeypatch.setattr(level_set, "_TREND", 1.0)
    monkeypatch.setattr(level_set, "_SLOPES", (2.0,))
    grid = Grid.regular(4, 5)
    observations = look([0, 7, 12, 19], slope(grid), sd=0.05)
    found = infer_margins(grid, observations)

    means = np.array([np.mean(o.margins) for o in observations])
    height = 1.5**2 * np.mean(means**2)
    # The level and the slopes about the centre, as kernels of scikit-learn on centred points.
    kernel = ConstantKernel(height) * (
        ConstantKernel(1.0) + 4.0 * DotProduct(0.0, "fixed") + Matern([0.8, 0.8], nu=2.5)
    )
    noise = pool_noise(observations) ** 2 / 3
    process = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None)
    expected = 2.0 * math.sqrt(height) * (grid.points[:, 1] - 0.5)
    process.fit(grid.points[[0, 7, 12, 19]] - 0.5, means - expected[[0, 7, 12, 19]])
    mean, covariance = process.predict(grid.points - 0.5, return_cov=True)
    np.testing.assert_allclose(found.mean, expected + mean, atol=1e-8)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-8)


def test_hyper_parameters_are_averaged_over_with_what_they_disagree_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(level_set, "_HEIGHTS", (1.0,))
    monkeypatch.setattr(level_set, "_SLOPES", (0.0,))
    observations = look([0, 2, 4], 2 * slope(Grid.regular(2, 5)), sd=0.02)
    alone = []
    for scales in ((0.2,), (2.0,), (0.2, 2.0)):
        monkeypatch.setattr(level_set, "_LENGTH_SCALES", scales)
        monkeypatch.setattr(level_set, "product", lambda scales, repeat=1: [(scale,) * repeat for scale in scales])
        points = np.array([[0.5, x] for x in np.linspace(0, 1, 5)])
        alone.append(infer_margins(Grid(points, ((0, 1, 2, 3, 4),)), observations))
    short, long, both = alone
    share = (both.mean[3] - long.mean[3]) / (short.mean[3] - long.mean[3])
    assert 0.02 < share < 0.98
    for cell in range(5):
        squares = share * (short.sd**2 + short.mean**2) + (1 - share) * (long.sd**2 + long.mean**2)
        assert both.sd[cell] ** 2 == pytest.approx((squares - both.mean**2)[cell], rel=1e-6, abs=1e-12)


def test_a_rise_with_size_is_expected_until_the_data_say_otherwise() -> None:
    grid = Grid.regular(2, 6)
    middle = [Observation(cell, (-0.1, 0.0, 0.1)) for cell in (2, 3)]
    assert infer_margins(grid, middle).overfit[5] > 0.56 > 0.44 > infer_margins(grid, middle).overfit[0]
    falling = look([0, 2, 3, 5, 8], 0.4 * (0.5 - grid.points[:, 1]), sd=0.03)
    found = infer_margins(grid, falling)
    assert found.overfit[0] > 0.95 and found.overfit[5] < 0.05


def test_noise_is_pooled_over_cells() -> None:
    observations = [Observation(0, (1.0, 3.0)), Observation(1, (10.0, 14.0)), Observation(2, (5.0,))]
    assert pool_noise(observations) == pytest.approx(math.sqrt((2 + 8) / 2))
    assert math.isnan(pool_noise(observations[2:]))


def test_later_repeats_of_a_cell_join_the_earlier_ones() -> None:
    grid = Grid.regular(2, 3)
    apart = [Observation(0, (0.1, 0.3)), Observation(4, (-0.2, 0.0)), Observation(0, (0.5, 0.2))]
    joined = [Observation(0, (0.1, 0.3, 0.5, 0.2)), Observation(4, (-0.2, 0.0))]
    np.testing.assert_allclose(infer_margins(grid, apart).mean, infer_margins(grid, joined).mean)


@pytest.mark.parametrize("sd", [0.03, 0.1])
def test_truth_lies_where_the_posterior_says(sd: float) -> None:
    grid = Grid.regular(5, 8)
    truth = slope(grid)
    scores = []
    for seed in range(40):
        cells = [int(cell) for cell in np.random.default_rng(seed).permutation(40)[:10]]
        found = infer_margins(grid, look(cells, truth, sd=sd, seed=seed))
        scores.append((truth - found.mean) / found.sd)
    squares = np.square(scores)
    assert np.mean(squares < 1.96**2) > 0.85  # it is not too sure
    assert np.mean(squares) > 0.15  # nor is it sure of nothing


def test_doubt_is_smallest_where_it_was_observed_and_grows_with_noise() -> None:
    grid = Grid.regular(5, 8)
    cells = [0, 20, 39]
    quiet, loud = (infer_margins(grid, look(cells, slope(grid), sd=sd)) for sd in (0.02, 0.3))
    others = [cell for cell in range(40) if cell not in cells]
    assert quiet.sd[cells].max() < quiet.sd[others].min()
    assert (loud.sd[cells] > 3 * quiet.sd[cells]).all()


def test_sure_signs_are_right_and_doubt_lies_at_the_frontier() -> None:
    grid = Grid.regular(5, 8)
    truth = slope(grid)
    found = infer_margins(grid, look(list(range(0, 40, 3)), truth, sd=0.02))
    sure = np.maximum(found.overfit, 1 - found.overfit) > 0.975
    assert sure.mean() > 0.7
    assert ((found.overfit > 0.5) == (truth > 0))[sure].all()
    assert np.abs(truth[~sure]).max(initial=0) < np.abs(truth[sure]).mean()


def test_overlap_of_training_sets_keeps_doubt_however_many_the_repeats() -> None:
    grid = Grid.regular(1, 4)
    observations = look([0, 3], slope(Grid.regular(2, 4))[:4], sd=0.1, repeats=400)
    alone, overlapping = (infer_margins(grid, observations, overlap=overlap) for overlap in (0.0, 0.25))
    assert alone.sd[0] == pytest.approx(0.1 / 20, rel=0.2)
    assert overlapping.sd[0] == pytest.approx(0.1 / 2, rel=0.2)


def test_equal_values_are_no_certainty() -> None:
    found = infer_margins(Grid.regular(2, 3), [Observation(0, (0.0, 0.0)), Observation(5, (0.0, 0.0))])
    assert np.isfinite(found.mean).all() and (found.sd > 0).all()


@pytest.mark.parametrize("margins", [(), (0.1, math.nan), (math.inf,)])
def test_an_observation_needs_finite_margins(margins: tuple[float, ...]) -> None:
    with pytest.raises(LabError, match="Cell 3"):
        Observation(3, margins)


def test_what_does_not_fit_a_grid_is_refused() -> None:
    with pytest.raises(LabError, match="6 cells"):
        infer_margins(Grid.regular(2, 3), [Observation(6, (0.1,))])
    with pytest.raises(LabError, match="Nothing"):
        infer_margins(Grid.regular(2, 3), [])
    with pytest.raises(LabError, match="each of its 4 cells once"):
        Grid(np.zeros((4, 2)), ((0, 1), (1, 3)))
    with pytest.raises(LabError, match="from 0 to 1"):
        Grid(np.full((2, 1), 1.5), ((0, 1),))
