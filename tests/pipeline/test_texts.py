"""Texts in the pipeline: what is seen, mended and masked, the order that is chosen, scores and export."""

from __future__ import annotations

import bz2
import gzip
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest

from aigc_lab import collect, deploy
from aigc_lab.collect import Dataset
from aigc_lab.collect.dataset import own_card
from aigc_lab.evaluate import CharacterNgram
from aigc_lab.pipeline import texts
from aigc_lab.pipeline.parts import ISSUE_COLUMNS


def texts_of(items):
    return Dataset(items, card=own_card("words", "text"))


@pytest.fixture(scope="module")
def english():
    different = list(dict.fromkeys(collect.load("dialogues").only("english").data))
    return [different[place] for place in np.random.default_rng(0).permutation(len(different))]


@pytest.fixture(scope="module")
def chinese():
    return list(dict.fromkeys(collect.load("dialogues").only("chinese").data))


@pytest.fixture(scope="module")
def trained(english):
    kept, held_out = texts_of(english[:800]), texts_of(english[800:])
    return texts.train(kept, held_out, steps=5, progress=False), kept, held_out


# --- look -----------------------------------------------------------------------------------------------


def test_a_messy_folder(tmp_path, english, chinese):
    for name, some in (("english", english[:30]), ("chinese", chinese[:30])):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number, text in enumerate(some):
            (tmp_path / "in" / name / f"{number:03}.txt").write_text(text, encoding="utf-8")
    folder = tmp_path / "in" / "english"
    (folder / "a.txt").write_text("Write to jo@example.com, it isnâ€™t far &amp; we wait", encoding="utf-8")
    (folder / "b.txt").write_text("it isnâ€™t what I said to you", encoding="utf-8")
    (folder / "c.txt").write_text("it isn’t what I said to you", encoding="utf-8")
    (folder / "e.txt").write_bytes("床前明月光，疑是地上霜".encode("gb18030"))
    (folder / "f.txt").write_text(english[0])
    (folder / "g.txt").write_text("...")
    before = {file: file.read_bytes() for file in (tmp_path / "in").rglob("*.txt")}
    seen = texts.look(tmp_path / "in", tmp_path, progress=False)
    assert {file: file.read_bytes() for file in (tmp_path / "in").rglob("*.txt")} == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in", "inspection.html"]
    assert seen.page == tmp_path / "inspection.html" and "english/f.txt" in seen.page.read_text("utf-8")
    assert list(seen.issues.columns) == list(ISSUE_COLUMNS)
    assert [name for name, reason in seen.skipped if "likely gb18030" in reason] == ["english/e.txt"]
    item = {name: place for place, name in enumerate(seen.names)}
    text = seen.items.data[item["english/a.txt"]]
    assert text == "Write to [E-MAIL], it isn’t far & we wait"
    assert seen.items.data[item["english/b.txt"]] == "it isn’t what I said to you"
    assert any("1 texts (e-mail 1)" in note for note in seen.notes)
    fixes = seen.fixes.set_index("item")
    assert set(fixes.loc[[item["english/a.txt"]], "before"]) == {"[not shown: holds personal data]"}
    assert "â€™" in fixes.loc[item["english/b.txt"], "before"] and set(seen.fixes["column"]) == {"text"}
    assert "example.com" not in seen.page.read_text("utf-8")
    dropped = seen.issues[seen.issues["proposed"].astype(bool)].set_index("name")
    assert {"english/f.txt", "english/g.txt"} <= set(dropped.index)
    assert dropped.loc["english/f.txt", "reason"] == "same text as english/000.txt"
    # What becomes a copy only when it is mended is found as well.
    assert dropped.loc["english/c.txt", "reason"].startswith("when mended: same text as english/b.txt")
    assert seen.items.class_names == ("chinese", "english")


