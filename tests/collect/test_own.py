"""``from_folder`` and ``from_file``: what is loaded, what is left out, and that the report names it."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from aigc_lab import collect
from aigc_lab.collect import own

RANDOM = np.random.default_rng(0)


def grey(height: int = 28, width: int = 28) -> Image.Image:
    return Image.fromarray(RANDOM.integers(0, 256, (height, width), dtype="uint8"))


def put(folder: Path, name: str, image: Image.Image, **options) -> np.ndarray:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    image.save(folder / name, **options)
    return np.asarray(image)


def reasons(report: collect.FolderReport) -> dict[str, str]:
    return dict(report.skipped)


@pytest.fixture
def animals(tmp_path) -> Path:
    """Two classes of two good images."""
    for name in ("cat/a.png", "cat/b.png", "dog/deep/c.png", "dog/d.bmp"):
        put(tmp_path, name, grey())
    return tmp_path


def test_folders_are_classes_and_the_order_is_that_of_the_paths(animals):
    dataset, report = collect.from_folder(animals)
    assert report.kept == ("cat/a.png", "cat/b.png", "dog/d.bmp", "dog/deep/c.png")
    assert dataset.counts() == {"cat": 2, "dog": 2}
    assert dataset.data.shape == (4, 28, 28) and dataset.data.dtype == np.uint8
    for item, name in zip(dataset.data, report.kept, strict=True):
        np.testing.assert_array_equal(item, np.asarray(Image.open(animals / name)))
    assert report.skipped == ()
    assert dataset.card.tier == "own" and dataset.card.size == "4 of 4 files"


def test_bad_files_are_named_and_the_rest_is_loaded(animals):
    cat = animals / "cat"
    good = (cat / "a.png").read_bytes()
    (cat / "corrupt.png").write_bytes(good[:60] + b"rubbish" + good[67:])
    (cat / "cut.png").write_bytes(good[: len(good) // 2])
    (cat / "zero.png").touch()
    (cat / "notes.txt").write_text("not a image")
    (cat / "lie.jpg").write_text("not a image either")
    (cat / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (cat / ".hidden.png").write_bytes(good)
    (animals / "stray.png").write_bytes(good)
    put(cat, "anim.gif", grey(), save_all=True, append_images=[grey(), grey()])
    put(cat, "anim.png", grey(), save_all=True, append_images=[grey()])
    put(cat, "anim.webp", grey().convert("RGB"), save_all=True, append_images=[grey().convert("RGB")])
    put(cat, "pages.tif", grey(), save_all=True, append_images=[grey()])
    put(cat, "float.tif", Image.fromarray(np.ones((4, 4), "float32")))
    os.symlink(cat / "nowhere.png", cat / "link.png")
    (cat / "huge.png").write_bytes(_header_only_png(20_000, 20_000))
    (cat / "large.png").write_bytes(_header_only_png(10_000, 6_000))

    dataset, report = collect.from_folder(animals)
    why = reasons(report)
    assert dataset.counts() == {"cat": 2, "dog": 2}
    assert why.pop("stray.png") == "lies beside the class folders, not in one of them"
    expected = {
        "corrupt.png": "corrupt", "cut.png": "corrupt", "lie.jpg": "corrupt", "zero.png": "zero bytes",
        "notes.txt": "not an image", "phone.heic": "save it as PNG or JPEG", ".hidden.png": "hidden",
        "anim.gif": "3 frames", "anim.png": "2 frames", "anim.webp": "2 frames", "pages.tif": "2 frames",
        "float.tif": "no agreed range", "link.png": "leads nowhere", "huge.png": "huge", "large.png": "huge",
    }  # fmt: skip
    assert {name.partition("/")[2] for name in why} == set(expected)
    for name, words in expected.items():
        assert words in why[f"cat/{name}"], (name, why[f"cat/{name}"])
    assert len(report.skipped) == 16
    assert str(report).startswith(
        "4 files loaded, 16 left out\n"
    ) and "cat/zero.png: empty: zero bytes" in str(report)
    assert dataset.card.size == "4 of 20 files"


def _header_only_png(width: int, height: int) -> bytes:
    """A few bytes that claim to be a very large image."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def test_the_pixel_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "PIXEL_LIMIT", 100)
    put(tmp_path, "small.png", grey(10, 10))
    put(tmp_path, "wide.png", grey(10, 11))
    dataset, report = collect.from_folder(tmp_path)
    assert report.kept == ("small.png",)
    assert reasons(report)["wide.png"] == "huge: 11 x 10 pixels, the limit is 100"
    assert dataset.labels is None and dataset.class_names == ()


