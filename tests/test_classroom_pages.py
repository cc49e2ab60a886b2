"""The pages for teachers, the courses and the learning path."""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book import assemble, classroom_pages, learning_path
from book.vendor import BookError

LABS = assemble.read_yaml("labs.yml")
STEMS = [lab["file"] for lab in LABS]
TITLES = {lab["file"]: lab["chinese"] for lab in LABS}
SOLVED = "def double(x):\n    # BEGIN SOLUTION\n    return 2 * x\n    # END SOLUTION"
TOLD = {
    "aims": [{"en": "Double a number.", "zh": "会把数加倍。"}],
    "prerequisites": {"topics": ["python"], "labs": ["00"]},
    "minutes": [
        {"section": "1. From $p(x|z)$", "minutes": 30, "en": "talk", "zh": "讨论"},
        {"section": "2. Doubling", "minutes": 70, "en": "count | double", "zh": "加倍"},
    ],
    "stumbles": [{"en": "Two is not three.", "zh": "二不是三。"}],
    "questions": [
        {"section": "2. Doubling", "en": "Why?", "zh": "为什么？", "usual_en": "No.", "usual_zh": "否。"}
    ],
    "cut": {
        length: {"sections": ["2. Doubling"], "en": "Only double.", "zh": "只做加倍。"}
        for length in ("45", "90")
    },
    "grading": [{"exercise": 1, "points": 3, "en": "Full: it doubles.", "zh": "满分：能加倍。"}],
}


def small_notebook() -> nbformat.NotebookNode:
    return new_notebook(
        cells=[
            new_markdown_cell("# Doubling: twice"),
            new_markdown_cell("## 1. From $p(x|z)$"),
            new_markdown_cell("## 2. Doubling"),
            new_code_cell(SOLVED),
            new_code_cell("exercises.check(1, double, test)", metadata={"tags": ["check"]}),
        ]
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "05_vae_math.yml").write_text(yaml.safe_dump(TOLD, allow_unicode=True), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("language", "han"), [("en", False), ("zh", True)])
def test_a_teachers_page_says_everything_in_its_language(folder, language, han):
    page = classroom_pages.page("05_vae_math", small_notebook(), LABS, language, folder=folder)
    assert bool(re.search("[\u4e00-\u9fff]", page)) == han
    for each in (TOLD["aims"][0], TOLD["stumbles"][0], TOLD["grading"][0], TOLD["cut"]["45"]):
        assert each[language] in page
    assert "(../notebooks/00_seven_stages.ipynb)" in page and "prerequisites.html#python" in page
    assert "    return 2 * x" in page and "SOLUTION" not in page
    assert r"| 1. From $p(x\|z)$ | 30 |" in page
    assert classroom_pages.words("expected", language) in page


def test_a_heading_is_shown_as_the_chinese_notebook_has_it(folder):
    shown = {"2. Doubling": "2. 加倍"}
    page = classroom_pages.page(
        "05_vae_math", small_notebook(), LABS, "zh", heading=lambda text: shown.get(text, text), folder=folder
    )
    assert "| 2. 加倍 | 70 |" in page


def change(path: list, value) -> dict:
    told = copy.deepcopy(TOLD)
    place = told
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return told


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (change(["aims"], []), "the field aims is missing or empty"),
        (change(["aims", 0, "zh"], ""), "entry 1 of aims has no zh"),
        (change(["minutes", 0, "section"], "3. X"), "minutes names the section '3. X', which is no heading"),
        (change(["minutes", 0, "minutes"], 31), "its minutes sum to 101, but book/labs.yml plans 100"),
        (change(["prerequisites", "topics"], ["magic"]), "the topic 'magic' is unknown"),
        (change(["cut", "45"], {}), 'cut "45" has no sections'),
        (
            change(["grading", 0, "exercise"], 2),
            r"grading has the exercises \[2\], but the notebook has \[1\]",
        ),
    ],
)
def test_a_fault_of_a_teachers_file_is_one_sentence(folder, told, words):
    path = folder / "05_vae_math.yml"
    path.write_text(yaml.safe_dump(told, allow_unicode=True), encoding="utf-8")
    with pytest.raises(BookError, match=rf"^book/teaching/05_vae_math\.yml: {words}.*\.$"):
        classroom_pages.lesson(path, small_notebook(), 100)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BookError, match=r"write book/teaching/05_x\.yml"):
        classroom_pages.lesson(tmp_path / "05_x.yml", small_notebook(), 100)
    with pytest.raises(BookError, match=r"write book/teaching/00_seven_stages\.yml"):
        classroom_pages.prerequisites(LABS, tmp_path)


