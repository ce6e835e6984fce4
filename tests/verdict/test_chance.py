"""What has learnt: a fit must once have been credibly better than a constant guess, where that is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import Curves, OnsetConfig, OnsetMonitor, RungInfo, find_onset, judge_ladder
from rfcx_lab.verdict.chance import chance_loss
from rfcx_lab.verdict.config import SettledConfig
from rfcx_lab.verdict.settled import SettledRule, settled_epoch
from tests.verdict.synthetic import SEEDS, Series, Truth, noise

LN24 = math.log(24)
# As measured: the article's stack on real recordings of 24 species, 50 epochs.
ARTICLE_TRAIN = (
    3.2407, 3.203, 3.1963, 3.1802, 3.1899, 3.1862, 3.1777, 3.176, 3.1783, 3.1881, 3.1767, 3.177, 3.1801, 3.178, 3.1751,
    3.1822, 3.1771, 3.1807, 3.1817, 3.1808, 3.1867, 3.1784, 3.1781, 3.1807, 3.1795, 3.1782, 3.1772, 3.177, 3.1798,
    3.1774, 3.1772, 3.1762, 3.1788, 3.1771, 3.1768, 3.1761, 3.1772, 3.1765, 3.1785, 3.1773, 3.1807, 3.1762, 3.1753,
    3.179, 3.1767, 3.1753, 3.1787, 3.1763, 3.1768, 3.177,
)  # fmt: skip
ARTICLE_VAL = (
    3.1815, 3.182, 3.1811, 3.18, 3.1794, 3.1802, 3.1811, 3.1818, 3.1817, 3.182, 3.1815, 3.1821, 3.1822, 3.1822, 3.1828,
    3.1839, 3.1836, 3.1841, 3.1845, 3.1838, 3.1837, 3.1828, 3.1842, 3.1845, 3.1839, 3.1838, 3.184, 3.184, 3.1842,
    3.1844, 3.1846, 3.1848, 3.1848, 3.1848, 3.185, 3.1853, 3.1854, 3.1858, 3.1863, 3.1862, 3.1856, 3.1857, 3.1859,
    3.1861, 3.1865, 3.1868, 3.187, 3.1869, 3.1871, 3.1874,
)  # fmt: skip


def dips(below: float, *, rise: float = 0.3, scale: float = 0.002, epochs: int = 50) -> Truth:
    """From just above ln 24 to a share `below` it, and from there up."""
    return Truth(epochs=epochs, start=LN24 + 0.03, lowest=LN24 * (1 - below), rise=rise, onset=15, scale=scale)


def statuses(truth: Truth, *, chance: float | None) -> list[str]:
    return [find_onset(*truth.curves(seed), chance=chance).status for seed in SEEDS]


# The level


@pytest.mark.parametrize("classes", [2, 3, 24])
def test_of_equally_frequent_classes_it_is_their_logarithm(classes: int) -> None:
    labels = np.repeat(np.arange(classes), 20)
    assert chance_loss(labels, labels, classes=classes) == pytest.approx(math.log(classes))


def test_of_unequal_classes_it_is_what_their_frequencies_come_to() -> None:
    train, validation = np.repeat([0, 1, 2], [797, 99, 101]), np.repeat([0, 1, 2], [80, 10, 10])
    by_hand = -(80 * math.log(798 / 1000) + 10 * math.log(100 / 1000) + 10 * math.log(102 / 1000)) / 100
    assert chance_loss(train, validation, classes=3) == pytest.approx(by_hand)
    assert by_hand < 0.65 < math.log(3)


def test_what_training_lacks_is_improbable_and_not_impossible() -> None:
    train, validation = np.repeat([0, 1], [60, 37]), np.repeat([0, 1, 2], [60, 37, 1])
    by_hand = -(60 * math.log(61 / 100) + 37 * math.log(38 / 100) + math.log(1 / 100)) / 98
    assert chance_loss(train, validation, classes=3) == pytest.approx(by_hand)


def test_frequencies_that_mislead_leave_equal_probabilities() -> None:
    assert chance_loss(np.zeros(100, int), np.ones(20, int), classes=2) == pytest.approx(math.log(2))


# One fit


def test_the_article_s_stack_has_learnt_nothing() -> None:
    assert find_onset(ARTICLE_TRAIN, ARTICLE_VAL).status == "overfit"  # by its own first epoch
    verdict = find_onset(ARTICLE_TRAIN, ARTICLE_VAL, chance=LN24)
    assert (verdict.status, verdict.onset_epoch, verdict.first_alarm) == ("not_learning", None, None)
    assert verdict.reason == "Validation was never credibly better than a constant guess, 3.178: nothing was learnt."


@pytest.mark.parametrize(("scale", "correlation"), [(0.0005, 0.35), (0.003, 0.35), (0.01, 0.0)])
@pytest.mark.parametrize("epochs", [30, 100])
@pytest.mark.parametrize("drift", [0.0, 0.1])
def test_what_wanders_about_chance_never_overfits(epochs: int, scale: float, correlation: float, drift: float) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = LN24 * (1 + noise(rng, epochs, scale=scale, correlation=correlation))
        values += drift * np.clip(np.arange(epochs) / epochs - 0.3, 0, None)
        verdict = find_onset(np.linspace(3.2, 3.1, epochs), values, chance=LN24)
        assert verdict.status == "not_learning" and verdict.first_alarm is None


def test_noise_of_many_times_that_size_is_hardly_ever_taken_for_more() -> None:
    """Three per cent of the loss, where fits at chance on record scatter by less than one."""
    verdicts = []
    for seed in range(200):
        values = LN24 * (1 + noise(np.random.default_rng(seed), 50, scale=0.03, correlation=0.35))
        verdicts.append(find_onset(np.linspace(3.2, 3.1, 50), values, chance=LN24).status)
    assert verdicts.count("not_learning") >= 170
    assert verdicts.count("overfit") <= 4


def test_without_chance_some_of_it_does() -> None:
    """What chance is for: a bend by a few thousandths, and noise that is less still."""
    found = 0
    for seed in SEEDS:
        values = LN24 + 0.004 * np.abs(np.linspace(-1, 2, 50)) + noise(np.random.default_rng(seed), 50, scale=0.0004)
        train = np.linspace(3.2, 3.17, 50)
        found += find_onset(train, values).status == "overfit"
        assert find_onset(train, values, chance=LN24).status == "not_learning"
    assert found >= 10


@pytest.mark.parametrize("scale", [0.002, 0.01])
def test_a_rise_from_above_chance_is_not_learning(scale: float) -> None:
    for seed in SEEDS:
        values = np.linspace(3.25, 5.0, 50) + noise(np.random.default_rng(seed), 50, scale=scale)
        assert find_onset(np.linspace(3.2, 0.5, 50), values, chance=LN24).status == "not_learning"


def test_memorising_that_dips_without_reaching_chance_is_not_learning() -> None:
    high = Truth(start=4.0, lowest=3.4, rise=0.3, scale=0.003)
    assert set(statuses(high, chance=None)) == {"overfit"}
    assert set(statuses(high, chance=LN24)) == {"not_learning"}


@pytest.mark.parametrize(("below", "scale"), [(0.02, 0.001), (0.02, 0.002), (0.05, 0.005), (0.3, 0.01)])
def test_what_falls_credibly_below_chance_and_rises_is_overfit(below: float, scale: float) -> None:
    truth = dips(below, scale=scale)
    verdicts = [find_onset(*truth.curves(seed), chance=LN24) for seed in SEEDS]
    assert [verdict.status for verdict in verdicts] == ["overfit"] * len(SEEDS)
    assert abs(np.median([v.onset_epoch for v in verdicts if v.onset_epoch is not None]) - truth.onset) <= 4


@pytest.mark.parametrize("below", [0.0, 0.003, 0.006])
def test_a_hair_below_chance_is_nothing_learnt_however_sure(below: float) -> None:
    assert set(statuses(dips(below, scale=0.0001), chance=LN24)) == {"not_learning"}


def test_a_long_rest_below_chance_is_learnt_where_single_values_scatter() -> None:
    """Means over many epochs tell what none of them does."""
    for seed in SEEDS:
        values = 0.95 * LN24 + noise(np.random.default_rng(seed), 100, scale=0.05, correlation=0.0)
        values[:10] = LN24
        verdict = find_onset(np.linspace(3.2, 2.0, 100), values, chance=LN24)
        assert verdict.status != "not_learning"


def test_of_unequal_classes_the_frequencies_alone_are_nothing_learnt() -> None:
    """A bias learns them: the loss falls far below ln 3, and rests where a constant guess does."""
    train, validation = np.repeat([0, 1, 2], [797, 99, 101]), np.repeat([0, 1, 2], [80, 10, 10])
    level = chance_loss(train, validation, classes=3)
    truth = Truth(start=math.log(3), lowest=level, rise=0.1, onset=15, scale=0.002)
    assert set(statuses(truth, chance=math.log(3))) == {"overfit"}
    assert set(statuses(truth, chance=level)) == {"not_learning"}
    assert set(statuses(replace(truth, lowest=0.9 * level), chance=level)) == {"overfit"}


def test_what_was_learnt_before_the_first_measurement_counts() -> None:
    """The lowest loss stands at the first epochs, far below chance: the first epoch is no place to begin from."""
    for seed in SEEDS:
        values = np.linspace(2.55, 4.8, 50) + noise(np.random.default_rng(seed), 50, scale=0.02)
        train = np.linspace(2.8, 0.1, 50)
        assert find_onset(train, values).status == "not_learning"
        verdict = find_onset(train, values, chance=LN24)
        assert verdict.status == "overfit" and verdict.onset_epoch is not None and verdict.onset_epoch <= 4


@pytest.mark.parametrize("below", [0.003, 0.015, 0.02, 0.2])
@pytest.mark.parametrize("seed", range(4))
def test_the_monitor_says_of_every_prefix_the_same(below: float, seed: int) -> None:
    train, validation = dips(below, scale=[0.001, 0.005][seed % 2]).curves(seed)
    monitor, alarms = OnsetMonitor(chance=LN24), []
    for n in range(1, len(train) + 1):
        verdict = monitor.update(train[n - 1], validation[n - 1])
        assert verdict == find_onset(train[:n], validation[:n], chance=LN24)
        alarms += [n] if verdict.status == "overfit" else []
        assert verdict.first_alarm == (alarms[0] if alarms else None)


@pytest.mark.parametrize("below", [0.0, 0.05])
def test_mode_max_mirrors_mode_min(below: float) -> None:
    train, validation = dips(below).curves(0)
    mirrored = find_onset(-train, -validation, OnsetConfig(mode="max"), chance=-LN24)
    straight = find_onset(train, validation, chance=LN24)
    assert replace(mirrored, reason="") == replace(straight, reason="")
    assert mirrored.status == ("overfit" if below else "not_learning")


def test_of_an_accuracy_chance_lies_below() -> None:
    train, config = np.linspace(0.05, 0.9, 50), OnsetConfig(mode="max")
    guessing = [1 / 24 + noise(np.random.default_rng(seed), 50, scale=0.005, correlation=0.0) for seed in SEEDS]
    verdicts = [find_onset(train, values, config, chance=1 / 24) for values in guessing]
    found = [verdict for verdict in verdicts if verdict.status == "not_learning"]
    assert len(found) >= 18 and all("a constant guess, 0.04167:" in verdict.reason for verdict in found)
    above = [find_onset(train, values + 0.1, config, chance=1 / 24) for values in guessing]
    assert not any(verdict.status == "not_learning" for verdict in above)


@pytest.mark.parametrize("chance", [math.nan, math.inf])
def test_a_level_that_is_no_number_is_refused(chance: float) -> None:
    with pytest.raises(LabError, match="level of chance must be a finite number"):
        find_onset([1.0], [1.0], chance=chance)


# A fit that may end before its budget, and a rung


def test_a_rise_from_chance_settles_nothing() -> None:
    rule = SettledRule(margin=0.05, config=SettledConfig(), onset=OnsetConfig())
    for seed in SEEDS:
        high = Truth(start=3.6, lowest=3.3, rise=0.6, onset=8, scale=0.003).curves(seed)
        assert settled_epoch(*high, rule=rule) is not None
        assert settled_epoch(*high, rule=rule, chance=LN24) is None
        low = Truth(start=3.2, lowest=2.4, rise=0.6, onset=8, scale=0.003).curves(seed)
        assert settled_epoch(*low, rule=rule, chance=LN24) == settled_epoch(*low, rule=rule) is not None


def rung(truths: list[Truth], *, chance: float | None = LN24) -> list[Curves]:
    drawn: list[tuple[Series, Series]] = [truth.curves(seed) for seed, truth in enumerate(truths)]
    return [Curves(*each, None, None, repeat=repeat, chance_loss=chance) for repeat, each in enumerate(drawn)]


def judge(*rungs: list[Curves]):
    order = [RungInfo(f"rung {i}", "capacity", 100 * (i + 1)) for i in range(len(rungs))]
    curves = {info.name: fits for info, fits in zip(order, rungs, strict=True)}
    return judge_ladder(curves, order=order, validation_fraction=0.25)


def test_many_repeats_a_hair_below_chance_are_a_rung_that_has_learnt_nothing() -> None:
    """Their mean is credibly below it, and what it is below by still says nothing of any recording."""
    hair = rung([dips(0.005, scale=0.0001)] * 6)
    gains = [LN24 - min(fit.val_loss) for fit in hair]
    assert np.mean(gains) > 10 * np.std(gains) > 0
    verdict = judge(hair)
    assert verdict.rungs[0].statuses == {"not_learning": 6} and verdict.rungs[0].state == "not_learnt"
    assert verdict.recommended.rung is None
    assert "No rung is recommended: none has learnt." in verdict.answer
    assert "half or more were never credibly better on the validation part than a constant guess." in verdict.answer
    two = judge(hair, hair)
    assert "never credibly better on the validation part than a constant guess." in two.answer
    assert "never credibly better than a constant guess;" in two.begins_to_overfit.trained_to_the_end.reason
    assert judge(rung([dips(0.02)] * 6)).recommended.rung == "rung 0"


def test_the_majority_of_repeats_decides() -> None:
    learns, not_so = dips(0.05), dips(0.0)
    assert judge(rung([learns] * 4 + [not_so] * 2)).recommended.rung == "rung 0"
    assert judge(rung([learns] * 3 + [not_so] * 3)).recommended.rung is None


def test_what_learns_is_recommended_and_what_has_not_is_not_though_its_loss_is_as_low() -> None:
    """Of a part with fewer classes at hand chance is lower: the same losses have learnt on one rung alone."""
    verdict = judge(rung([dips(0.05)] * 6, chance=0.95 * LN24), rung([dips(0.05)] * 6))
    assert verdict.rungs[0].state == "not_learnt"
    assert verdict.recommended.rung == "rung 1"


def test_where_chance_is_not_known_the_first_epoch_stands_for_it() -> None:
    never = Truth(start=3.2, lowest=3.2, rise=0.5, onset=2, scale=0.005)
    assert (
        "never credibly better on the validation part than at the first epoch."
        in judge(rung([never] * 6, chance=None)).answer
    )