def test_sixteen_bit_grey_is_scaled_not_cut(tmp_path):
    ramp = np.linspace(0, 65535, 28 * 28).reshape(28, 28).astype("uint16")
    for name in ("deep.png", "deep.tif"):
        put(tmp_path, name, Image.fromarray(ramp))
    dataset, report = collect.from_folder(tmp_path)
    for item in dataset.data:
        np.testing.assert_array_equal(item, np.rint(ramp / 257).astype("uint8"))
        assert (item.min(), item.max()) == (0, 255)
    assert [change for _, change in report.converted] == ["16-bit grey scaled to 8 bits"] * 2
    assert "converted  deep.png: 16-bit grey scaled to 8 bits" in str(report)


def test_cmyk_is_converted(tmp_path):
    put(tmp_path, "print.jpg", Image.new("CMYK", (28, 28), (0, 255, 255, 0)), quality=100)
    dataset, report = collect.from_folder(tmp_path, mode="RGB")
    red, green, blue = dataset.data[0, 14, 14].astype(int)
    assert red > 240 and green < 15 and blue < 15
    assert report.converted == (("print.jpg", "CMYK converted to RGB without a colour profile"),)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_laid_on_white(tmp_path, mode):
    image = Image.new("RGBA", (28, 28), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 14, 28))
    put(tmp_path, "half.png", image.convert(mode))
    dataset, report = collect.from_folder(tmp_path)
    assert dataset.data[0, 5, 5] == 0 and dataset.data[0, 5, 20] == 255
    assert report.converted == (("half.png", "transparent pixels laid on grey value 255"),)


def test_an_opaque_alpha_channel_is_no_change_worth_a_word(tmp_path):
    pixels = put(tmp_path, "opaque.png", grey().convert("RGBA"))
    dataset, report = collect.from_folder(tmp_path)
    np.testing.assert_array_equal(dataset.data[0], pixels[..., 0])
    assert report.converted == ()


def test_palette_and_one_bit_images(tmp_path):
    put(tmp_path, "bits.png", Image.fromarray(RANDOM.random((28, 28)) > 0.5))
    put(tmp_path, "palette.gif", grey())
    dataset, report = collect.from_folder(tmp_path)
    assert set(np.unique(dataset.data[0])) == {0, 255}
    np.testing.assert_array_equal(
        dataset.data[1], np.asarray(Image.open(tmp_path / "palette.gif").convert("L"))
    )
    assert report.skipped == ()


def test_photos_are_turned_as_exif_says(tmp_path):
    image = np.zeros((28, 28), "uint8")
    image[:5] = 255  # a light bar on top of what the sensor saw
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees clockwise to see it upright: the bar is on the right
    put(tmp_path, "turned.jpg", Image.fromarray(image), exif=exif, quality=95)
    put(tmp_path, "plain.jpg", Image.fromarray(image), quality=95)
    dataset, report = collect.from_folder(tmp_path)
    plain, turned = dataset.data
    assert plain[1, 14] > 240 and plain[14, 26] < 15
    assert turned[14, 26] > 240 and turned[1, 14] < 15
    assert report.converted == (("turned.jpg", "turned upright as its EXIF orientation says"),)


def test_a_camera_file_with_a_second_view_is_a_photo(tmp_path):
    first = put(
        tmp_path,
        "phone.jpg",
        grey().convert("RGB"),
        format="MPO",
        save_all=True,
        append_images=[grey().convert("RGB")],
    )
    dataset, report = collect.from_folder(tmp_path)
    assert report.skipped == ()
    assert np.abs(dataset.data[0].astype(int) - first[..., 0]).mean() < 60


