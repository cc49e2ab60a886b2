"""Files that are downloaded once, checked by SHA-256 and kept in a cache for each user.

``fetch`` is the only place in the package that opens a network connection; ``pooch.retrieve`` does the work:
a file gets its name only after its hash was checked, by one rename. Several files come over a few connections
at once. Introduced in notebook 01.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests

TIMEOUT = (10, 60)  # seconds until a connection stands; seconds of silence after that
ATTEMPTS, PAUSE = 3, 1.0  # how often a download is tried, with so many seconds between
CONNECTIONS = 6  # files that are downloaded at once
FAILURES = 5  # files that could not be had, after which no other is begun: the fault is not theirs


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
    A file that fails leaves the others: they are kept, and a second call gets what is missing.

    Raises:
        DownloadError: no network, an HTTP error, a wrong hash, or a cache folder that is full or cannot
            be written. One sentence names the file, its address, the cache and what to do.
    """
    cache, mirror = cache_folder(), os.environ.get("AIGC_LAB_MIRROR")
    found = {file: cache / file.path for file in files if _is_whole(cache / file.path, file)}
    missing = [file for file in files if file not in found]
    if mirror:
        folder = Path(mirror).expanduser().absolute()
        failed = {file: LookupError(mirror) for file in missing if not _is_whole(folder / file.path, file)}
    else:
        folder = cache
        failed = _download_all(missing, cache) if missing else {}
    for file in missing:
        if (error := failed.get(file)) is not None:  # the first of them
            there = sum(os.path.isfile(cache / each.path) for each in files)
            kept = f" ({there:,} of {len(files):,} files are there and kept)"
            kept = "" if mirror or len(files) == 1 else kept
            raise DownloadError(
                f"could not get {file.path} from {file.url} into the cache folder {cache}{kept}: "
                f"{_reason(error, file)}, or use collect.load({embedded!r}), which needs no network"
            ) from error
    return [found.get(file, folder / file.path) for file in files]


def _download_all(files: Sequence[RemoteFile], cache: Path) -> dict[RemoteFile, Exception]:
    """Download the files over a few connections, with one bar; what went wrong, by file.

    After a few failures the files that were not begun are left.
    """
    import pooch
    import requests
    from tqdm.auto import tqdm

    pooch.get_logger().setLevel("WARNING")  # the bar says it already
    name = files[0].path if len(files) == 1 else f"{Path(files[0].path).parent} ({len(files):,} files)"
    arrived = {file: 0 for file in files}  # bytes; each entry is written by one thread
    failed: dict[RemoteFile, Exception] = {}
    bar = tqdm(desc=name, total=sum(file.size for file in files), unit="B", unit_scale=True, leave=False)

    def one(file: RemoteFile) -> None:
        try:
            if len(failed) < FAILURES:
                _download(file, cache, session, arrived)
        except (OSError, ValueError) as error:
            failed[file] = error

    with bar, requests.Session() as session, ThreadPoolExecutor(CONNECTIONS) as pool:
        running = [pool.submit(one, file) for file in files]
        try:
            while wait(running, timeout=0.2).not_done:
                # Only this thread draws: a bar in a notebook is not made for several.
                bar.update(sum(arrived.values()) - bar.n)
            for each in running:
                each.result()  # raises what nobody expected
        finally:
            pool.shutdown(cancel_futures=True)  # where the learner stops it
    return failed


def _download(
    file: RemoteFile, cache: Path, session: requests.Session, arrived: dict[RemoteFile, int]
) -> None:
    import pooch
    import requests

    def stream(url: str, output: str, _: object) -> None:
        arrived[file] = 0
        with session.get(url, stream=True, timeout=TIMEOUT) as answer, open(output, "wb") as written:
            answer.raise_for_status()
            for chunk in answer.iter_content(2**16):
                written.write(chunk)
                arrived[file] = min(file.size, arrived[file] + len(chunk))

    target = cache / file.path
    for attempt in range(1, ATTEMPTS + 1):
        try:
            pooch.retrieve(file.url, file.sha256, target.name, target.parent, downloader=stream)
            target.chmod(0o644)  # a cache may be shared; what pooch writes only its owner can read
            return
        except (requests.RequestException, ValueError) as error:  # ValueError: the hash is another one
            if attempt == ATTEMPTS or isinstance(error, requests.HTTPError):
                raise
            time.sleep(PAUSE)


def _reason(error: Exception, file: RemoteFile) -> str:
    """What went wrong and what to do about it, as the middle of a sentence."""
    import requests

    mirror = f"or set AIGC_LAB_MIRROR to a folder that holds {file.path}"
    if isinstance(error, LookupError):
        wrong = os.path.isfile(Path(str(error)).expanduser() / file.path)
        found = "with another SHA-256, or not readable" if wrong else f"which has no {file.path}"
        return f"AIGC_LAB_MIRROR is set to {error}, {found}; copy the file there, or unset it to download"
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
    """Whether the file is there with the right SHA-256."""
    import pooch

    try:
        return path.is_file() and pooch.file_hash(str(path), alg="sha256") == file.sha256
    except OSError:  # what cannot be read is not there
        return False


def _innermost(error: BaseException) -> str:
    """The innermost cause in a few words, not the chain that requests prints."""
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip(" .")
