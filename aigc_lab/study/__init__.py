"""A study: corruptions x severities x models x seeds x cleaning, run on Dask, resumable, one tidy table out.

    grid = Study("labels", "label_flip", severities=(0, 0.2, 0.4), models="vae", seeds=range(5))
    table = run(grid, "my_study", workers=2)

``grid`` says what is run, with which models, and corrupts and cleans the training set; ``one_run`` is one run
with its scores, ``running`` runs all and keeps the files, ``curves`` reads the table.
Introduced in notebook 15.
"""

from aigc_lab.study.curves import agrees, harm, holm, onsets, severity_curve, values, won_back
from aigc_lab.study.grid import (
    CORRUPTIONS,
    MODELS,
    Cell,
    CorruptedSet,
    Study,
    balanced_part,
    cleaned_set,
    corrupted_set,
)
from aigc_lab.study.one_run import train_and_sample, training_set
from aigc_lab.study.running import (
    read_table,
    run,
    stored,
    stored_samples,
    table,
    versions,
    write_stored,
    write_table,
)
