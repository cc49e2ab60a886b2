"""The catalogues of the Chinese edition are complete, agree with their sources, and use one word per term."""

from __future__ import annotations

import base64
import re
from collections import Counter
from functools import cache

import nbformat
import pytest
from babel.messages import Catalog

from aigc_lab import claims, language, plots
from book import article, generated, questions
from tools import catalogue, edition
from tools.catalogue import Message, differences

ENGLISH = re.compile(r"(?:[A-Za-z][A-Za-z'’]*,? ){6,}")  # six words in a row
NOTEBOOKS = sorted((catalogue.ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@cache
def sources() -> dict[str, list[Message]]:
    return catalogue.sources()


def test_every_text_has_a_translation_that_agrees_with_it():
    found = [
        problem
        for name, messages in sources().items()
        for problem in catalogue.problems(name, messages, catalogue.read(name))
    ]
    assert not found, f"{len(found)} problems, such as:\n" + "\n".join(found[:20])


def test_no_page_made_from_the_ledger_keeps_an_english_sentence():
    ledger = claims.ledger(NOTEBOOKS)
    asked = " ".join(ledger.question)
    assert ENGLISH.search(asked), "the pattern finds the questions of the source"
    for page in (
        generated.claims_page(ledger, None, "zh"),
        article.page(ledger, "zh"),
        questions.page(ledger, "zh"),
    ):
        assert not ENGLISH.search(re.sub(r"<[^>]*>|`[^`]*`|\]\([^)]*\)", " ", page))


def test_no_catalogue_is_without_a_source():
    assert {path.stem for path in catalogue.CATALOGUES.glob("*.po")} == set(sources())


@pytest.mark.parametrize(
    ("text", "translation", "fault"),
    [
        ("It takes 90 s.", "要 80 秒。", "number '90' is missing"),
        ("It takes 90 s.", "要 80 秒。", "number '80' is not in the source"),
        ("Two cats.", "2 只猫。", "number '2' is not in the source"),
        ("loss {0} of {1}", "损失 {0}", "placeholder '{1}' is missing"),
        ("Then $x^2$.", "那么 $x^3$。", "formula '$x^2$' is missing"),
        ("Call `fit`.", "调用 `train`。", "code '`fit`' is missing"),
        ("See [it](a.md).", "见[此处](b.md)。", "link 'a.md' is missing"),
        ("<details>Why", "为什么", "tag '<details>' is missing"),
        ("The VAE and MNIST.", "VAE 与数据集。", "name 'MNIST' is missing"),
        ("The VAE.", "GAN 模型。", "name 'GAN' is not in the source"),
        ("## A cat", "一只猫", "mark '## ' is missing"),
        ("A **cat** here.", "这里有**猫。**对", "has * that marks nothing"),
        ("A cat, a dog.", "猫,狗。", "has a Latin comma"),
        ("A cat.", "A cat!", "has no Chinese"),
    ],
)
def test_what_differs_from_the_source_is_named(text, translation, fault):
    assert any(found.startswith(fault) for found in differences(text, translation))


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("GPUs and VAEs take 1,200 steps.", "GPU 和 VAE 走 1,200 步。"),
        ("A variational autoencoder (VAE).", "变分自编码器（VAE）。"),
        ("A VAE.", "一个变分自编码器。"),
        (r"$\text{loss} = 2x$ here", r"这里 $\text{损失} = 2x$"),
        ("KID", "KID"),
        ("{1} of {0}", "{0} 中的 {1}"),
    ],
)
def test_what_may_differ_is_let_through(text, translation):
    assert differences(text, translation) == []


def test_messages_of_checks_are_found_with_their_values_as_placeholders():
    source = (
        "def test(answer):\n"
        '    assert answer > 2, f"{answer:.3f} is below 2"\n'
        '    assert answer < 9, "too " "large" if answer else "none"\n'
        '    return f"{answer} cats"\n'
        "exercises.check(1, answer, test)"
    )
    assert sorted(catalogue.check_messages(source)) == ["none", "too large", "{0} cats", "{0} is below {1}"]
    assert not list(catalogue.check_messages(source.replace("exercises.check", "other.check")))


