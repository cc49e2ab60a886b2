"""In the Chinese edition a widget speaks Chinese in every state, not only before the first click."""

from __future__ import annotations

import re

import ipywidgets
import numpy as np
import pytest
from drawing import settings_and_figures  # noqa: F401

from aigc_lab import language, players, plots, widgets
from aigc_lab.collect.dataset import Dataset, own_card
from aigc_lab.widgets.gan_game import LOSSES, SHAPES

NAMES = ("bird", "cat", "elephant", "giraffe", "horse")
ENGLISH = re.compile(r"[A-Za-z']{2,}[,;:.]? [A-Za-z']{2,}")


@pytest.fixture(autouse=True)
def chinese(monkeypatch):
    monkeypatch.setenv(language.VARIABLE, "zh")


@pytest.fixture
def animals():
    images = np.random.default_rng(0).integers(0, 256, (60, 12, 12), dtype=np.uint8)
    return Dataset(images, np.arange(60) % 5, NAMES, own_card("tiny"))


class LinearVAE:
    """A stand-in: pixel j follows z_j."""

    image_shape, latent_size = (4, 4, 1), 5

    def __init__(self, class_count):
        self.class_count = class_count

    def decode(self, z, labels=None):
        return np.tile(1 / (1 + np.exp(-z.mean(axis=1))), (1, 16)).reshape(-1, 4, 4, 1).astype("float32")

    def encode(self, x, labels=None):
        return np.ones((len(x), 5), "float32"), np.zeros((len(x), 5), "float32")


def shown(widget) -> str:
    """All that a widget and those inside it show, a line each; it fails where two English words stand."""
    lines: list[str] = []

    def noted(text: str) -> str:
        lines.append(language.translated(text))
        return lines[-1]

    for each in widget if isinstance(widget, list) else [widget]:
        state = {name: getattr(each, name) for name in ipywidgets.Widget.get_state(each)}
        language.widget_state(state, noted)
        lines += [shown(child) for child in getattr(each, "children", ())]
    words = "\n".join(line for line in lines if line and "jupyter-button" not in line)
    assert not ENGLISH.search(words), ENGLISH.findall(words)
    return words


def fails(*_):
    raise OSError("磁盘满了")


@pytest.mark.parametrize("data", [None, np.zeros((6, 4, 4, 1))])
def test_the_latent_explorer(data, monkeypatch):
    assert "距先验分布的中心 0.0（通常为 2.2）" in shown(widgets.latent_explorer(LinearVAE(0), data))
    assert "类别 2" in shown(widgets.latent_explorer(LinearVAE(3), data))
    explorer = widgets.latent_explorer(LinearVAE(5), data, NAMES)
    for name, word in zip(NAMES, ("鸟", "猫", "大象", "长颈鹿", "马"), strict=True):
        explorer.class_choice.label = name
        explorer.sliders[0].value = 1.0 - explorer.sliders[0].value
        words = shown(explorer).split("\n")
        assert any(line.startswith(f"{word}，距先验分布的中心 ") for line in words)
        assert any(line.startswith(f"解码的图像：{word}，距先验分布的中心 ") for line in words)
    explorer.draw_button.click()
    shown(explorer)
    monkeypatch.setattr(explorer.vae, "decode", fails)
    explorer.reset_button.click()
    assert "图像没有更新。" in shown(explorer) and "出错（OSError）：磁盘满了" in shown(explorer)


def test_the_explorer_says_which_class_had_no_items():
    class Mixture:
        def sample(self, *_, **__):
            raise ValueError("class 2 had no items to learn from; there are 0, 1")

    explorer = widgets.latent_explorer(LinearVAE(5), class_names=NAMES, mixture=Mixture())
    explorer.draw_button.click()
    assert "类别 2 没有样本可学" in shown(explorer)


def test_the_labelling_widget(animals, tmp_path):
    captions = ["模糊"] * len(animals)
    path = tmp_path / "mine.json"
    widget = widgets.annotate(animals[:4], path, second=[0, 1, 1, -1], captions=captions[:4])
    assert "已完成 4 个中的 0 个，存在 mine.json 里。" in shown(widget)
    assert "按键：1 鸟，2 猫，3 大象，4 长颈鹿，5 马，空格 看不出" in shown(widget) and "1  鸟" in shown(
        widget
    )
    assert "第二个标注者标过的还一个也没有。" in shown(widget)
    widget.buttons["bird"].click()
    assert "第二个标注者有 1 个说法相同；科恩 kappa 系数 没有定义" in shown(widget)
    widget.buttons["cat"].click()
    assert "两人都标过的 2 个里" in shown(widget) and "系数 1.00" in shown(widget)
    widget.key_field.value = "xyz"
    assert "这一次没有记下来。" in shown(widget) and "输入框的中间被改动了" in shown(widget)
    widget.undo_button.click()
    other = widgets.annotate(animals[:4], path)
    for _ in range(4):
        other.skip_button.click()
    assert "全部完成：已完成 4 个中的 4 个" in shown(other) and "所有条目都有标签了" in shown(other)
    widget.buttons["horse"].click()
    assert "读入之后被别人改过" in shown(widget)
    strange = widgets.annotate(animals[4:], path)
    strange.undo_button.click()
    assert "所属的条目不在这个数据集里" in shown(strange)


