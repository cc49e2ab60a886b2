"""The same study as notebooks, one executed for each run, for those who want to read each. Notebook 15."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aigc_lab.study import runs
from aigc_lab.study.running import Progress
from aigc_lab.study.store import Store, table
from aigc_lab.study.grid import Study

# Each entry is the source of one cell; the first code cell gets the tag "parameters".
_TEXT = (
    "# One run of a study\n\nThe training set after its dose and its mending, what the model draws, and the "
    "scores. The numbers are those of `experiment.run`, and they are stored as its runs are.",
    "study_settings = {}\ncell_settings = {}\nfolder = \"\"",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\n\nfrom aigc_lab import experiment, show\n\n"
    "study = experiment.Study(**study_settings)\ncell = experiment.Cell(**cell_settings)\nprint(cell)",
    "dataset, dosed = experiment.training_set(study, cell)\nprint(dosed.log.report())\n"
    "print(f\"{len(dataset)} items after {cell.cleaning}: {dataset.counts()}\")\n"
    "plots.grid(dataset[:32])\nplt.show()",
    "if cell.model != \"real\":\n"
    "    _, samples, asked = experiment.train_and_sample(study, cell, dataset)\n"
    "    titles = None if asked is None else [dataset.class_names[label] for label in asked[:32]]\n"
    "    plots.grid(samples[:32], titles)\n    plt.show()",
    "row = experiment.run_cell(study, cell)\n"
    "row = experiment.Store(folder).write(study, cell, row)\n"
    "for name in (\"status\", \"error\", *experiment.SCORES, \"seconds\"):\n"
    "    print(f\"{name:<22} {row[name]}\")",
)  # fmt: skip


def run_notebooks(
    study: Study, folder: str | os.PathLike[str], progress: bool = True, timeout: float = 3600.0
) -> Any:
    """Run each cell of a study as a notebook of its own, and return the table as ``run`` does.

    The executed notebooks lie in ``folder/notebooks``, named as the runs. Each starts a kernel, so this is
    slower by about twelve seconds a run. Runs that have ended before are not repeated.

    Args:
        study, folder, progress: as for ``run``.
        timeout: seconds after which a cell of a notebook is given up.

    Raises:
        OSError: the folder cannot be written to.
    """
    import papermill

    store = Store(folder)
    study.load()
    cells = study.cells()
    done = {cell for cell in cells if (store.read(study, cell) or {}).get("status") == runs.FINISHED}
    line = Progress(study.name, len(cells), len(done), progress)
    place = Path(folder).resolve() / "notebooks"
    place.mkdir(exist_ok=True)
    template = place / ".template.ipynb"
    template.write_text(json.dumps(_template()), encoding="utf-8")
    try:
        for cell in cells:
            if cell in done:
                continue
            parameters = {
                "study_settings": json.loads(json.dumps(asdict(study))),  # tuples as lists
                "cell_settings": asdict(cell),
                "folder": str(place.parent),
            }
            try:
                papermill.execute_notebook(
                    template,
                    place / f"{study.key(cell)}.ipynb",
                    parameters,
                    progress_bar=False,
                    kernel_name="python3",
                    execution_timeout=timeout,
                )
            except Exception as error:  # the notebook shows where; the others go on
                row = {"status": runs.FAILED, "error": f"{type(error).__name__}: {str(error).strip()[-300:]}"}
                store.write(study, cell, row)
            row = store.read(study, cell)
            line.step(cell, row or {"status": runs.FAILED})
    finally:
        template.unlink(missing_ok=True)
    line.end()
    return table(study, store)


def _template() -> dict[str, Any]:
    """The notebook that each run fills in."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    title, parameters, *rest = _TEXT
    cells = [new_markdown_cell(title), new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in rest]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return new_notebook(cells=cells, metadata=kernel)
