"""Pairs, answers and how many of them: against SciPy's tests and simulated people."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from aigc_lab.evaluate.people import answers_for_power, answers_for_width, trials


def stripes(value: int, count: int) -> np.ndarray:
    return np.full((count, 8, 8), value, np.uint8)


def test_each_pair_holds_one_real_item_on_the_stated_side():
    made = trials(stripes(200, 30), stripes(50, 40), 21, seed=1)
    assert len(made) == 21
    left, right = made.pairs.data[:, :, :8], made.pairs.data[:, :, -8:]
    assert np.array_equal(left[:, 0, 0] == 200, made.real_side == 0)
    assert np.array_equal(right[:, 0, 0] == 200, made.real_side == 1)
    assert abs(made.real_side.mean() - 0.5) < 0.03  # no side to prefer
    assert made.pairs.labels is None  # nothing that could be looked up
    again, other = (trials(stripes(200, 30), stripes(50, 40), 21, seed=s) for s in (1, 2))
    assert np.array_equal(again.real_side, made.real_side)
    assert not np.array_equal(other.real_side, made.real_side)


def test_no_item_is_used_twice_and_all_sorts_of_pictures_are_taken():
    real = np.arange(20, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    generated = (100 + real)[..., None].astype(np.float32) / 255
    made = trials(real[..., None], generated, 20)
    values = made.pairs.data[:, 0, [0, -1]]
    assert sorted(values.ravel().tolist()) == [*range(20), *range(100, 120)]
    colour = np.zeros((5, 8, 8, 3), np.uint8)
    assert trials(colour, colour + 9, 5).pairs.data.shape == (5, 8, 17, 3)


def test_texts_are_paired_too():
    made = trials([f"real {n}" for n in range(9)], [f"made {n}" for n in range(9)], 9)
    for text, side in zip(made.pairs.data, made.real_side, strict=True):
        assert text.startswith("left:\nreal" if side == 0 else "left:\nmade")
        assert text.count("real") == 1


def test_the_score_counts_right_answers_and_only_those_given():
    made = trials(stripes(200, 30), stripes(50, 30), 30)
    assert made.score(made.real_side).value == 1
    assert made.score(1 - made.real_side).value == 0
    half = np.where(np.arange(30) < 12, made.real_side, -1)
    score = made.score(half)
    assert (score.value, score.method) == (1, "Wilson interval over 12 items")
    expected = binomtest(20, 30).proportion_ci(method="wilson")
    twenty = np.where(np.arange(30) < 20, made.real_side, 1 - made.real_side)
    assert (made.score(twenty).low, made.score(twenty).high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("half_width", "rate"), [(0.1, 0.5), (0.05, 0.5), (0.03, 0.8), (0.2, 0.6)])
def test_so_many_answers_are_needed_and_no_fewer(half_width, rate):
    count = answers_for_width(half_width, rate)

    def half(n: int) -> float:
        # Wilson's half-width at any share, from its formula.
        z = 1.959964
        return z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))

    assert half(count) <= half_width < half(count - 1)


@pytest.mark.parametrize(("rate", "power"), [(0.6, 0.8), (0.75, 0.9), (0.95, 0.8)])
def test_the_power_is_what_was_asked_for(rate, power):
    count = answers_for_power(rate, power)

    def reached(n: int) -> float:
        refused = [k for k in range(n + 1) if binomtest(k, n, alternative="greater").pvalue <= 0.05]
        return float(sum(binom.pmf(k, n, rate) for k in refused))

    assert all(reached(n) >= power for n in range(count, count + 20))
    assert reached(count - 1) < power


def test_simulated_people_are_found_out_as_often_as_stated():
    count, generator = answers_for_power(0.7, 0.8), np.random.default_rng(0)
    hits = generator.binomial(count, 0.7, 4000)
    fewest = next(k for k in range(count + 1) if binom.sf(k - 1, count, 0.5) <= 0.05)
    assert 0.78 < (hits >= fewest).mean() < 0.92
    guesses = generator.binomial(count, 0.5, 4000)
    assert (guesses >= fewest).mean() < 0.065


def test_bad_input_is_refused():
    real, generated = stripes(200, 5), stripes(50, 4)
    made = trials(real, generated, 4)
    for call, message in (
        (lambda: trials(real, generated, 5), "make up to 4 pairs, got count=5"),
        (lambda: trials(real, generated[:0], 1), "0 generated items"),
        (lambda: trials(real, generated[:, :4], 2), "differ in shape"),
        (lambda: trials(real, ["a"], 1), "both sides must be pictures"),
        (lambda: trials(real, np.full((4, 8, 8), np.nan), 2), "hold no NaN"),
        (lambda: made.score([0, 1]), "give 4 answers"),
        (lambda: made.score([0, 1, 2, 0]), "give 4 answers"),
        (lambda: made.score([-1] * 4), "nobody has answered"),
        (lambda: answers_for_width(0.6), "half_width must lie in"),
        (lambda: answers_for_power(0.5), "rate must lie in"),
    ):
        with pytest.raises(ValueError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value)
