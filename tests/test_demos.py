"""Demonstrations in the pages, checked without a browser. tests/browser/test_demos*.py runs them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book import check, demos, vendor
from book.page_models import exports, table, vae_and_gan
from book.page_models.normals import normals

BOOK = Path(demos.BOOK)
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("demo", demos.demos(), ids=lambda demo: demo["name"])
def test_a_demonstration_is_described_and_all_that_it_loads_can_be_made(demo):
    words = ("title", "chinese", "intro", "intro_chinese", "alt", "alt_chinese")
    text = ("name", "page", "picture", *words)
    assert all(demo[name].strip() for name in text) and HAN.search(demo["chinese"] + demo["intro_chinese"])
    assert set(demo["models"]) | {demo["picture"]} <= set(table.table())
    script = (BOOK / "web" / f"{demo['name']}.js").read_text(encoding="utf-8")
    assert "export async function start(root)" in script
    for other in demo.get("scripts", ()):
        assert (BOOK / "web" / f"{other}.js").is_file()


def test_every_file_that_is_made_and_every_script_belongs_to_a_demonstration():
    every = demos.demos()
    shown = {demo["picture"] for demo in every}
    later = {name for demo in every for name in demo.get("later", ())}
    told = {name for name in table.table() if name.endswith("_licences.txt")}  # not loaded
    assert set(table.table()) == {name for demo in every for name in demo["models"]} | later | shown | told
    loaded = {name for demo in every for name in demos.files(demo)}
    assert {f"web/{path.name}" for path in (BOOK / "web").iterdir()} == {
        name for name in loaded if name.startswith("web/")
    }


def test_scripts_of_demonstrations_name_no_other_host_and_ask_for_nothing_but_their_files():
    for path in (BOOK / "web").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?:|XMLHttpRequest|WebSocket|sendBeacon|localStorage", text), path.name
        assert text.count("fetch(") == (path.name == "core.js"), path.name


def small_demonstration(**other) -> dict:
    found = {"name": "cats", "page": "06_x", "after": "1. One (of two)", "picture": "cats.png"}
    found |= {"models": ["cats.onnx"], "title": "A <cat>", "chinese": "猫"}
    found |= {"alt": "cats", "alt_chinese": "几只猫"}
    return {**found, "intro": "Draws.", "intro_chinese": "画。", **other}


def test_a_demonstration_stands_after_the_heading_that_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(demos, "demos", lambda: [small_demonstration(), small_demonstration(page="07_y")])
    cells = [new_markdown_cell("# T"), new_markdown_cell("## 1. One (of two)\n\nText."), new_code_cell("1")]
    notebook = new_notebook(cells=cells)
    demos.place(notebook, "06_x")
    placed = notebook.cells[2].source
    assert len(notebook.cells) == 4 and placed.startswith('<div class="lab-demo" data-demo="cats"')
    assert "A &lt;cat&gt;" in placed and 'src="../_static/models/cats.png" alt="cats"' in placed
    assert "\n\n" not in placed  # Markdown would end the block of HTML
    (tmp_path / "page.html").write_text(placed)
    assert "../_static/models/cats.onnx" in check.read_page(tmp_path / "page.html").loads
    with pytest.raises(vendor.BookError, match=r"after '1\. One \(of two\)', which is no heading of 07_y"):
        demos.place(new_notebook(cells=cells[2:]), "07_y")


def test_pages_state_what_a_demonstration_loads_and_too_much_is_refused(monkeypatch, tmp_path):
    demo = small_demonstration(page="index", models=["cats.json"], later=["dogs.json"])
    monkeypatch.setattr(demos, "demos", lambda: [demo])
    for name in demos.files(demo):
        (tmp_path / "_static" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "_static" / name).write_bytes(b" " * 400_000)
    (tmp_path / "zh").mkdir()
    pages = {"en": tmp_path / "index.html", "zh": tmp_path / "zh" / "index.html"}
    for language, page in pages.items():
        page.write_text(demos.block(demo, "_static/", language))
    demos.state_sizes(tmp_path)
    for page in pages.values():
        assert 'data-megabytes="1.2"' in page.read_text()
    assert "Draws." not in pages["zh"].read_text() and "画。" in pages["zh"].read_text()
    (tmp_path / "_static" / "models" / "cats.json").write_bytes(b" " * 2_700_000)
    with pytest.raises(vendor.BookError, match=r"cats loads 3\.1 MB of models, more than 3 MB"):
        demos.state_sizes(tmp_path)


def test_weights_are_stored_in_half_the_bytes_and_computing_stays_in_float32(tmp_path):
    from onnx import TensorProto, helper, numpy_helper, save

    weights = np.random.default_rng(0).standard_normal((64, 8)).astype("float16").astype("float32")
    shapes = [("x", ["n", 64]), ("y", ["n", 8])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    path = tmp_path / "m.onnx"
    save(model, path)
    before, x = path.stat().st_size, np.random.default_rng(1).standard_normal((3, 64)).astype("float32")
    exports.halve(path)
    assert path.stat().st_size < 0.6 * before
    assert exports.run(path, {"x": x})[0] == pytest.approx(x @ weights, abs=1e-5)


def test_what_is_exported_is_kept_until_what_it_is_made_from_changes(monkeypatch, tmp_path):
    written = []
    function = lambda path: written.append(path.write_text("{}"))  # noqa: E731
    monkeypatch.setattr(table, "table", lambda: {"a.json": function})
    monkeypatch.setattr(table, "_key", lambda function: "one")
    table.write(["a.json"], tmp_path / "site", tmp_path / "cache")
    table.write(["a.json"], tmp_path / "site", tmp_path / "cache")
    assert len(written) == 1 and (tmp_path / "site" / "a.json").is_file()
    monkeypatch.setattr(table, "_key", lambda function: "two")
    assert table.made("a.json", tmp_path / "cache") and len(written) == 2


def test_random_numbers_of_the_pages_are_normal_and_repeat():
    drawn = normals(5, 4001)
    assert drawn.shape == (4001,) and (drawn == normals(5, 4001)).all()
    assert abs(drawn.mean()) < 0.05 and abs(drawn.std() - 1) < 0.05
    assert not (normals(6, 10) == drawn[:10]).any()


def test_the_plane_goes_through_the_codes_of_the_three_cats():
    plane = vae_and_gan.plane()
    for (right, up), code, share in zip(plane["corners"], vae_and_gan.three_codes(), np.eye(3), strict=True):
        point = plane["origin"] + right * plane["across"] + up * plane["along"]
        assert point == pytest.approx(code, abs=1e-6)
        assert plane["shares"] @ [1, right, up] == pytest.approx(share, abs=1e-9)
