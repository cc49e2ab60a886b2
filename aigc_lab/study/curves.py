"""What is read from a study's table: dose-response, where harm leaves the noise, what cleaning wins back.

All differences are taken within a seed: the dirty run of a seed minus its clean run, which has the same
items, first weights and random numbers. Introduced in notebook 15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aigc_lab.evaluate import Score, seed_interval
from aigc_lab.study.runs import FINISHED
from aigc_lab.study.scores import HIGHER_IS_BETTER

if TYPE_CHECKING:
    import pandas

CELL = ["model", "defect", "dose", "items", "cleaning"]


def values(
    table: pandas.DataFrame,
    score: str,
    model: str,
    defect: str = "none",
    dose: float = 0.0,
    cleaning: str = "none",
    items: int | None = None,
) -> pandas.Series:
    """One score of all seeds of a cell, by seed. A dose of 0 is the clean set whatever the defect.

    Raises:
        ValueError: the table has no finished run of this cell, or several sizes and ``items`` names none.
    """
    defect = "none" if dose == 0 else defect
    chosen = table[
        (table["status"] == FINISHED)
        & (table["model"] == model)
        & (table["defect"] == defect)
        & np.isclose(table["dose"], dose)
        & (table["cleaning"] == cleaning)
    ]
    if items is not None:
        chosen = chosen[chosen["items"] == items]
    if chosen.empty:
        raise ValueError(
            f"the table has no finished run of {model} on {defect} {dose:g}, cleaning {cleaning}"
        )
    if chosen["seed"].duplicated().any():
        raise ValueError(f"the table has several sizes: say items= one of {sorted(set(chosen['items']))}")
    return chosen.set_index("seed")[score].sort_index()


def harm(score: str, dirty: pandas.Series, clean: pandas.Series) -> pandas.Series:
    """How much worse a score is, seed by seed: positive is worse, in the score's own unit."""
    worse = clean - dirty if HIGHER_IS_BETTER.get(score, False) else dirty - clean
    return worse.dropna()


