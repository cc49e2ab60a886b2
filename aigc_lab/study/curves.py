"""What is read from a study's table: dose-response, where harm leaves the noise, what cleaning wins back.

All differences are taken within a seed: the corrupted run of a seed minus its clean run, which has the same
items, first weights and random numbers. Introduced in notebook 15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aigc_lab.evaluate import Score, seed_interval
from aigc_lab.study.one_run import FINISHED

if TYPE_CHECKING:
    import pandas

HIGHER_IS_BETTER = ("elbo", "precision", "recall", "label_accuracy", "worst_class_accuracy")


def values(
    table: pandas.DataFrame,
    score: str,
    model: str,
    corruption: str = "none",
    severity: float = 0.0,
    cleaning: str = "none",
    items: int | None = None,
) -> pandas.Series:
    """One score of all seeds of a cell, by seed. A severity of 0 is the clean set whatever the corruption.

    Raises:
        ValueError: the table has no finished run of this cell, or several sizes and ``items`` names none.
    """
    corruption = "none" if severity == 0 else corruption
    chosen = table[
        (table["status"] == FINISHED)
        & (table["model"] == model)
        & (table["corruption"] == corruption)
        & np.isclose(table["severity"], severity)
        & (table["cleaning"] == cleaning)
    ]
    if items is not None:
        chosen = chosen[chosen["items"] == items]
    if chosen.empty:
        raise ValueError(
            f"the table has no finished run of {model} on {corruption} {severity:g}, cleaning {cleaning}"
        )
    if chosen["seed"].duplicated().any():
        raise ValueError(f"the table has several sizes: say items= one of {sorted(set(chosen['items']))}")
    return chosen.set_index("seed")[score].sort_index()


def harm(score: str, corrupted: pandas.Series, clean: pandas.Series) -> pandas.Series:
    """How much worse a score is, seed by seed: positive is worse, in the score's own unit."""
    worse = clean - corrupted if score in HIGHER_IS_BETTER else corrupted - clean
    return worse.dropna()


