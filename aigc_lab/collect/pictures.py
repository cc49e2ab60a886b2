"""Read one picture file, of whatever kind, to uint8; or say why it cannot be read.

Introduced in notebook 21.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

# Formats that Pillow decodes by itself; some others would start an outside program.
FORMATS = ("PNG", "JPEG", "MPO", "GIF", "BMP", "WEBP", "TIFF", "PPM")
PIXEL_LIMIT = 50_000_000


class Unreadable(Exception):
    """Why a file is left out, in a few words."""


def centre_square(picture: np.ndarray, size: int) -> np.ndarray:
    """The largest centre square as RGB ``(size, size, 3)``; resized (Lanczos) only where it must be."""
    from PIL import Image

    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(picture[top : top + side, left : left + side]).convert("RGB")
    if side != size:
        square = square.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(square)


def read_picture(
    path: Path,
    size: tuple[int, int] | None,
    mode: str,
    background: int = 255,
    pixel_limit: int = PIXEL_LIMIT,
    stretch: bool = False,
) -> tuple[np.ndarray, list[str]]:
    """One still picture as uint8 and the changes that were made to it.

    Args:
        path: the file.
        size: ``(height, width)`` of the result; the picture keeps its proportions and the
            rest is filled with ``background``. None keeps its own size.
        mode: ``"L"`` for ``(height, width)``, ``"RGB"`` for ``(height, width, 3)``.
        background: grey value under transparent pixels and around the picture.
        pixel_limit: larger pictures are not decoded.
        stretch: fill ``size`` without keeping the proportions; nothing is added around the picture.

    Raises:
        Unreadable: with the reason.
    """
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        raise Unreadable("not a file, or a link that leads nowhere")
    try:
        if path.stat().st_size == 0:
            raise Unreadable("empty: zero bytes")
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Pillow warns of large pictures and odd metadata; both are judged here
            with Image.open(path, formats=_known_formats()) as picture:
                _refuse(picture, pixel_limit)
                picture.load()
                changes: list[str] = []
                picture = _upright(picture, changes)
                picture = _eight_bits(picture, mode, background, changes)
                if size is not None and picture.size != (size[1], size[0]):
                    if stretch:
                        picture = picture.resize((size[1], size[0]), Image.Resampling.LANCZOS)
                    else:
                        picture = _fit(picture, size, background)
                return np.asarray(picture), changes
    except Unreadable:
        raise
    except Image.DecompressionBombError as error:
        raise Unreadable(f"huge: more than {pixel_limit:,} pixels") from error
    except UnidentifiedImageError as error:
        raise Unreadable(_unknown(path)) from error
    except PermissionError as error:
        raise Unreadable("no permission to read it") from error
    except Exception as error:  # a damaged file can raise nearly anything from inside a decoder
        raise Unreadable(f"corrupt: {str(error).strip(' .') or type(error).__name__}") from error


@cache
def _known_formats() -> tuple[str, ...]:
    """The FORMATS of this Pillow; it loads some of its decoders only when told to."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _refuse(picture: Image.Image, pixel_limit: int) -> None:
    """Judge by the header, before anything is decoded."""
    width, height = picture.size
    if width * height > pixel_limit:
        raise Unreadable(f"huge: {width} x {height} pixels, the limit is {pixel_limit:,}")
    frames = getattr(picture, "n_frames", 1)
    if (
        frames > 1 and picture.format != "MPO"
    ):  # MPO is a camera's JPEG with a second view: its first frame is the photo
        raise Unreadable(
            f"animated or of several pages: {frames} frames; save the one you want as a still picture"
        )


def _upright(picture: Image.Image, changes: list[str]) -> Image.Image:
    from PIL import ImageOps

    try:
        turn = picture.getexif().get(0x0112, 1)
        if turn not in range(2, 9):
            return picture
        upright = ImageOps.exif_transpose(picture)
    except Exception:  # damaged metadata is no reason to lose the picture
        return picture
    changes.append("turned upright as its EXIF orientation says")
    return upright


def _eight_bits(picture: Image.Image, mode: str, background: int, changes: list[str]) -> Image.Image:
    """Grey or RGB with 8 bits a channel, nothing transparent."""
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise Unreadable(
                f"pixel values of type {values.dtype} have no agreed range; save it with 8 or 16 bits"
            )
        # Pillow's own conversion cuts everything above 255 to white.
        picture = Image.fromarray(np.rint(values.astype("float64") / 257).astype("uint8"))
        changes.append("16-bit grey scaled to 8 bits")
    if picture.mode == "CMYK":
        picture = picture.convert("RGB")
        changes.append("CMYK converted to RGB without a colour profile")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        if picture.getextrema()[3][0] < 255:
            ground = Image.new("RGBA", picture.size, (background,) * 3 + (255,))
            picture = Image.alpha_composite(ground, picture)
            changes.append(f"transparent pixels laid on grey value {background}")
    if picture.mode == "RGBA":
        picture = picture.convert("RGB")
    return picture if picture.mode == mode else picture.convert(mode)


def _fit(picture: Image.Image, size: tuple[int, int], background: int) -> Image.Image:
    from PIL import Image

    height, width = size
    scale = min(width / picture.width, height / picture.height)
    inner = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture.resize(inner, Image.Resampling.LANCZOS)
    fitted = Image.new(
        picture.mode, (width, height), background if picture.mode == "L" else (background,) * 3
    )
    fitted.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return fitted


def _unknown(path: Path) -> str:
    if path.suffix.lower() in (".heic", ".heif", ".avif", ".svg", ".pdf"):
        return f"{path.suffix.lower()} pictures are not read; save it as PNG or JPEG"
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff"):
        return "corrupt: the content is no picture, whatever its name says"
    return "not a picture (PNG, JPEG, GIF, BMP, WebP, TIFF, PPM)"
