"""Files that are downloaded once, checked by SHA-256 and kept in a cache for each user.

``fetch`` is the only place in the package that opens a network connection; ``pooch.retrieve`` does the work:
a file gets its name only after its hash was checked, by one rename. Introduced in notebook 01.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = (10, 60)  # seconds until a connection stands; seconds of silence after that
ATTEMPTS, PAUSE = 3, 1.0  # how often a download is tried, with so many seconds between


@dataclass(frozen=True)
class RemoteFile:
    """One file: its place in the cache (``quickdraw/cat.npy``), size in bytes, SHA-256 and address."""

    path: str
    size: int
    sha256: str
    url: str


class DownloadError(OSError):
    """A file of a data set could not be had; the message is one sentence that says what to do."""


def cache_folder() -> Path:
    """Where downloaded files are kept: ``AIGC_LAB_CACHE``, or the user's cache folder."""
    import pooch

    chosen = os.environ.get("AIGC_LAB_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else Path(pooch.os_cache("aigc-lab"))


def fetch(files: Sequence[RemoteFile], embedded: str) -> list[Path]:
    """Paths of the given files, each with the SHA-256 that ``cards.yaml`` states.

    Taken from the cache; else from the folder ``AIGC_LAB_MIRROR`` where it is set (then
    no network is used); else downloaded into the cache. ``embedded`` is the set to suggest where that fails.

    Raises:
        DownloadError: no network, an HTTP error, a wrong hash, or a cache folder that is full or cannot
            be written. One sentence names the file, its address, the cache and what to do.
    """
    return [_fetch_one(file, cache_folder(), embedded) for file in files]


def _fetch_one(file: RemoteFile, cache: Path, embedded: str) -> Path:
    mirror = os.environ.get("AIGC_LAB_MIRROR")
    try:
        if _is_whole(cache / file.path, file):
            return cache / file.path
        return _from_mirror(file, Path(mirror)) if mirror else _download(file, cache)
    except (LookupError, OSError, ValueError) as error:
        raise DownloadError(
            f"could not get {file.path} from {file.url} into the cache folder {cache}: "
            f"{_reason(error, file)}, or use collect.load({embedded!r}), which needs no network"
        ) from error


def _from_mirror(file: RemoteFile, mirror: Path) -> Path:
    copy = mirror.expanduser().absolute() / file.path
    if _is_whole(copy, file):
        return copy
    found = "with another SHA-256" if copy.is_file() else f"which has no {file.path}"
    raise LookupError(
        f"AIGC_LAB_MIRROR is set to {mirror}, {found}; copy the file there, or unset it to download"
    )


def _download(file: RemoteFile, cache: Path) -> Path:
    import pooch
    import requests
    from tqdm.auto import tqdm

    pooch.get_logger().setLevel("WARNING")  # the bar says it already
    target = cache / file.path
    for attempt in range(1, ATTEMPTS + 1):
        bar = tqdm(desc=file.path, total=file.size, unit="B", unit_scale=True, leave=False)
        downloader = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT)
        try:
            with bar:
                pooch.retrieve(file.url, file.sha256, target.name, target.parent, downloader=downloader)
            target.chmod(0o644)  # a cache may be shared; what pooch writes only its owner can read
            return target
        except (requests.RequestException, ValueError) as error:  # ValueError: the hash is another one
            if attempt == ATTEMPTS or isinstance(error, requests.HTTPError):
                raise
            time.sleep(PAUSE)
    raise AssertionError("the last attempt returns or raises")


def _reason(error: Exception, file: RemoteFile) -> str:
    """What went wrong and what to do about it, as the middle of a sentence."""
    import requests

    mirror = f"or set AIGC_LAB_MIRROR to a folder that holds {file.path}"
    if isinstance(error, LookupError):
        return str(error)
    if isinstance(error, requests.HTTPError):
        answer = f"{error.response.status_code} {error.response.reason}".rstrip()
        return f"the server answered {answer}; try again later, {mirror}"
    if isinstance(error, requests.RequestException):
        return f"the connection failed ({_innermost(error)}); check the network and call again, {mirror}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full; free {file.size / 1e6:.1f} MB, or set AIGC_LAB_CACHE to another folder"
    if isinstance(error, OSError):
        words = error.strerror or error
        return f"the folder cannot be written ({words}); set AIGC_LAB_CACHE to a folder that you can write to"
    wrong = "the bytes that came do not have the expected SHA-256 and were deleted"
    return f"{wrong}; check the network, as some answer with a login page, and call again, {mirror}"


def _is_whole(path: Path, file: RemoteFile) -> bool:
    """Whether the file is there with the right size and SHA-256."""
    import pooch

    if not path.is_file() or path.stat().st_size != file.size:
        return False
    return pooch.file_hash(str(path), alg="sha256") == file.sha256


def _innermost(error: BaseException) -> str:
    """The innermost cause in a few words, not the chain that requests prints."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip(" .")