def test_a_file_of_columns_with_labels(tmp_path, english):
    import pandas as pd

    kinds = ["what" if text.casefold().startswith("what") else "other" for text in english[:200]]
    frame = pd.DataFrame({"message": english[:200], "kind": kinds})
    frame.loc[3, "message"] = frame.loc[1, "message"]
    frame.to_csv(tmp_path / "a.csv", index=False, sep=";", encoding="gb18030")
    how = {"text_column": "message", "label_column": "kind", "progress": False}
    with pytest.raises(ValueError, match="give delimiter=';'"):
        texts.look(tmp_path / "a.csv", tmp_path, encoding="gb18030", **how)
    seen = texts.look(tmp_path / "a.csv", tmp_path, encoding="gb18030", delimiter=";", **how)
    assert seen.names[3] == "row 5" and seen.items.class_names == ("other", "what")
    copies = seen.issues[seen.issues["detector"] == "exact_duplicates"]
    name, reason = copies[["name", "reason"]].iloc[0]
    assert name == "row 5" and reason.startswith("same text as row 3")
    frame.to_json(tmp_path / "b.jsonl", orient="records", lines=True)
    assert texts.look(tmp_path / "b.jsonl", tmp_path, **how).names[0] == "row 1"
    collect.load("animals").head(4).save(tmp_path / "c.npz")
    with pytest.raises(ValueError, match=r"c\.npz holds images, not texts"):
        texts.look(tmp_path / "c.npz", tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "there is nothing to inspect"),
        ("a.csv", b"", "it is empty"),
        ("a.csv", b"words\nx\n", "has no column 'text'; its columns are words"),
        ("a.txt", "床前明月光，疑是地上霜。举头望明月，低头思故乡。".encode("gb18030"), "not UTF-8"),
    ],
)
def test_bad_files_end_in_one_sentence(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        texts.look(tmp_path / name, tmp_path, progress=False)
    assert "\n" not in str(error.value)


def test_one_long_text_is_told_to_be_cut(tmp_path):
    (tmp_path / "a.txt").write_text("once upon a time " * 200)
    seen = texts.look(tmp_path / "a.txt", tmp_path, progress=False)
    assert len(seen.items) == 1 and any(note.startswith("Each file is one text") for note in seen.notes)


# --- train and draw -------------------------------------------------------------------------------------


def test_the_order_is_the_smallest_that_later_ones_hardly_beat(english):
    kept, held_out = texts_of(english[:400]), texts_of(english[400:500])
    found = texts.train(kept, held_out, progress=False)
    bits = {
        order: CharacterNgram(kept.data, order).bits_per_character(held_out.data, 0).value
        for order in range(1, 10)
    }
    for order, value in found.curve.itertuples(index=False):
        assert value == bits[order]
    order = found.model.order
    assert bits[order] - bits[order + 1] < 0.01 and all(
        bits[k] - bits[k + 1] >= 0.01 for k in range(1, order)
    )
    assert texts.train(kept, held_out, steps=2, progress=False).model.order == 2
    assert texts.train(kept, held_out, seconds=1e-9, progress=False).model.order == 1
    for wrong in ({"seconds": 0}, {"steps": 0}):
        with pytest.raises(ValueError, match="a time above 0 seconds, or at least one step"):
            texts.train(kept, held_out, **wrong)


def test_equal_seeds_give_equal_texts(trained):
    model, kept, _ = trained
    drawn = texts.draw(model, 20, seed=3)
    assert drawn.data == texts.draw(model, 20, seed=3).data != texts.draw(model, 20, seed=4).data
    assert drawn.modality == "text" and max(map(len, drawn.data)) <= max(map(len, kept.data))


def test_more_than_the_limit_is_not_counted(monkeypatch):
    monkeypatch.setattr(texts, "_MOST", 100)
    kept = texts_of([f"text {number}" for number in range(50)])
    found = texts.train(kept, kept[:5], progress=False)
    assert any(note.startswith("The model learnt from 1") for note in found.notes)
    assert texts._some(["a" * 500], 0) == ["a" * 100]


# --- scores ---------------------------------------------------------------------------------------------


def by_name(rows):
    return {row.name: row for row in rows}


def test_scores_of_english(trained):
    model, kept, held_out = trained
    rows = by_name(texts.scores(model, texts.draw(model, 120, 1), kept, held_out))
    bits = rows["bits per character, held-out texts"]
    assert bits.verdict.endswith(bits.against) and bits.against in ("bz2", "xz")
    # The rivals by hand: what the archive of both is larger by, in bits a character (end signs included).
    end = "\x03"
    before = (end.join(kept.data) + end).encode()
    after = (end.join([*kept.data, *held_out.data]) + end).encode()
    count = sum(len(text) + 1 for text in held_out.data)
    for name, compress in (("bz2", bz2.compress), ("zlib", lambda content: zlib.compress(content, 9))):
        added = 8 * (len(compress(after)) - len(compress(before))) / count
        assert f"{name} {added:.2f}" in bits.about
    assert bits.score.value < added  # zlib looks back 32 kB only
    assert rows["whole copies"].floor.value == 0
    for row in rows.values():
        assert row.score.low <= row.score.value <= row.score.high and row.about


def test_scores_see_copies_sameness_and_nonsense(trained, english):
    model, kept, held_out = trained
    copies = by_name(texts.scores(model, texts_of(english[:120]), kept, held_out))
    assert copies["whole copies"].score.value == 1 and copies["copied passages"].score.value > 0.95
    assert copies["whole copies"].verdict == copies["copied passages"].verdict == "worse than real items"
    same = by_name(texts.scores(model, texts_of(["the same old words again"] * 120), kept, held_out))
    assert same["likeness to each other (self-BLEU-4)"].verdict == "worse than real items"
    assert same["different pairs of words (distinct-2)"].verdict == "worse than real items"
    generator = np.random.default_rng(0)
    noise = texts_of(["".join(generator.choice(list("abcdefgh xyz"), 40)) for _ in range(120)])
    noise = by_name(texts.scores(model, noise, kept, held_out))
    assert (
        noise["unknown words"].verdict
        == noise["bits per character, new texts"].verdict
        == "worse than real items"
    )


def test_chinese_and_mixed_scripts(english, chinese):
    for some in (
        chinese[:500],
        [one for pair in zip(english[:200], chinese[:200], strict=True) for one in pair],
    ):
        kept, held_out = texts_of(some[: len(some) * 4 // 5]), texts_of(some[len(some) * 4 // 5 :])
        model = texts.train(kept, held_out, progress=False)
        rows = by_name(texts.scores(model, texts.draw(model, 100), kept, held_out))
        assert all(row.score is not None for row in rows.values())
    assert "run of 10 or more" not in rows["copied passages"].about
    assert texts._run_length(["床前明月光，疑是地上霜"] * 3) == 10 and texts._run_length(["abc", "ab"]) == 2


def test_a_set_of_one_character_is_judged_as_far_as_it_can_be():
    kept, held_out = texts_of(["a"] * 40), texts_of(["a"] * 10)
    model = texts.train(kept, held_out, progress=False)
    rows = by_name(texts.scores(model, texts.draw(model, 100), kept, held_out))
    assert rows["different pairs of words (distinct-2)"].verdict == "not judged"
    assert "tokens" in rows["different pairs of words (distinct-2)"].about
    assert rows["whole copies"].score.value > 0.9


# --- export ---------------------------------------------------------------------------------------------


def test_the_export_is_read_back_exactly(tmp_path, trained):
    model, _, held_out = trained
    card = replace(own_card("talk", "text"), licence="CC0-1.0")
    texts.export(model, tmp_path / "model", "Talk", card)
    manifest = deploy.verify(tmp_path / "model")
    form = manifest["files"]["json"]
    told = json.loads((tmp_path / "model" / manifest["files"]["data_card"]["name"]).read_text("utf-8"))
    assert told["licence"] == manifest["licence"] == "CC0-1.0"
    content = (tmp_path / "model" / form["name"]).read_bytes()
    again = texts.load(tmp_path / "model" / form["name"])
    np.testing.assert_array_equal(again.bits(held_out.data)[0], model.model.bits(held_out.data)[0])
    assert again.write(20, seed=5) == model.model.write(20, seed=5)
    assert form["largest_difference"] == 0 and form["bytes"] == len(content)
    assert "publish the model only if" in manifest["holds"] and manifest["title"] == "Talk"

    stored = json.loads(gzip.decompress(content))
    damaged = [content[:-9], content[: len(content) // 2], b"", b"no archive", gzip.compress(b"[]")]
    for change in ({"order": 4}, {"discounts": [0.5] * 5}, {"counts": {}}):
        damaged.append(gzip.compress(json.dumps(stored | {"model": stored["model"] | change}).encode()))
    damaged.append(gzip.compress(json.dumps(stored | {"kind": "Gaussian copula"}).encode()))
    for wrong in damaged:
        (tmp_path / "wrong.json.gz").write_bytes(wrong)
        with pytest.raises(
            ValueError, match=r"^wrong\.json\.gz is damaged or no character n-gram model"
        ) as error:
            texts.load(tmp_path / "wrong.json.gz")
        assert "\n" not in str(error.value)