def test_the_piano(monkeypatch):
    board = widgets.piano(lambda *_: "", lambda _: b"")
    assert "接下来的音时值为 4 个十六分音符" in shown(board) and "升 F 4" in shown(board)
    board.answer_button.click()
    assert "还没有音：请先按 1 到 8 个键" in shown(board)
    for steps in (2, 4, 8, 16) * 2:
        board.length_choice.value = steps
        board.note_buttons[59 + steps // 2].click()
    assert "8 个音，最多 8 个：C4 八分音符，C♯4 四分音符，D♯4 二分音符，G4 全音符，C4 八分音符" in shown(
        board
    )
    board.note_buttons[60].click()
    assert "已经有 8 个音了" in shown(board)
    during = []
    board._harmonise = lambda *_: during.append(shown(board)) or fails()
    board.answer_button.click()
    assert "请稍候……" in during[0] and "这些音没有配成和声。" in shown(board)
    board.undo_button.click()
    board._hear = fails
    board.note_buttons[60].click()
    assert "这个音没有播放出来。" in shown(board)


def test_the_gan_playground(monkeypatch):
    playground = widgets.gan_playground(speed=2)
    assert "第 0 回合：覆盖 " in shown(playground)
    for shape in SHAPES:
        playground.controls["shape"].value = shape
        for loss in LOSSES:
            playground.controls["loss"].value = loss
            playground.step_button.click()
            line = re.compile(
                r"第 \d+ 回合：覆盖 \d+/\d+ 个模式，\d+% 的假点落在数据上；"
                r"判别器的损失 \S+；生成器的损失 \S+；\d+% 的真假点分类正确。"
            )
            assert len(line.findall(shown(playground))) == 2, "as a message and as the image's name"
    playground.controls["generator_steps"].value = 0
    playground.reset_button.click()
    playground.step_button.click()
    assert "判别器的损失" in shown(playground) and "生成器的损失" not in shown(playground)
    playground.controls["discriminator_steps"].value = 0
    assert "规则没有改动。" in shown(playground) and "每一回合至少要有一方走一步" in shown(playground)
    playground.reset_button.click()
    assert "对局没有重新开始。" in shown(playground)
    playground.controls["generator_steps"].value = 3
    playground.reset_button.click()
    playground.step_button.click()
    assert "生成器的损失" in shown(playground) and "判别器的损失" not in shown(playground)
    playground.controls["order"].value = "simultaneous"
    assert "同时走时，每一回合双方各走一步" in shown(playground)
    playground.controls["order"].value = "alternating"
    playground.game.discriminator.weights[0][:] = np.nan
    playground.step_button.click()
    assert "对局结束" in shown(playground) and "请调小学习率重新开始" in shown(playground)
    playground.reset_button.click()
    monkeypatch.setattr(playground.game, "play", fails)
    playground.step_button.click()
    assert "这一回合没有进行。" in shown(playground)


def test_the_corruption_explorer_and_its_figure(animals, monkeypatch):
    monkeypatch.setattr(plots, "translate", lambda *_: lambda: None)  # its words are looked at below
    explorer = widgets.corruption_explorer(animals)
    assert "没有设置任何损坏" in shown(explorer)
    for name, slider in explorer.sliders.items():
        slider.value = 0.3
        assert "张图像损坏前后" in shown(explorer), name
    assert re.search("不平衡 [0-9]+，标签翻转 [0-9]+，", shown(explorer))
    drawn = widgets.corruption_preview(animals, explorer.rates).words()
    words = [language.translated(text) for text in drawn]
    assert {"之前", "之后", "已删去"} <= set(words)
    assert not re.findall("[A-Za-z]{2,}", " ".join(words))
    monkeypatch.setattr(plots.AltFigure, "png", fails)
    explorer.sliders["noise"].value = 0.1
    assert "图没有更新。" in shown(explorer)


def test_a_player():
    tone = 0.5 * np.sin(np.arange(4000) * 2 * np.pi * 440 / 8000)
    for picture, word in (("spectrogram", "声谱图"), ("wave", "波形图")):
        page = players.sounds({"3": tone, "静": tone * 0}, 8000, picture=picture)._repr_mimebundle_()[
            "text/html"
        ]
        said = re.findall('(?:alt|aria-label)="([^"]*)"', page)
        assert len(said) == 4 and not any(map(ENGLISH.search, said)), said
        assert said[0].startswith(f"{word}，3：0.50 秒，8 kHz，最响处在 250 到 500 Hz，电平 -9 dB")
        assert said[3].startswith("声音：静：0.50 秒，8 kHz，静音")
