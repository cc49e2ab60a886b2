"""A study: defects x doses x models x seeds x cleaning, run on Dask, resumable, one tidy table out.

    study = Study("labels", defects=("label_flip",), doses=(0, 0.2, 0.4), models=("vae",), seeds=range(5))
    table = run(study, "my_study", workers=2)

``doses`` gives a defect to the training part, ``mending`` takes it away again, ``kinds`` are the models,
``runs`` is one run, ``scores`` what is measured, ``store`` the files, ``curves`` what is read from the
table. Introduced in notebook 15.
"""

from aigc_lab.study.curves import agrees, dose_response, harm, onsets, values, won_back
from aigc_lab.study.doses import DEFECTS, Dosed, give
from aigc_lab.study.kinds import KINDS
from aigc_lab.study.mending import mend
from aigc_lab.study.notebooks import run_notebooks
from aigc_lab.study.running import run
from aigc_lab.study.runs import run_cell, train_and_sample, training_set
from aigc_lab.study.scores import SCORES, UNITS, copies
from aigc_lab.study.store import (
    Store,
    read_table,
    stored,
    stored_samples,
    table,
    versions,
    write_samples,
    write_stored,
    write_table,
)
from aigc_lab.study.grid import Cell, Study

__all__ = [
    "DEFECTS",
    "KINDS",
    "SCORES",
    "UNITS",
    "Cell",
    "Dosed",
    "Store",
    "Study",
    "agrees",
    "copies",
    "dose_response",
    "give",
    "harm",
    "mend",
    "onsets",
    "read_table",
    "run",
    "run_cell",
    "run_notebooks",
    "stored",
    "stored_samples",
    "table",
    "train_and_sample",
    "training_set",
    "values",
    "versions",
    "won_back",
    "write_samples",
    "write_stored",
    "write_table",
]
