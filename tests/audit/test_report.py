"""The audit of an export: what it finds, what it says when something is missing, and the page."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from aigc_lab import audit, collect, deploy, watermark
from aigc_lab.audit.__main__ import main
from aigc_lab.backend import quiet
from aigc_lab.collect.dataset import own_card

NAMES = ("bird", "cat", "elephant", "giraffe", "horse")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    from aigc_lab.models import stored

    folder = tmp_path_factory.mktemp("audit") / "animals"
    with quiet():
        deploy.export(
            stored.load("animals_vae"), folder, ("onnx",), NAMES, "Animals <b>VAE</b>", "MIT",
            data_card=collect.card("animals"),
        )  # fmt: skip
    deploy.model_card(
        folder, title="Animals", data_card=collect.card("animals"), issues_found="284 copies",
        scores={"recognised": 0.8}, seeds=[0], training={"steps": 20000}, limits=["silhouettes"],
        licence="MIT",
    )  # fmt: skip
    return folder


@pytest.fixture
def folder(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "export")


@pytest.fixture(scope="module")
def done(exported):
    return audit.report(exported, samples=200)


def test_a_whole_export(done):
    assert [one.part for one in done.findings] == [
        "hashes", "copies", "coverage", "watermark", "cards", "licences",
    ]  # fmt: skip
    assert done["hashes"].result == done["cards"].result == done["licences"].result == "fine"
    assert done["watermark"].result == "not checked" and "no key" in done["watermark"].reason
    copies = done["copies"].values
    assert copies["near_copies"]["low"] <= copies["floor"]["high"] < 0.1  # no more than real ones
    assert [[image.shape for image in pair] for pair in done["copies"].pairs] == [[(28, 28, 1)] * 2] * 3
    rows = {row["class"]: row for row in done["coverage"].rows}
    assert len(rows) == 10 and all(0.1 < rows[name]["value"] < 0.3 for name in NAMES)
    assert rows["zebra"]["said"] == "not given to the model"
    assert done.samples == 200 and sum(done.counts.values()) == 6
    assert json.loads(done.as_json())["findings"][1]["values"] == copies


def test_copies_of_training_items_are_found(exported):
    training, _, held_out = collect.load("animals").only(*NAMES).split(seed=0)
    copied = audit.report(exported, items=np.concatenate([training.data[:60, :, ::-1], held_out.data[:60]]))
    assert copied["copies"].result == "look" and copied["copies"].values["near_copies"]["low"] > 0.3
    fresh = audit.report(exported, items=held_out.data[-200:])
    assert fresh["copies"].values["near_copies"]["low"] < 0.02


def test_a_missing_class_is_named(exported):
    four = collect.load("animals").only(*NAMES[:4])
    found = audit.report(exported, items=four.data[::20])["coverage"]
    assert found.result == "look" and "horse is" in found.reason


def test_without_cards_it_is_a_finding(folder):
    (folder / "model_card.md").unlink()
    (folder / "data_card.json").unlink()
    manifest = json.loads((folder / "export.json").read_text())
    del manifest["files"]["data_card"], manifest["licence"]
    (folder / "export.json").write_text(json.dumps(manifest))
    found = audit.report(folder, samples=5)
    assert found["cards"].result == found["licences"].result == "missing"
    assert "no model card" in found["cards"].reason and "no data card" in found["cards"].reason
    assert found["copies"].result == found["coverage"].result == "not checked"
    assert "not stated" in found["licences"].reason


def test_an_empty_section_and_another_hash_are_named(folder):
    path = folder / "model_card.md"
    text = path.read_text().replace("- silhouettes", "")
    sha = json.loads((folder / "export.json").read_text())["files"]["onnx"]["sha256"]
    path.write_text(text.replace(sha, "0" * 64).replace("## Intended use", "## Use"))
    card(folder, name="mine")  # which cannot be loaded: nothing to compare with
    found = audit.report(folder, samples=5)["cards"]
    assert found.result == "look" and found.number.startswith("7 of 9")
    for words in ("'Limits' is empty", "'Intended use' is missing", "another SHA-256 for generator.onnx"):
        assert words in found.reason


def test_a_damaged_file_is_a_finding_and_nothing_is_drawn_from_it(folder):
    (folder / "generator.onnx").write_bytes(b"broken")
    found = audit.report(folder)
    assert found["hashes"].result == "look" and "SHA-256 differs" in found["hashes"].reason
    assert "damaged" in found["copies"].reason and found.samples == 0
    (folder / "generator.onnx").unlink()
    assert "is missing" in audit.report(folder)["hashes"].reason


def card(folder, **changes):
    told = json.loads((folder / "data_card.json").read_text()) | changes
    (folder / "data_card.json").write_text(json.dumps(told))
    deploy.record(folder, "data_card.json")


def test_data_that_cannot_be_had_and_a_broken_card(folder):
    card(folder, name="my-own-pictures", licence=own_card("x").licence, source="")
    found = audit.report(folder, samples=5)
    assert "'my-own-pictures' cannot be loaded" in found["copies"].reason
    assert found["licences"].result == "missing" and "'source' is empty" in found["cards"].reason
    (folder / "data_card.json").write_text("[1")
    deploy.record(folder, "data_card.json")
    assert "data_card.json is damaged" in audit.report(folder, samples=5)["cards"].reason


def test_share_alike_data_and_weights_under_another_licence(folder):
    card(folder, name="mine", licence="CC BY-SA 4.0")
    found = audit.report(folder, samples=5)["licences"]
    assert found.result == "look" and "an adaptation keeps the licence" in found.reason
    card(folder, licence="CC BY-SA 4.0 and ODbL")
    assert "exclude each other" in audit.report(folder, samples=5)["licences"].reason


@pytest.mark.parametrize("members", [0, 1])
def test_a_class_of_no_or_one_member_is_not_judged(exported, monkeypatch, members):
    data = collect.load("animals")
    horses = np.flatnonzero(data.labels == data.class_names.index("horse"))
    few = data[np.sort(np.r_[np.flatnonzero(data.labels != data.labels[horses[0]]), horses[:members]])]
    monkeypatch.setattr(collect, "load", lambda name: few)
    found = audit.report(exported, samples=50)["coverage"]
    assert "not judged, as the data have 0 or 1 item: horse" in found.reason


def test_too_few_data_to_compare_with(exported, monkeypatch):
    few = collect.load("animals").only(*NAMES).head(20)
    monkeypatch.setattr(collect, "load", lambda name: replace(few))
    assert "200 held-out items are needed" in audit.report(exported, samples=3)["copies"].reason


def test_a_generator_that_diverged(exported):
    found = audit.report(exported, items=np.full((3, 28, 28, 1), np.nan))
    assert "diverged" in found["copies"].reason and found.samples == 0


def test_one_sample_is_enough_for_a_report(exported):
    found = audit.report(exported, samples=1)
    assert found["copies"].values["near_copies"]["high"] > 0.5  # one sample says next to nothing


def test_the_watermark(exported):
    photos = collect.load("photos").data[:3]
    marked = np.stack([watermark.embed(image, "secret") for image in photos])
    assert audit.report(exported, "secret", items=marked)["watermark"].result == "fine"
    assert audit.report(exported, "other", items=marked)["watermark"].result == "missing"
    assert audit.report(exported, "secret", items=[*photos[:1], *marked])["watermark"].result == "look"
    small = audit.report(exported, "secret", samples=3)["watermark"]
    assert small.result == "not checked" and "too small for the mark" in small.reason


def test_a_text_model(tmp_path):
    from aigc_lab.models.transformer import character_model

    text = "".join(collect.load("three-kingdoms").data)[:5000]
    characters = sorted({"\n", *text})
    model = character_model(len(characters), length=16, width=16, blocks=1, heads=2)
    with quiet():
        deploy.export(
            model, tmp_path / "text", ("onnx",), characters, "Text", "MIT",
            data_card=collect.card("three-kingdoms"),
        )  # fmt: skip
        deploy.export(model, tmp_path / "mute", ("onnx",), data_card=collect.card("three-kingdoms"))
    found = audit.report(tmp_path / "text", "secret")
    assert found["copies"].result == "fine" and "1,500 characters" in found["copies"].number
    assert found["watermark"].result == "missing" and found["coverage"].result == "not checked"
    copied = audit.report(tmp_path / "text", items=[text[500:700], text[900:1100]])
    assert copied["copies"].values["copied_share"]["value"] in (0.0, 1.0)
    assert "class_names" in audit.report(tmp_path / "mute")["copies"].reason


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += " ".join(data.split()) + " "


def test_the_page_stands_alone(done, tmp_path):
    html = done.write(tmp_path / "a" / "page.html", tmp_path / "a" / "data.json").read_text("utf-8")
    page = Page(html)
    images = [given for tag, given in page.tags if tag == "img"]
    assert len(images) == 6 and all(one["src"].startswith("data:image/") and one["alt"] for one in images)
    assert len({one["alt"] for one in images}) == 6
    assert not any(tag in ("script", "iframe", "object", "link", "b>") for tag, _ in page.tags)
    assert "http:" not in html and "https:" not in html and "Animals <b>VAE</b>" in page.text
    for words in ("Copies of training items", "是否照抄训练样本", "no legal advice", "Coverage of classes"):
        assert words in page.text
    assert json.loads((tmp_path / "a" / "data.json").read_text("utf-8"))["samples"] == 200


def test_the_command(folder, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main([str(folder), "--output", str(page), "--samples", "20"]) == 0 and page.exists()
    assert "3 fine" in capsys.readouterr().out or page.exists()
    (folder / "model_card.md").unlink()
    assert main([str(folder), "--output", str(page), "--samples", "20", "--strict"]) == 1


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda at: at / "nowhere", "there is no folder"),
        (lambda at: at, "holds no export"),
        (lambda at: [(at / "export.json").write_text("{"), at][-1], "no manifest that deploy.export wrote"),
        (lambda at: [(at / "export.json").write_text(""), at][-1], "no manifest that deploy.export wrote"),
        (
            lambda at: [(at / "v1").mkdir(), (at / "v1" / "export.json").write_text("{}"), at][-1],
            "audit one of its versions: v1",
        ),
    ],
)
def test_bad_folders_cost_one_sentence(prepare, words, tmp_path, capsys):
    (tmp_path / "at").mkdir()
    assert main([str(prepare(tmp_path / "at")), "--output", str(tmp_path / "x.html")]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_bad_numbers_and_places_cost_one_sentence(folder, tmp_path, capsys):
    card(folder, name="mine")
    assert main([str(folder), "--samples", "0", "--output", str(tmp_path / "x.html")]) == 2
    assert "at least one sample" in capsys.readouterr().err
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    for option in ("--output", "--json"):
        assert main([str(folder), option, str(folder / "export.json")]) == 2
        assert "would lie inside the export" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    (tmp_path / "file").write_text("")
    assert main([str(folder), "--samples", "2", "--output", str(tmp_path / "file" / "x.html")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_each_rule_of_the_checklist_is_whole():
    told = yaml.safe_load(Path(audit.__file__).with_name("norms.yaml").read_text("utf-8"))
    table = pd.DataFrame(told["rules"]).astype({"since": str})
    assert str(told["read_on"]) == "2026-11-30" and len(table) == 15
    assert set(table["here"]) == {"by program", "by people", "not done here", "does not apply"}
    assert table.map(bool).all().all() and table["since"].str.startswith("20").all()