def dose_response(table: pandas.DataFrame, score: str, level: float = 0.95) -> pandas.DataFrame:
    """The curve of every model and defect without cleaning: a row for each dose.

    Returns:
        ``model``, ``defect``, ``dose``, ``seeds``; ``value``, ``low``, ``high`` (mean over seeds with
        Student's t interval); ``harm``, ``harm_low``, ``harm_high`` (paired with the clean run, positive is
        worse); ``p`` (two-sided paired t test) and ``p_holm``, corrected by Holm's method for all defects and
        doses of the model (Holm 1979). Dose 0 is left out.
    """
    import pandas
    from scipy.stats import ttest_1samp

    dirty = table[(table["cleaning"] == "none") & (table["dose"] > 0) & (table["status"] == FINISHED)]
    rows = []
    for (model, defect, dose), group in dirty.groupby(["model", "defect", "dose"], sort=False):
        found = group.set_index("seed")[score].dropna()
        worse = harm(score, found, values(table, score, model))
        if len(worse) < 2:
            continue
        mean, paired = seed_interval(found, level=level), seed_interval(worse, level=level)
        same = bool(np.ptp(worse) < 1e-12)  # a test of numbers that do not vary divides by nothing
        p = float(abs(worse.iloc[0]) < 1e-12) if same else float(ttest_1samp(worse, 0).pvalue)
        rows.append(
            {
                "model": model, "defect": defect, "dose": dose, "seeds": len(worse),
                "value": mean.value, "low": mean.low, "high": mean.high,
                "harm": paired.value, "harm_low": paired.low, "harm_high": paired.high, "p": p,
            }
        )  # fmt: skip
    frame = pandas.DataFrame(rows)
    if frame.empty:
        raise ValueError(f"the table has no dirty and clean runs of two seeds or more with a {score}")
    frame["p_holm"] = frame.groupby("model")["p"].transform(lambda each: holm(each.to_numpy()))
    return frame.sort_values(["model", "defect", "dose"], ignore_index=True)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction: the chance of one false finding or more stays below the level."""
    p = np.asarray(p, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def onsets(curve: pandas.DataFrame, level: float = 0.05) -> pandas.DataFrame:
    """Where each defect's harm leaves the noise, by a rule that is fixed before the numbers are seen.

    The dose is the lowest one from which on every dose does harm with a Holm-corrected p below ``level``;
    NaN where there is none. ``uncorrected`` is the same with the plain p: a hint, which chance alone gives
    to one curve in forty. ``helps`` is the highest dose at which the score is *better* by the corrected test.

    Args:
        curve: of ``dose_response``.
    """
    import pandas

    rows = []
    for (model, defect), group in curve.groupby(["model", "defect"], sort=False):
        group = group.sort_values("dose")
        sure = (group["p_holm"] < level).to_numpy()
        worse = sure & (group["harm"] > 0).to_numpy()
        better = sure & (group["harm"] < 0).to_numpy()
        doses = group["dose"].to_numpy()
        hint = ((group["p"] < level) & (group["harm"] > 0)).to_numpy()
        rows.append(
            {
                "model": model,
                "defect": defect,
                "onset": _from_here_on(doses, worse),
                "uncorrected": _from_here_on(doses, hint),
                "helps": doses[better][-1] if better.any() else np.nan,
                "worst_dose": doses[-1],
                "worst_harm": group["harm"].iloc[-1],
                "worst_low": group["harm_low"].iloc[-1],
                "worst_high": group["harm_high"].iloc[-1],
            }
        )
    return pandas.DataFrame(rows)


def _from_here_on(doses: np.ndarray, harmful: np.ndarray) -> float:
    """The lowest dose that is harmful and has no harmless dose above it; NaN where there is none."""
    steady = np.flip(np.logical_and.accumulate(np.flip(harmful)))
    return float(doses[steady.argmax()]) if steady.any() else float("nan")


def won_back(table: pandas.DataFrame, score: str, dose: float) -> pandas.DataFrame:
    """What each cleaning arm wins back at one dose, in the score's own unit, paired by seed.

    Returns:
        a row for each model, defect and arm: ``harm`` (uncleaned minus clean), ``won`` with its interval
        (uncleaned minus cleaned; positive is better), ``left`` with its interval (cleaned minus clean), and
        ``share``, ``won`` over ``harm``, NaN where the harm's own interval reaches 0: a share of nothing.
    """
    import pandas

    mended = table[(table["cleaning"] != "none") & np.isclose(table["dose"], dose) & (table["dose"] > 0)]
    rows = []
    for model, defect, arm in (
        mended[["model", "defect", "cleaning"]].drop_duplicates().itertuples(index=False)
    ):
        clean = values(table, score, model)
        dirty = values(table, score, model, defect, dose)
        cleaned = values(table, score, model, defect, dose, arm)
        if clean.isna().all():
            continue
        damage = seed_interval(harm(score, dirty, clean))
        won, left = seed_interval(harm(score, dirty, cleaned)), seed_interval(harm(score, cleaned, clean))
        rows.append(
            {
                "model": model, "defect": defect, "cleaning": arm, "harm": damage.value,
                "harm_low": damage.low, "harm_high": damage.high,
                "won": won.value, "won_low": won.low, "won_high": won.high,
                "left": left.value, "left_low": left.low, "left_high": left.high,
                "share": won.value / damage.value if damage.low > 0 else np.nan,
            }
        )  # fmt: skip
    return pandas.DataFrame(rows)


def agrees(live: pandas.Series, stored: pandas.Series, level: float = 0.99) -> tuple[bool, Score]:
    """Whether live runs lie where the stored ones say that further runs would lie.

    The prediction interval of the mean of ``len(live)`` new runs, from the stored ones: mean ± t · s ·
    sqrt(1/stored + 1/live), Student's t with the stored runs' degrees of freedom.

    Returns:
        the answer, and the interval.
    """
    from scipy.stats import t

    old, new = stored.dropna().to_numpy(float), live.dropna().to_numpy(float)
    if len(old) < 2 or not len(new):
        raise ValueError("agreement needs at least two stored runs and one live run")
    half = t.ppf((1 + level) / 2, len(old) - 1) * old.std(ddof=1) * np.sqrt(1 / len(old) + 1 / len(new))
    mean = float(old.mean())
    interval = Score(mean, mean - float(half), mean + float(half), "stored", level=level, method="prediction")
    return bool(interval.low <= new.mean() <= interval.high), interval
