# The commands of the project. Needs make and Python 3.11, 3.12 or 3.13; everything else goes into .venv.

NOTEBOOK ?= notebooks/00_seven_stages.ipynb
PROFILE ?= classroom
SEED ?= 0
SOLVED ?=
OUTPUT ?= runs/$(basename $(notdir $(NOTEBOOK)))
WORKERS ?= 2
LAB_OPTIONS ?=
BENCH_OPTIONS ?=
COMPARE ?=
SUBMISSIONS ?= submissions
# Not from the environment: there LANGUAGE is a list of gettext's, such as en_US:en.
language := $(if $(filter command line,$(origin LANGUAGE)),--language $(LANGUAGE))
export PYTHON

python := .venv/bin/python
# A python3 kernel that a user once registered must not win over the one of this environment.
export JUPYTER_PREFER_ENV_PATH := 1
export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.PHONY: help lab run test compare quick bench book slides lint notebooks student catalogue assignments grade lock clean \
	environment-lab environment-all

help:  ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

lab: environment-lab  ## open a copy of notebook 00 in JupyterLab (NOTEBOOK=06 another, SOLVED=1 with solutions, LANGUAGE=zh in Chinese)
	@$(python) -m tools.lab "$(NOTEBOOK)" $(if $(SOLVED),--solved) $(language) -- $(LAB_OPTIONS)

run: environment-lab  ## run notebook 00 without JupyterLab (PROFILE=smoke, SEED=1, OUTPUT=folder)
	@$(python) -m tools.run_notebook "$(NOTEBOOK)" --output-folder "$(OUTPUT)" \
		$(if $(filter 00_%,$(notdir $(NOTEBOOK))),--expect generated_cats.png) \
		-p profile "$(PROFILE)" -p seed "$(SEED)"

test: environment-all  ## run the tests that need no GPU
	$(python) -m ruff check .
	$(python) -m pytest -m browser
	$(python) -m pytest -m "not browser and not gpu and not long" -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

compare: environment-all  ## compare the notebooks that train for minutes with what they store (COMPARE=22 one)
	$(python) -m pytest -m long -k "$(COMPARE)"

quick: environment-all  ## run the tests that take a few minutes together
	$(python) -m pytest

bench: environment-all  ## measure ours beside reference designs (15 minutes; BENCH_OPTIONS="--only gan_step")
	$(python) benchmarks/run.py $(BENCH_OPTIONS)

book: environment-all  ## build the site in book/_build from the stored outputs
	$(python) book/build.py

slides: environment-all  ## slides of a lab (NOTEBOOK=06, LANGUAGE=zh)
	$(python) -m book.slides "$(NOTEBOOK)" $(language)

lint: environment-all  ## check the style of the code and the rules of the notebooks
	$(python) -m ruff check .
	$(python) -m tools.notebook_lint notebooks/*.ipynb
	$(python) -m tools.student --check
	$(python) -m tools.catalogue check

notebooks: environment-all  ## run every notebook with its defaults and store the outputs in it
	for notebook in notebooks/*.ipynb; do \
		$(python) -m tools.run_notebook "$$notebook" --in-place || exit 1; \
	done
	$(python) -m tools.student
	$(python) -m book.readme

student: environment-all  ## write the student versions of the notebooks
	$(python) -m tools.student

catalogue: environment-all  ## put new and changed texts into the catalogues of the Chinese edition
	$(python) -m tools.catalogue update

assignments: environment-all  ## write Otter-Grader and nbgrader assignments of every lab
	$(python) -m classroom assignments --output runs/assignments

grade: environment-all  ## mark the notebooks below a folder (SUBMISSIONS=folder)
	$(python) -m classroom grade "$(SUBMISSIONS)" --output runs/grades

lock: environment-all  ## resolve the lock files anew after a change of pyproject.toml
	UV=.venv/bin/uv sh tools/lock.sh

clean:  ## remove what can be made again: the environment, caches, the site (runs/ stays)
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build *.egg-info book/_build notebooks/.ipynb_checkpoints
	find aigc_lab book tests tools -name __pycache__ -prune -exec rm -rf {} +

environment-lab:
	@sh tools/environment.sh lab

environment-all:
	@sh tools/environment.sh all