def test_mixed_sizes_keep_their_proportions_and_are_padded(tmp_path):
    put(tmp_path, "wide.png", Image.new("L", (56, 28), 10))
    put(tmp_path, "tall.png", Image.new("L", (7, 14), 20))
    put(tmp_path, "line.png", Image.new("L", (1000, 1), 30))
    dataset, _ = collect.from_folder(tmp_path, size=(28, 28))
    line, tall, wide = dataset.data
    assert (wide[7:21] == 10).all() and (wide[:7] == 255).all() and (wide[21:] == 255).all()
    assert (tall[:, 7:21] == 20).all() and (tall[:, :7] == 255).all()
    assert (line == 30).sum() == 28
    dataset, _ = collect.from_folder(tmp_path, size=(10, 40), mode="RGB")
    assert dataset.data.shape == (3, 10, 40, 3)


def test_without_a_size_the_sizes_must_be_equal(tmp_path):
    put(tmp_path, "a.png", grey(20, 30))
    dataset, _ = collect.from_folder(tmp_path, size=None)
    assert dataset.data.shape == (1, 20, 30)
    put(tmp_path, "b.png", grey(30, 20))
    with pytest.raises(
        ValueError, match=r"a.png is 20 x 30, b.png is 30 x 20\); give size=\(height, width\)"
    ):
        collect.from_folder(tmp_path, size=None)


def test_a_single_class_is_loaded_with_a_note(tmp_path):
    put(tmp_path, "cat/a.png", grey())
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "b.png").touch()
    dataset, report = collect.from_folder(tmp_path)
    assert dataset.counts() == {"cat": 1}
    assert report.notes == (
        "all items are of one class (cat): a classifier needs at least two",
        "the folder dog gave no item, so it is no class",
    )


def test_no_labels_at_all(tmp_path):
    for name in ("cat.png", "deep/x.png"):
        put(tmp_path, name, grey())
    dataset, _ = collect.from_folder(tmp_path, labels_from=None)
    assert len(dataset) == 2 and dataset.labels is None


def test_text_files(tmp_path):
    (tmp_path / "poems").mkdir()
    (tmp_path / "poems" / "a.txt").write_bytes("床前明月光 🌕\n".encode())
    (tmp_path / "poems" / "b.txt").write_bytes(b"\xef\xbb\xbfwith a byte order mark")
    (tmp_path / "poems" / "c.txt").write_bytes("床前".encode("gb18030"))
    (tmp_path / "poems" / "d.txt").touch()
    put(tmp_path, "poems/e.png", grey())
    dataset, report = collect.from_folder(tmp_path, modality="text")
    assert dataset.data == ("床前明月光 🌕\n", "with a byte order mark")
    assert dataset.class_names == ("poems",) and dataset.modality == "text"
    why = reasons(report)
    assert "not UTF-8" in why["poems/c.txt"] and "zero bytes" in why["poems/d.txt"]
    assert why["poems/e.png"] == "not a .txt file"


def test_folders_that_give_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing; check the path"):
        collect.from_folder(tmp_path / "missing")
    with pytest.raises(ValueError, match="holds no files; put images in it"):
        collect.from_folder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(ValueError, match="holds no files"):
        collect.from_folder(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "cat")
    with pytest.raises(
        ValueError, match="holds no files but link, a link to a folder, which is not followed"
    ):
        collect.from_folder(tmp_path)
    (tmp_path / "link").unlink()
    (tmp_path / "cat" / "a.png").touch()
    with pytest.raises(
        ValueError, match=r"none of the 1 files .* could be read \(the first, cat/a.png: empty"
    ):
        collect.from_folder(tmp_path)
    with pytest.raises(NotADirectoryError, match="is a file; give the folder"):
        collect.from_folder(tmp_path / "cat" / "a.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 28}, "size must be"),
        ({"size": (28,)}, "size must be"),
        ({"size": (0, 28)}, "size must be"),
        ({"size": (28.0, 28)}, "size must be"),
        ({"mode": "CMYK"}, "mode must be"),
        ({"labels_from": "names"}, "labels_from must be"),
        ({"modality": "smell"}, "modality must be 'images' or 'text' or 'audio'"),
    ],
)
def test_arguments_out_of_range(animals, arguments, message):
    with pytest.raises(ValueError, match=message):
        collect.from_folder(animals, **arguments)


