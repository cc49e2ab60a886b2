"""The Chinese edition: texts from catalogues, numbers kept, and what has no translation stays English."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys

import ipywidgets
import matplotlib.pyplot as plt
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.pylabtools import print_figure

from aigc_lab import language, plots

WORDS = {
    "training step": "训练步数",
    "loss after {0} steps: {1} nats": "{0} 步后的损失：{1} 纳特",
    "{0} of the cat": "猫的{0}",
    "ears": "耳朵",
    "noise": "噪声",
    "the discriminator's probability that a real image is real": "判别器认为真实图像为真的概率",
}


@pytest.fixture
def chinese(monkeypatch):
    monkeypatch.setenv(language.VARIABLE, "zh")
    monkeypatch.setattr(language, "catalogue", lambda name, chosen="zh": WORDS if chosen == "zh" else {})
    language._patterns.cache_clear()
    yield
    language._patterns.cache_clear()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("training step", "训练步数"),
        ("loss after 1,200 steps: 3.5 nats", "1,200 步后的损失：3.5 纳特"),
        ("loss after 1,200 steps: none nats", "1,200 步后的损失：none 纳特"),
        ("ears of the cat", "猫的耳朵"),
        ("noise, ears", "噪声，耳朵"),
        ("noise: 0.5", "噪声：0.5"),
        ("noise -> ears", "噪声 → 耳朵"),
        ("noise; ears", "噪声；耳朵"),
        ("ears\ntraining\nstep", "耳朵\n训练步数"),  # texts under each other, one of them broken
        ("noise, whiskers", "noise, whiskers"),  # half a translation would be none
        ("KID", "KID"),
        (r"$\mathrm{loss}$", r"$\mathrm{loss}$"),
        ("3.5", "3.5"),
        ("", ""),
    ],
)
def test_a_short_text_is_found_by_its_words_and_keeps_its_numbers(chinese, text, shown):
    assert language.translated(text) == shown
    assert language.translated(text, "en") == text


def test_a_text_that_was_broken_into_lines_is_broken_again(chinese):
    text = "the discriminator's\nprobability that a\nreal image is real"
    lines = language.translated(text).split("\n")
    assert "".join(lines) == "判别器认为真实图像为真的概率" and 1 < len(lines) <= 3
    assert not any(line.startswith(("，", "。")) for line in lines)


def test_an_unknown_language_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setenv(language.VARIABLE, "fr")
    with pytest.raises(ValueError, match="There is no edition in 'fr'; choose one of en, zh"):
        language.current()
    node = nbformat.v4.new_notebook()
    with pytest.raises(ValueError, match="no edition in 'fr'"):
        language.notebook(node, "05_vae_math", "fr")


def test_a_catalogue_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "locale" / "zh").mkdir(parents=True)
    broken = {"05": "no catalogue at all\n", "07": 'msgid "{0} cats"\nmsgstr "{1} 只猫"\n'}
    for name, text in broken.items():
        (tmp_path / "locale" / "zh" / f"{name}.po").write_text(text, encoding="utf-8")
    monkeypatch.setattr(language, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=r"05\.po cannot be read"):
        language.catalogue.__wrapped__("05")
    with pytest.raises(ValueError, match=r"07\.po: the translation of '\{0\} cats' has \{1\}"):
        language.catalogue.__wrapped__("07")
    assert language.catalogue.__wrapped__("06") == {}


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet="a中`$>~: \n", max_size=60))
def test_blocks_joined_are_the_source(source):
    assert "".join(block + between for block, between in language.blocks(source)) == source


def test_a_fence_and_a_formula_stay_whole_and_a_quotation_is_cut_at_its_empty_lines():
    source = "One.\n\n```text\na\n\nb\n```\n\n$$\nx\n\ny\n$$\n\n> **Data** here.\n>\n> **Stages** there."
    found = [block for block, _ in language.blocks(source)]
    assert found == [
        "One.",
        "```text\na\n\nb\n```",
        "$$\nx\n\ny\n$$",
        "> **Data** here.",
        "> **Stages** there.",
    ]
    assert list(language.messages(source)) == ["One.", "> **Data** here.", "> **Stages** there."]


def test_markdown_is_translated_block_by_block_and_loses_the_chinese_summaries():
    source = "# A cat\n\nIt has $x$ ears.\n\n中文小结：猫。\n\n    print(1)\n"
    known = {"# A cat": "# 一只猫", "It has $x$ ears.": "它有 $x$ 只耳朵。"}
    assert language.markdown(source, known) == "# 一只猫\n\n它有 $x$ 只耳朵。\n\n    print(1)"
    assert language.markdown("Nothing known.", known) == "Nothing known."


def test_a_notebook_keeps_its_code_and_outputs(chinese, monkeypatch):
    node = nbformat.v4.new_notebook()
    alt = {"mystnb": {"image": {"alt": "noise"}}}
    code = nbformat.v4.new_code_cell("print(1)  # noise", metadata=alt)
    code.outputs = [nbformat.v4.new_output("stream", text="noise 1\n")]
    node.cells = [nbformat.v4.new_markdown_cell("noise"), nbformat.v4.new_markdown_cell("中文：噪声。"), code]
    made = language.notebook(node, "05_vae_math")
    assert [cell.source for cell in made.cells] == ["噪声", "print(1)  # noise"]
    assert made.cells[1].outputs == code.outputs and made.cells[1].metadata.mystnb.image.alt == "噪声"
    assert node.cells[0].source == "noise", "the notebook itself stays"


def test_html_is_translated_in_its_texts_and_names_only(chinese):
    page = '<figure class="noise"><img alt="noise" src="noise.png"><b>noise</b> &lt;3</figure>'
    assert language.html(page) == (
        '<figure class="noise"><img alt="噪声" src="noise.png"><b>噪声</b> &lt;3</figure>'
    )
    assert language.html(page, lambda text: text) == page


def test_controls_show_chinese_and_keep_their_values(chinese, monkeypatch):
    monkeypatch.setattr(ipywidgets.Widget, "get_state", ipywidgets.Widget.get_state)
    language.translate_widgets()
    language.translate_widgets()  # a second call changes nothing
    choice = ipywidgets.Dropdown(options=["noise", "ears"], description="training step")
    state = choice.get_state()
    assert state["description"] == "训练步数" and list(state["_options_labels"]) == ["噪声", "耳朵"]
    assert choice.value == "noise" and choice.description == "training step"


def figure():
    made = plots.new_figure(4, 3, "noise")
    axes = made.subplots()
    axes.bar(["noise", "ears"], [1, 2])
    axes.set(xlabel="training step", title="loss after 30 steps: 3.5 nats")
    axes.set_yticks([0, 1], ["noise", "KID"])
    return made


def shown(made):
    made.canvas.draw()
    axes = made.axes[0]
    ticks = [label.get_text() for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()]
    return [axes.get_xlabel(), axes.get_title(), *ticks]


def test_a_figure_is_drawn_in_chinese_and_put_back(chinese):
    if plots.chinese_font() is None:
        pytest.skip("no font with Chinese characters here")
    made = figure()
    english = shown(made)
    back = plots.translate(made, "zh")
    assert shown(made) == ["训练步数", "30 步后的损失：3.5 纳特", "噪声", "耳朵", "噪声", "KID"]
    back()
    assert shown(made) == english
    plt.close(made)


def test_a_run_keeps_the_words_and_the_chinese_drawing_of_each_figure(chinese, monkeypatch, tmp_path):
    if plots.chinese_font() is None:
        pytest.skip("no font with Chinese characters here")
    monkeypatch.setenv(language.VARIABLE, "en")
    monkeypatch.setenv(language.KEEP_FIGURES, str(tmp_path))
    made = figure()
    expected = print_figure(figure(), fmt="png", bbox_inches="tight")
    output, _ = made._repr_mimebundle_()
    names = {hashlib.sha256(data).hexdigest() for data in (expected, base64.b64decode(output["image/png"]))}
    assert {path.stem for path in tmp_path.glob("*.png")} == names
    kept = json.loads((tmp_path / f"{hashlib.sha256(expected).hexdigest()}.json").read_text())
    assert set(kept) == {"noise", "ears", "training step", "loss after 30 steps: 3.5 nats"}
    plt.close("all")


def test_without_a_chinese_font_a_figure_stays_english_and_one_is_named(chinese, monkeypatch):
    monkeypatch.setattr(plots, "chinese_font", lambda *_: None)
    made = figure()
    with pytest.warns(UserWarning, match="figures stay English: install Noto Sans CJK SC"):
        plots.translate(made, "zh")
    assert made.axes[0].get_xlabel() == "training step"
    plt.close(made)


def test_the_language_module_is_light():
    code = "import sys, aigc_lab.language; print({'numpy', 'tensorflow', 'babel'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
