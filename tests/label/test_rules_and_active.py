"""Weak labels by rules, and which item to label next."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from aigc_lab import collect, label

RULES = [
    label.Rule("barks", 1, lambda text: "woof" in text),
    label.Rule("purrs", 0, lambda text: "purr" in text),
    label.Rule("pointed ears", 0, lambda text: "ears" in text),
]
TEXTS = ["woof", "purr", "ears and purr", "woof with ears", "nothing", ""]


def test_rules_say_what_they_know():
    votes = label.apply_rules(TEXTS, RULES)
    assert votes.tolist() == [[1, -1, -1, 1, -1, -1], [-1, 0, 0, -1, -1, -1], [-1, -1, 0, 0, -1, -1]]
    table = label.rule_table(votes, RULES, np.array([1, 0, 0, 1, 1, -1])).set_index("rule")
    assert table.loc["barks", ["coverage", "overlap", "conflict", "accuracy"]].tolist() == [
        pytest.approx(2 / 6), pytest.approx(1 / 6), pytest.approx(1 / 6), 1.0,
    ]  # fmt: skip
    assert table.loc["pointed ears", ["coverage", "overlap", "conflict", "accuracy"]].tolist() == [
        pytest.approx(2 / 6), pytest.approx(2 / 6), pytest.approx(1 / 6), 0.5,
    ]  # fmt: skip
    assert "accuracy" not in label.rule_table(votes, RULES)
    majority = label.weak_labels(votes, 2, "majority")
    assert majority.labels.tolist() == [1, 0, 0, 0, -1, -1]


@pytest.mark.parametrize("seed", range(3))
def test_dawid_skene_learns_which_rules_are_good(seed):
    """One good rule for each class and four poor ones: the poor ones outvote, the model knows better."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, 3000)
    chances = [(0, 0.8, 0.05), (1, 0.05, 0.8), (0, 0.5, 0.4), (0, 0.5, 0.4), (0, 0.5, 0.4), (0, 0.5, 0.4)]
    votes = np.array(
        [
            np.where(random.random(3000) < np.array([if_zero, if_one])[truth], says, -1)
            for says, if_zero, if_one in chances
        ]
    )
    model, vote = label.weak_labels(votes, 2), label.weak_labels(votes, 2, "majority")
    spoken = vote.labels >= 0
    assert (model.labels == truth)[spoken].mean() > (vote.labels == truth)[spoken].mean() + 0.1
    assert np.array_equal(model.labels >= 0, spoken)


def test_rules_that_cannot_work_are_refused():
    def broken(text):
        return text[10] == "x"

    with pytest.raises(ValueError, match="rule 'broken' fails on item 0: string index out of range"):
        label.apply_rules(TEXTS, [label.Rule("broken", 0, broken)])
    with pytest.raises(ValueError, match="there are no rules"):
        label.apply_rules(TEXTS, [])
    with pytest.raises(ValueError, match="different names"):
        label.apply_rules(TEXTS, [RULES[0], RULES[0]])
    with pytest.raises(ValueError, match="labels are 0, 1, 2"):
        label.apply_rules(TEXTS, [label.Rule("abstains", -1, bool)])
    with pytest.raises(ValueError, match="a row for each of the 3 rules"):
        label.rule_table(np.zeros((2, 4), int), RULES)
    with pytest.raises(ValueError, match="4 labels are needed"):
        label.rule_table(np.zeros((3, 4), int), RULES, np.zeros(5, int))
    with pytest.raises(ValueError, match="nobody has labelled"):
        label.weak_labels(label.apply_rules(["nothing"], RULES), 2)
    with pytest.raises(ValueError, match="how must be one of"):
        label.weak_labels(np.zeros((3, 4), int), 2, "guess")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6))
def test_uncertainty_is_zero_when_sure_and_highest_when_even(seed, classes):
    rows = np.random.default_rng(seed).dirichlet(np.ones(classes), 20)
    rows = np.vstack([np.eye(classes)[0], np.full(classes, 1 / classes), rows])
    for measure in label.MEASURES:
        unsure = label.uncertainty(rows, measure)
        assert unsure[0] == pytest.approx(0.0)
        assert unsure[1] == pytest.approx(unsure.max())
    assert label.uncertainty(rows, "entropy") == pytest.approx(entropy(rows, axis=1))
    two = rows[:, :2] / rows[:, :2].sum(axis=1, keepdims=True) if classes > 2 else rows
    # With two classes all measures give the same order.
    order = np.argsort(label.uncertainty(two, "least_confidence"), kind="stable")
    for measure in label.MEASURES:
        assert (np.diff(label.uncertainty(two, measure)[order]) > -1e-9).all()


def test_active_learning_buys_what_it_says_and_looks_at_no_other_label():
    digits = collect.load("digits")
    pool, _, test = digits.split((0.6, 0.1, 0.3), seed=0)
    features = [part.arrays()[0].reshape(len(part), -1) for part in (pool, test)]
    settings = {"start": 20, "batch": 25, "budget": 80, "seed": 1}
    runs = {
        strategy: label.active_learning(
            features[0], pool.labels, features[1], test.labels, strategy, **settings
        )
        for strategy in ("random", "margin")
    }
    for run in runs.values():
        assert run["labels"].tolist() == [20, 45, 70, 80]
        assert len(set(run.attrs["bought"])) == 80
        assert run["accuracy"].between(0, 1).all()
    assert runs["random"].attrs["bought"][:20] == runs["margin"].attrs["bought"][:20]
    assert runs["random"]["accuracy"][0] == runs["margin"]["accuracy"][0]
    # Labels that were not bought cannot matter.
    scrambled = np.full_like(pool.labels, 9)
    bought = runs["margin"].attrs["bought"]
    scrambled[bought] = pool.labels[bought]
    again = label.active_learning(features[0], scrambled, features[1], test.labels, "margin", **settings)
    assert again.attrs["bought"] == bought


def test_active_learning_refuses_what_it_cannot_do():
    x, y = np.random.default_rng(0).random((30, 3)), np.arange(30) % 2
    with pytest.raises(ValueError, match="strategy must be one of random"):
        label.active_learning(x, y, x, y, "best")
    with pytest.raises(ValueError, match="budget <= items of the pool"):
        label.active_learning(x, y, x, y, "random", budget=31)
    with pytest.raises(ValueError, match="single class"):
        label.active_learning(x, np.zeros(30, int), x, y, "random", budget=20)
    with pytest.raises(ValueError, match="measure must be one of"):
        label.uncertainty(np.ones((2, 2)), "luck")
    with pytest.raises(ValueError, match="at least 2 classes"):
        label.uncertainty(np.ones((2, 1)))
    rare = np.r_[np.zeros(29, int), 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = label.active_learning(x, rare, x, rare, "margin", start=2, batch=5, budget=12)
    assert table["labels"].tolist() == [2, 7, 12]