class TestFromFile:
    def test_npz_of_our_own_and_of_others(self, tmp_path, animals):
        dataset, _ = collect.from_folder(animals)
        again = collect.from_file(dataset.save(tmp_path / "own"))
        np.testing.assert_array_equal(again.data, dataset.data)
        assert again.class_names == ("cat", "dog")
        np.savez(tmp_path / "other.npz", x=dataset.data, y=np.array([7, 3, 3, 7]))
        other = collect.from_file(tmp_path / "other.npz")
        assert other.class_names == ("3", "7") and other.labels.tolist() == [1, 0, 0, 1]
        np.save(tmp_path / "bare.npy", dataset.data)
        assert collect.from_file(tmp_path / "bare.npy").data.shape == (4, 28, 28)

    def test_tables_and_lines(self, tmp_path):
        import pandas as pd

        (tmp_path / "a.csv").write_text('text,kind\nNA,x\n床前🌕,y\n"a, b",x\n', encoding="utf-8-sig")
        table = collect.from_file(tmp_path / "a.csv", label_column="kind")
        assert table.data == ("NA", "床前🌕", "a, b") and table.counts() == {"x": 2, "y": 1}
        pd.DataFrame({"text": ["p", "q"]}).to_parquet(tmp_path / "b.parquet")
        assert collect.from_file(tmp_path / "b.parquet").data == ("p", "q")
        (tmp_path / "c.txt").write_text("one\n\ntwo\n")
        assert collect.from_file(tmp_path / "c.txt").data == ("one", "two")

    def test_columns_as_they_are_written(self, tmp_path):
        (tmp_path / "a.csv").write_text(",age,\n1,NA,\n2,03,x\n", encoding="utf-8")
        columns = own.read_columns(tmp_path / "a.csv")
        assert columns == {"column 1": ["1", "2"], "age": ["NA", "03"], "column 3": ["", "x"]}
        (tmp_path / "b.csv").write_text("a;b\n1;2\n")
        with pytest.raises(ValueError, match="one column only, and its first line holds semicolons"):
            own.read_columns(tmp_path / "b.csv")
        assert own.read_columns(tmp_path / "b.csv", delimiter=";") == {"a": ["1"], "b": ["2"]}
        (tmp_path / "d.txt").write_text("a line")
        with pytest.raises(ValueError, match="it has no columns; give a file that ends in"):
            own.read_columns(tmp_path / "d.txt")
        (tmp_path / "c.csv").write_text("a,a\n1,2\n")
        with pytest.raises(ValueError, match=r"^cannot read c\.csv: 2 columns are called 'a'; rename"):
            own.read_columns(tmp_path / "c.csv")

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.csv", b"words\nx\n", "has no column 'text'; its columns are words"),
            ("b.csv", "text\n床\n".encode("gb18030"), "not UTF-8"),
            ("c.txt", "床前".encode("gb18030"), "not UTF-8"),
            ("d.npz", b"no archive", "cannot read d.npz"),
            ("e.npy", b"no array", "cannot read e.npy"),
            ("f.parquet", b"no table", "cannot read f.parquet"),
            ("g.xlsx", b"x", r"give a file that ends in .npz, .npy, .csv, .tsv, .jsonl, .parquet, .txt"),
            ("h.csv", b"", "cannot read h.csv"),
        ],
    )
    def test_bad_files(self, tmp_path, name, content, message):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            collect.from_file(tmp_path / name)

    def test_no_pickle_is_opened(self, tmp_path):
        np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
        np.savez(tmp_path / "objects.npz", data=np.array([{}], dtype=object))
        for name in ("objects.npy", "objects.npz"):
            with pytest.raises(ValueError, match="cannot read objects"):
                collect.from_file(tmp_path / name)

    def test_no_file_a_folder_and_missing_texts(self, tmp_path):
        import pandas as pd

        with pytest.raises(FileNotFoundError, match="check the path"):
            collect.from_file(tmp_path / "none.csv")
        with pytest.raises(ValueError, match=r"use collect\.from_folder"):
            collect.from_file(tmp_path)
        pd.DataFrame({"text": ["p", None]}).to_parquet(tmp_path / "b.parquet")
        with pytest.raises(ValueError, match="1 texts in the column 'text' are missing"):
            collect.from_file(tmp_path / "b.parquet")


