"""The stages joined: who decides what stays, the split, and results that are whole or not there."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aigc_lab.collect.dataset import Dataset, own_card
from aigc_lab.evaluate import Score
from aigc_lab.pipeline import ISSUE_COLUMNS, Row, Seen, decide, images, kind_of, look, run, split, steps


def seen_with(*issues: tuple, count: int = 8) -> Seen:
    """``count`` tiny images; an issue is (item, detector, duplicate_of, proposed)."""
    rows = [
        (item, f"{item}.png", name, 1.0, f"{name} of item {of}", of, "", proposed)
        for item, name, of, proposed in issues
    ]
    data = Dataset(np.random.default_rng(0).integers(0, 256, (count, 8, 8), dtype="uint8"))
    names = tuple(f"{item}.png" for item in range(count))
    return Seen("images", data, names, own_card("x"), pd.DataFrame(rows, columns=ISSUE_COLUMNS))


def test_what_is_proposed_goes_and_a_person_decides_otherwise(tmp_path: Path):
    issues = [(1, "copies", 0, True), (2, "plain", -1, True), (3, "outliers", -1, False)]
    seen = seen_with(*issues, *[(item, "blurred", -1, False) for item in range(4, 8)], count=20)
    table = decide(seen)
    assert [*table["decision"]].count("drop") == 2 and set(table["by"]) == {"proposal"}
    assert table["why"][1] == "copies of 0.png" and table["why"][3] == "outliers of item -1"
    # A check that finds a tenth of everything and proposes nothing would only be noise.
    assert table["why"][4] == "" and seen.untrusted() == {"blurred"}
    mine = decide(seen, keep=["2.png"], drop=["5.png"])
    assert list(mine.loc[[1, 2, 5], "decision"]) == ["drop", "keep", "drop"]
    assert list(mine.loc[[1, 2, 5], "by"]) == ["proposal", "you", "you"]
    # Without the first of the copies the second stays, and that is nobody's own decision.
    other = decide(seen, drop=["0.png"])
    assert list(other.loc[[0, 1], "decision"]) == ["drop", "keep"] and other["by"][1] == "proposal"
    file = tmp_path / "decisions.csv"
    other.to_csv(file, index=False)
    assert list(decide(seen, file)["by"]) == list(other["by"])


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_decision_changed_in_a_spreadsheet_is_obeyed(tmp_path: Path, separator: str, encoding: str):
    seen = seen_with((1, "copies", 0, True))
    table = decide(seen)
    table.loc[1, "decision"], table.loc[4, "decision"] = "Keep ", "drop"
    file = tmp_path / "decisions.csv"
    table.iloc[::-1].to_csv(file, index=False, sep=separator, encoding=encoding)
    read = decide(seen, file)
    assert list(read.loc[read["by"] == "you", "name"]) == ["1.png", "4.png"]
    assert list(read.loc[[1, 4], "decision"]) == ["keep", "drop"]
    # What a person decided stays so; here by name goes before the file.
    read.to_csv(file, index=False)
    again = decide(seen, file, keep=["4.png"])
    assert list(again.loc[[1, 4], "decision"]) == ["keep", "keep"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name,proposed,decision,by\nother.png,keep,keep,proposal\n", "is about other items"),
        ("name,proposed,decision,by\n1.png,drop,perhaps,you\n", "says 'perhaps' of 1.png"),
        ("name,decision\n1.png,drop\n", "has no column 'by'"),
        ("", "has no column"),
        (b"name,proposed,decision,by\n\xe4\xf6\xfc\xff.png,keep,keep,you\n", "save it as CSV in UTF-8"),
    ],
)
def test_a_file_of_decisions_that_cannot_be_used(tmp_path: Path, content, words: str):
    file = tmp_path / "decisions.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=words):
        decide(seen_with(), file)


def test_unknown_names_are_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"no item '1\.pgn' to drop; did you mean '1\.png'"):
        decide(seen_with(), drop=["1.pgn"])
    with pytest.raises(ValueError, match="kept and dropped at once"):
        decide(seen_with(), keep=["1.png"], drop=["1.png"])


def test_copies_never_stand_on_both_sides():
    pairs = [(item, "near", item - 1, False) for item in range(1, 60, 2)]
    seen = seen_with(*pairs, count=60)
    for seed in range(5):
        train, held_out = split(seen, decide(seen), seed=seed)
        assert len(train) + len(held_out) == 60 and len(held_out) == 12
        digests = seen.items.hashes()
        places = {digests.index(digest) for digest in held_out.hashes()}
        assert {place ^ 1 for place in places} == places
    one = seen_with(*[(item, "near", 0, False) for item in range(1, 8)])
    train, held_out = split(one, decide(one))
    assert len(train) == 8 and len(held_out) == 0


def test_a_table_is_split_by_rows():
    seen = seen_with((1, "copies", 0, True))
    table = pd.DataFrame({"a": range(8)})
    parts = split(Seen("table", table, seen.names, own_card("x", "table"), seen.issues), decide(seen))
    assert sorted([*parts[0]["a"], *parts[1]["a"]]) == [0, 2, 3, 4, 5, 6, 7]
    assert list(parts[1].index) == list(range(len(parts[1])))


@pytest.mark.parametrize(
    ("better", "score", "words"),
    [
        ("lower", (1.5, 1, 2), "as good as real items"),
        ("lower", (-9, -9, -9), "as good as real items"),
        ("lower", (1.9, 1, 2.1), "perhaps as good as real items"),
        ("lower", (2.2, 2.1, 3), "worse than real items"),
        ("higher", (1, 1, 1), "as good as real items"),
        ("higher", (0.9, 0.5, 1), "perhaps as good as real items"),
        ("higher", (0.9, 0.8, 0.95), "worse than real items"),
    ],
)
def test_a_verdict_compares_the_interval_with_the_floor(better: str, score: tuple, words: str):
    assert Row("x", Score(*score), Score(1.5, 1, 2), better, "").verdict == words
    assert Row("x", None, None, better, "").verdict == "not judged"


def test_kinds_are_told_apart(tmp_path: Path):
    (tmp_path / "pictures" / "a").mkdir(parents=True)
    for name in ("1.png", "2.JPG", "3.webp", "4.png", "notes.txt"):
        (tmp_path / "pictures" / "a" / name).write_text("x")
    assert kind_of(tmp_path / "pictures") == "images"
    for name in ("1.txt", "2.txt", "one.npz", "two.csv", "three.csv", "four.doc"):
        (tmp_path / name).write_text("text,a\nx,1\n" if name == "two.csv" else "a,b\n1,2\n")
    assert [kind_of(tmp_path / name) for name in ("1.txt", "one.npz", "two.csv")] == [
        "text",
        "images",
        "text",
    ]
    with pytest.raises(ValueError, match="holds 4 images and 3 texts"):
        kind_of(tmp_path)
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "a.HEIC").write_text("x")
    with pytest.raises(ValueError, match=r"its files end in \.heic\)"):
        kind_of(tmp_path / "phone")
    with pytest.raises(ValueError, match=r"four\.doc is not read"):
        kind_of(tmp_path / "four.doc")


def test_look_takes_the_right_module(tmp_path: Path, folder: Path):
    seen = look(folder, tmp_path, progress=False)
    assert seen.kind == "images" and seen.page == tmp_path / "inspection.html" and len(seen.names) == 124
    with pytest.raises(ValueError, match="kind must be auto, images, text, table, got 'sound'"):
        look(folder, tmp_path, kind="sound")
    with pytest.raises(ValueError, match="encoding is not an option for images"):
        look(folder, tmp_path, encoding="gb18030")


def test_the_input_is_only_read_and_the_results_are_whole(done, folder: Path):
    names = {"decisions.csv", "inspection.html", "model", "report.html", "samples.png"}
    assert {path.name for path in done.output.iterdir()} == names
    assert sum(1 for path in folder.rglob("*") if path.is_file()) == 126
    table = done.decisions.set_index("name")["decision"]
    assert table["disc/zz copy.png"] == table["square/zz black.png"] == "drop"
    assert len(done.kept) + len(done.held_out) == (table == "keep").sum() >= 115
    assert {file for file, _ in done.seen.skipped} == {"disc/notes.txt", "square/broken.jpg"}
    wrong = done.seen.issues.query("detector == 'label_issues'")
    assert wrong["name"].tolist() == ["disc/zz wrong.png"] and wrong["suggested"].tolist() == ["square"]
    manifest = json.loads((done.output / "model" / "export.json").read_text("utf-8"))
    assert [one["sha256"] for one in manifest["files"].values()] == [digest for _, _, digest in done.files]
    card = (done.output / "model" / "model_card.md").read_text("utf-8")
    assert "my own <i>drawings</i>" in card and "KID, floor" in card
    assert str(done).startswith("124 images looked at") and "KID" in str(done)


def test_equal_steps_give_equal_results(done, folder: Path, tmp_path: Path):
    again = run(folder, tmp_path / "b", licence="x", steps=30, mirror=True, progress=False)
    assert np.array_equal(again.drawn.data, done.drawn.data)
    assert [row.score for row in again.rows] == [row.score for row in done.rows]
    assert (tmp_path / "b" / "decisions.csv").read_bytes() == (done.output / "decisions.csv").read_bytes()


def test_the_next_run_obeys_the_file_and_a_failed_one_changes_nothing(
    folder: Path, tmp_path: Path, monkeypatch, capsys, state
):
    output = tmp_path / "out"
    first = run(folder, output, only_look=True, progress=False)
    assert first.trained is None and not (output / "model").exists()
    rows = list(csv.DictReader((output / "decisions.csv").read_text("utf-8").splitlines()))
    assert rows[0]["decision"] == "drop"
    for row in rows:
        row["decision"] = "keep" if row["name"] == "square/zz black.png" else row["decision"]
    with open(output / "decisions.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    before = state(output)

    def stopped(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(steps, "write_page", stopped)
        run(folder, output, only_look=True, progress=False)
    assert state(output) == before
    calls = []

    def fails_at_the_third(source, target):
        calls.append(target)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return rename(source, target)

    rename = os.rename
    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr(os, "rename", fails_at_the_third)
        run(folder, output, only_look=True, progress=False)
    assert state(output) == before
    for stop in (2, 3, 4, 7):  # Ctrl+C before or after a step of putting the results in their place
        calls = []

        def interrupted(source, target, stop=stop, calls=calls):
            calls.append(target)
            if len(calls) == (stop + 1) // 2:
                if stop % 2 == 0:
                    rename(source, target)
                raise KeyboardInterrupt
            return rename(source, target)

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(os, "rename", interrupted)
            run(folder, output, only_look=True, progress=False)
        assert state(output) == before, stop
    second = run(folder, output, only_look=True)
    assert "1 decided by you" in capsys.readouterr().out
    mine = second.decisions.set_index("name").loc["square/zz black.png"]
    assert tuple(mine[["proposed", "decision", "by"]]) == ("drop", "keep", "you")
    assert len(second.kept) == len(first.kept) + len(first.held_out) + 1 - len(second.held_out)


def test_a_file_of_decisions_changed_during_the_run_is_left_alone(folder: Path, tmp_path: Path, monkeypatch):
    output = tmp_path / "out"
    run(folder, output, only_look=True, progress=False)
    real = images.look

    def slow(*where, **how):
        (output / "decisions.csv").write_text("mine", encoding="utf-8")
        return real(*where, **how)

    (output / "decisions.csv").unlink()
    monkeypatch.setattr(images, "look", slow)
    monkeypatch.setattr(steps, "_read_decisions", lambda *_: {})
    result = run(folder, output, only_look=True, progress=False)
    assert "run again to obey it" in result.notes[0] and "run again to obey it" in result.page.read_text(
        "utf-8"
    )
    assert (output / "decisions.csv").read_text("utf-8") == "mine"


def test_too_little_to_train_on_is_said_on_the_page(tmp_path: Path, write_folder):
    write_folder(tmp_path / "few", 8)
    result = run(tmp_path / "few", tmp_path / "out", progress=False)
    assert (
        result.trained is None
        and "8 different images are left, and a model needs at least 40" in result.too_few
    )
    assert result.too_few in result.page.read_text("utf-8") and not (tmp_path / "out" / "model").exists()


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"files": []}', '{"files": {"a": 1}}', "{}"])
def test_a_damaged_manifest_in_the_output_is_named(folder: Path, tmp_path: Path, content: str):
    (tmp_path / "out" / "model").mkdir(parents=True)
    (tmp_path / "out" / "model" / "export.json").write_text(content)
    with pytest.raises(ValueError, match=r"export\.json is damaged; choose a new or an empty folder"):
        run(folder, tmp_path / "out", only_look=True, progress=False)
