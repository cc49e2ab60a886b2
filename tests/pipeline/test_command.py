"""The shell line: exit codes, one sentence for each bad input, nothing left behind by a refused run."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from aigc_lab.pipeline.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "there is no nowhere; check the path"),
        (["empty"], "the folder empty holds no images and no .txt files"),
        (["in", "--output", "in/results"], "would lie inside the folder in"),
        (["in", "--output", "in"], "would lie inside the folder in"),
        (["in", "--output", "mine"], "the output mine holds 'thesis', which is no part of earlier results"),
        (["in", "--output", "file.txt"], "the output file.txt is a file; name a folder"),
        (
            ["in", "--output", "odd"],
            "the output odd holds 'report.html', which is no part of earlier results",
        ),
        (
            ["in", "--output", "models"],
            "the output models holds 'model/weights.h5', which is no part of earl",
        ),
        (["in", "--output", "file.txt/results"], "cannot write into the output file.txt/results"),
        (["in", "--size", "50"], "size must be a multiple of 4 from 28 to 128 pixels, got 50"),
        (
            ["in", "--regions", "CN"],
            "regions is not an option for images, which have labels, mirror, model, size",
        ),
        (["in", "--drop", "disc/002.pgn"], "did you mean 'disc/002.png'"),
        (["mixed"], "holds 4 images and 4 texts: a model is trained on one kind"),
        (["notes.doc"], "notes.doc is not read"),
        (["set.npz"], "cannot read set.npz"),
        (["in", "--kind", "table"], ""),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    arguments, words, tmp_path, monkeypatch, capsys, state, write_folder
):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "in", 8)
    write_folder(tmp_path / "mixed", 4)
    for number in range(4):
        (tmp_path / "mixed" / f"{number}.txt").write_text("words")
    for name in ("empty", "mine/thesis", "odd/report.html", "models/model"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("file.txt", "notes.doc", "set.npz", "models/model/weights.h5"):
        (tmp_path / name).write_text("x")
    before = state(tmp_path)
    assert main([*arguments, "--quiet"]) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1 and "Traceback" not in told
    assert state(tmp_path) == before and not (tmp_path / "results").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_cannot_be_written(tmp_path, write_folder, capsys):
    write_folder(tmp_path / "in", 8)
    (tmp_path / "locked").mkdir(mode=0o500)
    assert main([str(tmp_path / "in"), "--output", str(tmp_path / "locked" / "out")]) == 2
    assert "cannot write into the output" in capsys.readouterr().err


def test_too_little_is_3_and_the_report_is_there(tmp_path, write_folder, capsys):
    write_folder(tmp_path / "in", 8)
    assert main([str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 3
    told = capsys.readouterr()
    assert (
        "a model needs at least 40" in told.err
        and "[1-3/7] collect, clean, label 收集、清洗、标注" in told.out
    )
    assert "Nothing was trained" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_one_readable_image_is_too_little(tmp_path, write_folder):
    write_folder(tmp_path / "in", 1)
    (tmp_path / "in" / "disc" / "broken.png").write_bytes(b"\x89PNG")
    assert main([str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--quiet"]) == 3


def test_names_and_pages_carry_no_formula_and_no_markup(tmp_path, write_folder):
    write_folder(tmp_path / "all", 12)
    names = ["=HYPERLINK(1).png", "<script>alert(1)<b>.png", "\u202egnp.exe.png", "图 “1”.png"]
    (tmp_path / "in").mkdir()
    for name, file in zip(names, sorted((tmp_path / "all").rglob("*.png")), strict=False):
        (tmp_path / "in" / name).write_bytes(file.read_bytes())
    assert (
        main([str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--quiet", "--drop", *names[:2]]) == 3
    )
    table = (tmp_path / "out" / "decisions.csv").read_text("utf-8")
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "'=HYPERLINK(1).png,keep,drop,you" in table and "\n=" not in table
    assert "<script>" not in page and "\u202e" not in page and "&lt;script&gt;" in page
    # What is written is read again: the apostrophe is no part of the name.
    assert main([str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--quiet"]) == 3
    assert (tmp_path / "out" / "decisions.csv").read_text("utf-8") == table


def test_as_a_process(folder, tmp_path):
    line = [sys.executable, "-m", "aigc_lab.pipeline", str(folder), "--output", "out", "--steps", "5"]
    ended = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0 and "Traceback" not in ended.stderr, ended.stderr
    stages = [row for row in ended.stdout.replace("\r", "\n").splitlines() if row.startswith("[")]
    assert [row.split("/")[0] for row in stages] == ["[1-3", "[4", "[5", "[6", "[7"]
    assert "do not publish" in (tmp_path / "out" / "model" / "model_card.md").read_text("utf-8")
    images = np.asarray((tmp_path / "out" / "samples.png").read_bytes()[:4] == b"\x89PNG")
    assert images.all()