# What strangers' files hold ----------------------------------------------------------------------------


def test_colour_is_kept_where_any_image_has_it(tmp_path):
    put(tmp_path, "a.png", Image.new("RGB", (28, 28), (200, 40, 40)))
    put(tmp_path, "b.png", grey())
    put(tmp_path, "c.png", Image.new("RGB", (28, 28), (70, 70, 70)))
    dataset, _ = collect.from_folder(tmp_path, mode="auto")
    assert dataset.data.shape == (3, 28, 28, 3)
    assert dataset.data[0, 3, 3].tolist() == [200, 40, 40] and dataset.data[2, 3, 3].tolist() == [70] * 3
    (tmp_path / "a.png").unlink()
    dataset, _ = collect.from_folder(tmp_path, mode="auto")
    assert dataset.data.shape == (2, 28, 28)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_a_name_that_is_not_utf_8_is_spelt_out(tmp_path):
    for folder in (b"cat", "中文".encode("gb18030")):
        os.mkdir(os.path.join(os.fsencode(tmp_path), folder))
        for name in (b"br\xff.png", b"zero\xfe.png"):
            with open(os.path.join(os.fsencode(tmp_path), folder, name), "wb") as stream:
                if name.startswith(b"br"):
                    grey().save(stream, format="PNG")
    dataset, report = collect.from_folder(tmp_path)
    assert report.kept == ("cat/br\\xff.png", "\\xd6\\xd0\\xce\\xc4/br\\xff.png")
    assert set(dataset.class_names) == {"cat", "\\xd6\\xd0\\xce\\xc4"}
    for word in (*report.kept, *dataset.class_names, str(report), dataset.describe()):
        word.encode("utf-8")


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_grey_of_fewer_bits_in_a_file_of_16_is_scaled_and_said(tmp_path, bits):
    ramp = np.linspace(0, 2**bits - 1, 28 * 28).reshape(28, 28).astype("uint16")
    put(tmp_path, "scan.png", Image.fromarray(ramp))
    dataset, report = collect.from_folder(tmp_path)
    assert (dataset.data.min(), dataset.data.max()) == (0, 255)
    said = f", read as {bits}-bit because no value is above {2**bits - 1:,}," if bits < 16 else ""
    assert report.converted == (("scan.png", f"16-bit grey{said} scaled to 8 bits"),)


def test_a_16_bit_tiff_is_turned_and_lab_is_converted(tmp_path):
    ramp = np.zeros((28, 28), "uint16")
    ramp[:5] = 65535
    exif = Image.Exif()
    exif[0x0112] = 6
    put(tmp_path, "turned.tif", Image.fromarray(ramp), exif=exif)
    rgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    red = Image.new("RGB", (28, 28), (200, 40, 40))
    to_lab = ImageCms.buildTransform(rgb, lab, "RGB", "LAB")
    put(tmp_path, "lab.tif", ImageCms.applyTransform(red, to_lab))
    dataset, report = collect.from_folder(tmp_path, mode="RGB")
    assert np.abs(dataset.data[0].astype(int) - [200, 40, 40]).max() <= 6
    assert (dataset.data[1, 14, 26] == 255).all() and (dataset.data[1, 14, 2] == 0).all()
    assert [change for _, change in report.converted] == [
        "LAB converted to RGB",
        "16-bit grey scaled to 8 bits",
        "turned upright as its EXIF orientation says",
    ]


