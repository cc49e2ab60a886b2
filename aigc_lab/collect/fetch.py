"""Downloaded files: a cache per user, SHA-256, resume, and one process at a time.

``fetch`` is the only place in the package that opens a network connection. A file gets
its final name only after its SHA-256 was checked, by one atomic rename; until then it
is called ``NAME.part``, and a download that was cut off goes on from there.

Introduced in notebook 00.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aigc_lab.collect.registry import RemoteFile

CHUNK = 1 << 13  # a connection that drops loses at most this many bytes
TIMEOUT = (10, 60)  # seconds until a connection stands; seconds of silence after that
LOCK_TIMEOUT = 600  # seconds to wait for another process that fetches the same file
ATTEMPTS = 5  # a dropped connection is taken up again this often, as long as bytes come
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DownloadError(OSError):
    """A file of a data set could not be had; the message says what to do.

    Attributes:
        path: the file's place in the cache, for example ``quickdraw/cat.npy``.
        url: the address it comes from.
        cache: the cache folder.
    """

    def __init__(self, remote: RemoteFile, cache: Path, reason: str, remedy: str, embedded: str = "") -> None:
        self.path, self.url, self.cache = remote.path, remote.url, cache
        instead = f", or use collect.load({embedded!r}), which needs no network" if embedded else ""
        super().__init__(
            f"could not get {remote.path} from {remote.url} into the cache folder {cache}: {reason}; "
            f"{remedy}{instead}"
        )


def cache_folder() -> Path:
    """Where downloaded files are kept: ``AIGC_LAB_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("AIGC_LAB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import pooch

    return Path(pooch.os_cache("aigc-lab"))


def fetch(files: Sequence[RemoteFile], embedded: str = "", progress: bool = True) -> list[Path]:
    """Paths of the given files, each with the SHA-256 that the registry states.

    Taken from the cache; else from the folder ``AIGC_LAB_MIRROR`` where it is set (then
    no network is used); else downloaded into the cache.

    Args:
        files: what to fetch.
        embedded: name of the data set to suggest where the network is missing.
        progress: show a bar while downloading.

    Raises:
        DownloadError: with one sentence that says what is wrong and what to do.
    """
    folder, mirror = cache_folder(), os.environ.get("AIGC_LAB_MIRROR")
    found = {file.path: folder / file.path for file in files if is_whole(folder / file.path, file)}
    missing = [file for file in files if file.path not in found]
    if mirror:
        for file in missing:
            found[file.path] = _from_mirror(file, Path(mirror).expanduser().absolute(), folder, embedded)
    elif missing:
        with _bar(sum(file.size for file in missing), missing[0].path.partition("/")[0], progress) as bar:
            for file in missing:
                start = bar.n

                def report(size: int, start: int = start) -> None:
                    bar.update(start + size - bar.n)

                found[file.path] = download(file, folder, embedded, report)
    return [found[file.path] for file in files]


def download(
    remote: RemoteFile, folder: Path, embedded: str = "", report: Callable[[int], None] = lambda size: None
) -> Path:
    """Fetch one file into ``folder`` and return its path; a complete file is left alone.

    Args:
        remote: the file, its address and its SHA-256.
        folder: the cache folder; made where it is missing.
        embedded: name of the data set to suggest in an error message.
        report: called with the number of bytes that are there so far.

    Raises:
        DownloadError: no network, an HTTP error, a wrong hash, a folder that is full or
            cannot be written, or another process that holds the file too long.
    """
    import filelock

    target = folder / remote.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{target}.lock", timeout=LOCK_TIMEOUT):
            # Another process may have fetched it while this one waited for the lock.
            if not is_whole(target, remote):
                _bring(remote, target, folder, embedded, report)
            report(remote.size)
    except DownloadError:
        raise
    except filelock.Timeout as error:
        reason = f"another process has been fetching it for {LOCK_TIMEOUT} s"
        raise DownloadError(remote, folder, reason, "end that process and call again", embedded) from error
    except NotImplementedError as error:  # what filelock raises where a network drive has no locks
        reason, remedy = (
            "files cannot be locked on this drive",
            "set AIGC_LAB_CACHE to a folder on a local disk",
        )
        raise DownloadError(remote, folder, reason, remedy, embedded) from error
    except OSError as error:
        if error.errno in _FULL:
            reason = "the disk is full"
            remedy = f"free {remote.size / 1e6:.1f} MB or set AIGC_LAB_CACHE to a folder on another disk"
        else:
            reason = f"the folder cannot be written ({error.strerror or error})"
            remedy = "set AIGC_LAB_CACHE to a folder that you can write to"
        raise DownloadError(remote, folder, reason, remedy, embedded) from error
    return target


def _bring(
    remote: RemoteFile, target: Path, folder: Path, embedded: str, report: Callable[[int], None]
) -> None:
    """Bring ``NAME.part`` to its full size and hash, then give it its final name."""
    import requests

    part = target.with_name(target.name + ".part")
    for attempt in range(ATTEMPTS):
        before, again = _size(part), attempt + 1 < ATTEMPTS
        try:
            _receive(remote, part, report)
        except requests.HTTPError as error:
            reason = f"the server answered {error.response.status_code} {error.response.reason}".rstrip()
            remedy = f"try again later, or set AIGC_LAB_MIRROR to a folder that holds {remote.path}"
            raise DownloadError(remote, folder, reason, remedy, embedded) from error
        except requests.RequestException as error:
            if again and _size(part) > before:
                continue
            reason = f"the connection failed ({_innermost(error)})"
            if kept := _size(part):
                reason += f", {kept} of {remote.size} bytes are kept"
            remedy = "check the network and call again" + (" to go on from there" if kept else "")
            remedy += f", or set AIGC_LAB_MIRROR to a folder that holds {remote.path}"
            raise DownloadError(remote, folder, reason, remedy, embedded) from error
        except OSError as error:
            if error.errno in _FULL:
                part.unlink(missing_ok=True)  # on a full disk a half file is only in the way
            raise
        if is_whole(part, remote):
            os.replace(part, target)
            return
        received = _size(part)
        part.unlink(missing_ok=True)
        if before and again:
            continue  # the part kept from an earlier call may be what is wrong: once more from the beginning
        reason = f"the {received} bytes that came do not have the expected SHA-256 and were deleted"
        remedy = "check the network, as some answer with a login page, and call again"
        raise DownloadError(remote, folder, reason, remedy, embedded)


def _receive(remote: RemoteFile, part: Path, report: Callable[[int], None]) -> None:
    """Append to ``part`` what is missing; start anew where the server does not resume."""
    import requests

    have = _size(part)
    if have == remote.size:
        return
    if have > remote.size:
        part.unlink()
        have = 0
    headers = {"Accept-Encoding": "identity"}  # a compressed answer could not be resumed by byte
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(remote.url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if have and answer.status_code == 416:  # the server has no such bytes, so the part is wrong
            part.unlink()
            return
        answer.raise_for_status()
        goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        if not goes_on:
            have = 0
        with open(part, "ab" if goes_on else "wb") as stream:
            for chunk in answer.iter_content(CHUNK):
                have += len(chunk)
                _write(stream, chunk)
                report(min(have, remote.size))
                if have > remote.size:
                    break  # not our file: the hash check will say so, no need to fill the disk


def _write(stream: Any, chunk: bytes) -> None:
    """One write; its own function so that a test can let the disk be full."""
    stream.write(chunk)
    stream.flush()


def _from_mirror(remote: RemoteFile, mirror: Path, cache: Path, embedded: str) -> Path:
    source = mirror / remote.path
    if not source.is_file():
        reason, remedy = (
            f"AIGC_LAB_MIRROR is set to {mirror}, which has no {remote.path}",
            "copy the file there",
        )
    elif not is_whole(source, remote):
        reason = f"the copy in AIGC_LAB_MIRROR ({source}) does not have the expected SHA-256"
        remedy = "copy it there again"
    else:
        return source
    raise DownloadError(remote, cache, reason, f"{remedy}, or unset AIGC_LAB_MIRROR to download it", embedded)


def is_whole(path: Path, remote: RemoteFile) -> bool:
    """Whether the file is there with the right size and SHA-256."""
    if _size(path) != remote.size:
        return False
    import pooch

    return pooch.file_hash(str(path), alg="sha256") == remote.sha256


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _innermost(error: Exception) -> str:
    """The innermost cause in a few words, not the chain that requests prints."""
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    return (getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).strip(" .")


@contextmanager
def _bar(total: int, label: str, progress: bool) -> Iterator[Any]:
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=label, unit="B", unit_scale=True, leave=False, disable=not progress) as bar:
        yield bar