@pytest.mark.parametrize("stem", STEMS, ids=lambda stem: stem[:2])
def test_every_lab_has_a_teachers_page_in_both_languages(stem):
    notebook = nbformat.read(assemble.NOTEBOOKS / f"{stem}.ipynb", as_version=4)
    for language in ("en", "zh"):
        page = classroom_pages.page(stem, notebook, LABS, language)
        count = len(re.findall(r"^\*\*Exercise \d", "\n".join(cell.source for cell in notebook.cells), re.M))
        assert page.count(":::{dropdown}") == len(classroom_pages.solutions(notebook)) >= count > 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_overview_has_every_lab_and_courses_of_6_12_and_24_hours(language):
    parts = classroom_pages.parts(LABS, TITLES, language)
    assert set(re.findall("%[A-Z_]+%", (assemble.BOOK / "pages" / "teaching.md").read_text())) == set(parts)
    assert all(f"(teaching/{stem}.md)" in parts["%LESSONS%"] for stem in STEMS)
    assert re.findall(r"^### (\d+)", parts["%COURSES%"], re.MULTILINE) == ["6", "12", "24"]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([("00", 90)], "sums to 90 minutes"),
        ([("06", 100), ("00", 90)], "has lab 06 before lab"),
        ([("00", 60)], "no plan for 60 minutes; take 45, 90 or 90"),
        ([("99", 90)], "lab 99, which does not exist"),
    ],
)
def test_a_wrong_course_is_refused(monkeypatch, tmp_path, steps, words):
    course = {
        "hours": 6,
        "en": "a",
        "zh": "b",
        "labs": [{"lab": lab, "minutes": time} for lab, time in steps],
    }
    (tmp_path / "courses.yml").write_text(yaml.safe_dump([course]), encoding="utf-8")
    monkeypatch.setattr(classroom_pages, "BOOK", tmp_path)
    with pytest.raises(BookError, match=words):
        classroom_pages.courses(LABS, {lab[:2]: ["00"] if lab[:2] != "00" else [] for lab in STEMS})


# --- the learning path ------------------------------------------------------------------------

NEEDS = {"00": [], "01": ["00"], "02": ["00", "01"], "03": ["00"]}
NAMES = {
    "00": "Stages",
    "01": "Collect <a>",
    "02": "数据质量决定生成质量吗，还有更多的话要说",
    "03": "Labels",
}


def test_a_lab_stands_in_a_step_after_all_that_it_needs():
    assert learning_path.steps(NEEDS) == [["00"], ["01", "03"], ["02"]]
    assert learning_path.direct(NEEDS)["02"] == ["01"]
    with pytest.raises(ValueError, match="01, 02 need each other in a circle"):
        learning_path.steps({"00": [], "01": ["02"], "02": ["01"]})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_path_is_an_svg_that_names_every_lab_and_stays_in_its_frame(language):
    for text in learning_path.files(NEEDS, NAMES, language).values():
        root = ElementTree.fromstring(text)
        width, height = (float(root.get(name)) for name in ("width", "height"))
        space = "{http://www.w3.org/2000/svg}"
        assert root.find(f"{space}title").text == learning_path.alt(NEEDS, NAMES, language)
        boxes = root.findall(f"{space}rect")
        assert len(boxes) == len(NEEDS)
        for box in boxes:
            x, y, wide, high = (float(box.get(name)) for name in ("x", "y", "width", "height"))
            assert x + wide <= width and y + high <= height
    block = learning_path.block(NEEDS, NAMES, language)
    assert block.count(f"-{language}.svg") == 2 and "Collect &lt;a&gt;" in block


def test_the_short_name_of_a_lab_ends_at_its_colon():
    assert learning_path.short("Made or not? Detectors") == "Made or not?"
    assert learning_path.short("音乐：四个声部") == "音乐"