def test_of_a_jpeg_that_is_cut_off_what_can_be_decoded_is_kept(tmp_path):
    photo = Image.fromarray(np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype="uint8"))
    put(tmp_path, "a.jpg", photo, quality=90)
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(content[:-2])
    (tmp_path / "c.jpg").write_bytes(content[:-6])
    (tmp_path / "d.jpg").write_bytes(content[: len(content) // 2])
    dataset, report = collect.from_folder(tmp_path, size=None, mode="RGB")
    assert report.kept == ("a.jpg", "b.jpg", "c.jpg")
    np.testing.assert_array_equal(dataset.data[0], dataset.data[1])
    assert (dataset.data[0] != dataset.data[2]).mean() < 0.02
    assert ("c.jpg", "the end of the file is missing; what is left was decoded") in report.converted
    assert "cut off: " in reasons(report)["d.jpg"] and "of its pixels are missing" in reasons(report)["d.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_never_opened(tmp_path):
    put(tmp_path, "a.png", grey())
    os.mkfifo(tmp_path / "pipe.png")
    _, report = collect.from_folder(tmp_path)
    assert "not a file" in reasons(report)["pipe.png"]
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ValueError, match="is no plain file"):
        collect.from_file(tmp_path / "pipe.csv")


def test_texts_in_other_encodings(tmp_path):
    words = "训练数据是生成式人工智能的基石，数据质量决定输出质量。" * 5
    (tmp_path / "a.txt").write_bytes(words.encode("gb18030"))
    (tmp_path / "b.txt").write_bytes(words.encode("utf-16"))  # with a byte-order mark
    (tmp_path / "c.txt").write_bytes(b"\xff\xfeodd")
    dataset, report = collect.from_folder(tmp_path, modality="text")
    assert dataset.data == (words,)
    assert "give encoding='gb" in reasons(report)["a.txt"]
    assert "not utf-16" in reasons(report)["c.txt"]
    dataset, _ = collect.from_folder(tmp_path, modality="text", encoding="gb18030")
    assert words in dataset.data
    with pytest.raises(ValueError, match="there is no encoding 'klingon'"):
        collect.from_folder(tmp_path, modality="text", encoding="klingon")


class TestTables:
    def read(self, folder: Path, name: str, content: str, **options) -> collect.Dataset:
        (folder / name).write_bytes(content.encode())
        return collect.from_file(folder / name, **options)

    def test_a_comma_at_the_end_shifts_no_column(self, tmp_path):
        content = "text,label\nthe cat sat,cat,\nthe dog sat,dog,\n"
        table = self.read(tmp_path, "a.csv", content, label_column="label")
        assert table.data == ("the cat sat", "the dog sat") and table.class_names == ("cat", "dog")
        with pytest.raises(ValueError, match="line 3 has 3 fields, the header 2"):
            self.read(tmp_path, "a.csv", "text,label\na,cat\nb, and c,dog\n")

    def test_a_stray_quotation_mark_swallows_no_row(self, tmp_path):
        rows = "".join(f"{number},red\n" for number in range(50))
        content = f'number,colour\n{rows}50,"red\n{rows}'
        with pytest.raises(
            ValueError, match=r"^cannot read a\.csv: in line 52 a quotation mark is not closed"
        ):
            self.read(tmp_path, "a.csv", content, text_column="colour")
        whole = f'number,colour\n{rows}50,"red ""and""\nblue"\n'
        assert self.read(tmp_path, "a.csv", whole, text_column="colour").data[-1] == 'red "and"\nblue'

    def test_a_delimiter_is_one_character_and_a_tab_may_be_typed(self, tmp_path):
        for delimiter in ("\\t", "\t"):
            table = self.read(tmp_path, "a.csv", "text\tn\na b\t1\n", delimiter=delimiter)
            assert table.data == ("a b",)
        for delimiter in (";;", '"', "\n"):
            with pytest.raises(ValueError, match="a delimiter is one character"):
                self.read(tmp_path, "a.csv", "text;n\na;1\n", delimiter=delimiter)

    def test_marks_within_a_text_end_no_line(self, tmp_path):
        text = "one\u2028two\x0bthree\x85four"
        assert self.read(tmp_path, "a.txt", f"{text}\r\nfive\rsix\n").data == (text, "five", "six")
        line = json.dumps({"text": text}, ensure_ascii=False)
        assert self.read(tmp_path, "a.jsonl", f"{line}\n").data == (text,)

    def test_many_columns_and_empty_fields_behind_them_take_no_time(self, tmp_path):
        names = ",".join(f"c{number}" for number in range(20_000))
        with pytest.raises(ValueError, match="no column 'text'"):
            self.read(tmp_path, "a.csv", f"{names}\n")
        rows = "a,1\n" * 2000 + "b,2" + "," * 16_000 + "\n"
        assert self.read(tmp_path, "a.csv", f"text,n\n{rows}").data[-1] == "b"

    @pytest.mark.parametrize("missing", ["", " ", "nan", "NaN"])
    def test_missing_labels_are_counted(self, tmp_path, missing):
        content = f"text,label\na,cat\nb,{missing}\nc,{missing}\nd,dog\n"
        with pytest.raises(
            ValueError, match=r"2 labels in the column 'label' are missing \(the first is that of"
        ):
            self.read(tmp_path, "a.csv", content, label_column="label")

    def test_missing_labels_of_other_files(self, tmp_path):
        import pandas as pd

        with pytest.raises(ValueError, match="1 labels in the column 'label' are missing"):
            self.read(tmp_path, "cut.csv", "text,label\na,cat\nb", label_column="label")
        np.savez(tmp_path / "a.npz", x=np.zeros((3, 8, 8), "uint8"), y=np.array([0, np.nan, 1]))
        with pytest.raises(ValueError, match="1 labels are missing"):
            collect.from_file(tmp_path / "a.npz")
        for missing in (None, float("nan"), pd.NA):
            pd.DataFrame({"text": ["a", "b"], "label": ["x", missing]}).to_parquet(tmp_path / "a.parquet")
            with pytest.raises(ValueError, match="1 labels in the column 'label' are missing"):
                collect.from_file(tmp_path / "a.parquet", label_column="label")

    def test_other_delimiters_and_formats(self, tmp_path):
        with pytest.raises(ValueError, match="holds semicolons: give delimiter=';'"):
            self.read(tmp_path, "a.csv", "text;label\na, b;x\n")
        table = self.read(tmp_path, "a.csv", "text;label\na, b;x\n", delimiter=";", label_column="label")
        assert table.data == ("a, b",) and table.class_names == ("x",)
        assert self.read(tmp_path, "a.tsv", "text\tlabel\na, b\tx\n").data == ("a, b",)
        lines = '{"text": "床前", "label": 1}\n\n{"label": 2, "text": "NA"}\n'
        table = self.read(tmp_path, "a.jsonl", lines, label_column="label")
        assert table.data == ("床前", "NA") and table.class_names == ("1", "2")
        with pytest.raises(ValueError, match="line 2 is not JSON"):
            self.read(tmp_path, "a.jsonl", '{"text": "a"}\n{"text": \n')
        with pytest.raises(ValueError, match="1 texts in the column 'text' are missing"):
            self.read(tmp_path, "a.jsonl", '{"text": "a"}\n{"label": "x"}\n')

    def test_byte_order_marks_and_encodings(self, tmp_path):
        content = "text\n" + "训练数据是生成式人工智能的基石。\n" * 20
        (tmp_path / "a.csv").write_bytes(content.encode("utf-16"))
        assert collect.from_file(tmp_path / "a.csv").data[0] == "训练数据是生成式人工智能的基石。"
        (tmp_path / "a.csv").write_bytes(content.encode("gb18030"))
        with pytest.raises(ValueError, match=r"a.csv is not UTF-8 .* give encoding='gb"):
            collect.from_file(tmp_path / "a.csv")
        assert len(collect.from_file(tmp_path / "a.csv", encoding="gb18030")) == 20


def test_channels_that_come_first_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((5, 3, 32, 32), "uint8"))
    with pytest.raises(ValueError, match=r"channels seem to come first: give data.transpose\(0, 2, 3, 1\)"):
        collect.from_file(tmp_path / "a.npz")


def test_a_linked_class_folder_is_named_among_what_was_left_out(tmp_path):
    for name in ("here/a", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "one.txt").write_text("a text")
    (tmp_path / "here" / "b").symlink_to(tmp_path / "elsewhere")
    texts, report = collect.from_folder(tmp_path / "here", modality="text")
    assert len(texts) == 1 and report.skipped == (("b", own._LINK),)