def test_what_a_module_of_the_library_says_is_found_in_every_state():
    source = '''
class Widget:
    """A docstring says nothing to a learner."""

    def __init__(self, count):
        if not count:
            raise ValueError("this fails in the cell")
        self.style = "color: #B00020; margin: 0 4px"
        self.say(f"{count} of 8 done: {'none yet' if not count else self.names}")

    def press(self):
        raise ValueError("no key was pressed")
'''
    found = ["{0} of {1} done: {2}", "none yet", "no key was pressed"]
    assert sorted(catalogue.library_messages(source)) == sorted(found)
    assert sorted(catalogue.library_messages(source, refusals=False)) == sorted(found[:2])


def test_an_update_keeps_translations_and_marks_what_changed(tmp_path):
    old = [Message("A cat sits on the mat.", "markdown", "05:1"), Message("Gone.", "markdown", "05:2")]
    known = Catalog(locale="zh_Hans_CN")
    known.add(old[0].text, "猫坐在垫子上。")
    known.add(old[1].text, "没有了。")
    catalogue.write("05", old, known, tmp_path)
    new = [Message("A cat sat on the mat.", "markdown", "05:1"), Message("New words.", "markdown", "05:2")]
    catalogue.write("05", new, catalogue.read("05", tmp_path), tmp_path)
    said = catalogue.problems("05", new, catalogue.read("05", tmp_path))
    assert len(said) == 2 and "was changed" in said[0] and "has no translation" in said[1]
    catalogue.write("05", old, catalogue.read("05", tmp_path), tmp_path)
    assert catalogue.read("05", tmp_path).get(new[0].text) is None, "what has no source is dropped"


def test_a_file_that_is_no_catalogue_is_refused(tmp_path):
    (tmp_path / "05.po").write_text("no catalogue at all\n")
    with pytest.raises(ValueError, match=r"05\.po is no catalogue"):
        catalogue.read("05", tmp_path)


def test_one_chinese_word_per_term_over_all_labs():
    """Nine of ten uses of a term have the glossary's word; the tenth may be said in another way."""
    used, missed = Counter(), {}
    for name, messages in sources().items():
        known = catalogue.read(name)
        for message in messages:
            translation = known.get(message.text).string
            for term in catalogue.terms_in(message.text, translation):
                used[term["en"]] += 1
                if not catalogue.says(term, translation):
                    missed.setdefault(term["en"], []).append(f"{name}: {message.text[:60]!r}")
    assert sum(used.values()) > 5000
    many = {term: places for term, places in missed.items() if len(places) > max(2, used[term] / 10)}
    assert not many, many


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_with_words_was_drawn_in_chinese(notebook):
    node = nbformat.read(notebook, 4)
    stored = {edition.name(holder[key]) for holder, key in edition.pictures(node)}
    words = edition.words_of_figures(notebook.stem)
    drawn = {path.stem for path in (edition.FIGURES / notebook.stem).glob("*.png")}
    assert set(words) <= stored and drawn == {name for name in words if words[name]}
    outputs = [output.data for cell in node.cells for output in cell.get("outputs", ()) if "data" in output]
    figures = [data for data in outputs if "image/png" in data and not data["text/plain"].startswith("<")]
    missing = [data["text/plain"] for data in figures if edition.name(data["image/png"]) not in words]
    assert not missing, "run it again (make notebooks)"


def test_the_chinese_font_has_every_character_of_the_figures():
    if plots.chinese_font() is None:
        pytest.skip("no font with Chinese characters here")
    words = "".join(language.catalogue("words").values())
    assert plots.chinese_font(
        "".join(sorted(set(re.findall(r"[\u3400-\u9fff，。；：？！（）、“”《》]", words))))
    )


def test_a_stored_picture_is_replaced_by_its_chinese_drawing(tmp_path):
    node = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell("plt.show()")
    english, chinese = b"english", b"chinese"
    data = {"image/png": base64.b64encode(english).decode(), "text/plain": "a figure"}
    cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
    node.cells = [cell]
    name = edition.name(data["image/png"])
    edition.keep_figures({name: (["loss"], chinese), "other": ([], None)}, tmp_path / "05_vae_math")
    assert edition.words_of_figures("05_vae_math", tmp_path) == {name: ["loss"], "other": []}
    made = edition.edition(node, "05_vae_math", "zh", tmp_path)
    assert base64.b64decode(made.cells[0].outputs[0].data["image/png"]) == chinese
    assert edition.edition(node, "05_vae_math", "en", tmp_path) == node
    edition.keep_figures({}, tmp_path / "05_vae_math")
    assert not list((tmp_path / "05_vae_math").glob("*.png")), "drawings of an earlier run go"