def severity_curve(table: pandas.DataFrame, score: str) -> pandas.DataFrame:
    """The dose-response curve of every model and corruption without cleaning: a row for each severity.

    Returns:
        ``model``, ``corruption``, ``severity``, ``seeds``; ``value``, ``low``, ``high`` (mean over seeds with
        Student's t interval); ``harm``, ``harm_low``, ``harm_high`` (paired with the clean run, positive is
        worse); ``p`` (two-sided paired t test) and ``p_holm``, corrected by Holm's method for all corruptions
        and severities of the model (Holm 1979). Severity 0 is left out.

    Raises:
        ValueError: nothing to compare: no corrupted and clean runs of two seeds or more.
    """
    import pandas
    from scipy.stats import ttest_1samp

    corrupted = table[(table["cleaning"] == "none") & (table["severity"] > 0) & (table["status"] == FINISHED)]
    rows = []
    for cell, group in corrupted.groupby(["model", "corruption", "severity"], sort=False):
        found = group.set_index("seed")[score].dropna()
        worse = harm(score, found, values(table, score, cell[0]))
        if len(worse) < 2:
            continue
        same = bool(np.ptp(worse) < 1e-12)  # a test of numbers that do not vary divides by nothing
        p = float(abs(worse.iloc[0]) < 1e-12) if same else float(ttest_1samp(worse, 0).pvalue)
        row = dict(zip(("model", "corruption", "severity"), cell, strict=True)) | {"seeds": len(worse)}
        mean = seed_interval(found)
        row |= {"value": mean.value, "low": mean.low, "high": mean.high}
        rows.append(row | _interval("harm", seed_interval(worse)) | {"p": p})
    frame = pandas.DataFrame(rows)
    if frame.empty:
        raise ValueError(f"the table has no corrupted and clean runs of two seeds or more with a {score}")
    frame["p_holm"] = frame.groupby("model")["p"].transform(lambda each: holm(each.to_numpy()))
    return frame.sort_values(["model", "corruption", "severity"], ignore_index=True)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction: the chance of one false finding or more stays below the level."""
    # That of statsmodels, which the tests compare, collects the garbage of the whole process at each call.
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    return np.minimum(stepped, 1)[np.argsort(order)]


def onsets(curve: pandas.DataFrame) -> pandas.DataFrame:
    """Where each corruption's harm leaves the noise, by a rule that is fixed before the numbers are seen.

    ``onset`` is the lowest severity from which on every severity does harm with a Holm-corrected p below
    0.05; NaN where there is none. ``uncorrected`` is the same with the plain p: a hint, which chance alone
    gives to one curve in forty. ``helps`` is the highest severity at which the score is *better* by the
    corrected test.

    Args:
        curve: of ``severity_curve``.
    """
    import pandas

    rows = []
    for (model, corruption), group in curve.groupby(["model", "corruption"], sort=False):
        group = group.sort_values("severity")
        severities, worse = group["severity"].to_numpy(), (group["harm"] > 0).to_numpy()
        sure, hint = (group["p_holm"] < 0.05).to_numpy(), (group["p"] < 0.05).to_numpy()
        helpful = severities[sure & ~worse]
        rows.append(
            {
                "model": model,
                "corruption": corruption,
                "onset": _from_here_on(severities, sure & worse),
                "uncorrected": _from_here_on(severities, hint & worse),
                "helps": helpful[-1] if len(helpful) else np.nan,
            }
        )
    return pandas.DataFrame(rows)


def _from_here_on(severities: np.ndarray, harmful: np.ndarray) -> float:
    """The lowest severity that is harmful and has no harmless severity above it; NaN where there is none."""
    steady = np.flip(np.logical_and.accumulate(np.flip(harmful)))
    return float(severities[steady.argmax()]) if steady.any() else float("nan")


def won_back(table: pandas.DataFrame, score: str, severity: float) -> pandas.DataFrame:
    """What each cleaning arm wins back at one severity, in the score's own unit, paired by seed.

    Returns:
        a row for each model, corruption and arm: ``harm`` (uncleaned minus clean) and ``won`` (uncleaned
        minus cleaned; positive is better), each with ``_low`` and ``_high``, and ``share``, ``won`` over
        ``harm``, NaN where the harm's own interval reaches 0: a share of nothing.
    """
    import pandas

    chosen = table[(table["cleaning"] != "none") & (table["severity"] > 0)]
    chosen = chosen[np.isclose(chosen["severity"], severity)]
    rows = []
    for cell in chosen[["model", "corruption", "cleaning"]].drop_duplicates().itertuples(index=False):
        clean = values(table, score, cell.model)
        if clean.isna().all():
            continue
        corrupted = values(table, score, cell.model, cell.corruption, severity)
        cleaned = values(table, score, *cell[:2], severity, cell.cleaning)
        damage = seed_interval(harm(score, corrupted, clean))
        won = seed_interval(harm(score, corrupted, cleaned))
        share = won.value / damage.value if damage.low > 0 else np.nan
        rows.append(cell._asdict() | _interval("harm", damage) | _interval("won", won) | {"share": share})
    return pandas.DataFrame(rows)


def _interval(name: str, score: Score) -> dict[str, float]:
    return {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}


def agrees(live: pandas.Series, stored: pandas.Series, level: float = 0.99) -> tuple[bool, Score]:
    """Whether live runs lie where the stored ones say that further runs would lie.

    The prediction interval of the mean of ``len(live)`` new runs, from the stored ones: mean ± t · s ·
    sqrt(1/stored + 1/live), Student's t with the stored runs' degrees of freedom.

    Returns:
        the answer, and the interval.

    Raises:
        ValueError: fewer than two stored runs, or no live one.
    """
    from scipy.stats import t

    old, new = stored.dropna().to_numpy(float), live.dropna().to_numpy(float)
    if len(old) < 2 or not len(new):
        raise ValueError("agreement needs at least two stored runs and one live run")
    half = t.ppf((1 + level) / 2, len(old) - 1) * old.std(ddof=1) * np.sqrt(1 / len(old) + 1 / len(new))
    mean = float(old.mean())
    interval = Score(mean, mean - float(half), mean + float(half), "stored", level=level, method="prediction")
    return bool(interval.low <= new.mean() <= interval.high), interval
