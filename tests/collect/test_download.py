"""The download path against a loopback server: what it survives, and what it says when it cannot."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from aigc_lab import collect
from aigc_lab.collect import fetch
from aigc_lab.collect.registry import FILES, RemoteFile

CONTENT = bytes(range(256)) * 1200  # what the server of conftest.py serves
PATH = "sketches/cat.npy"


def left_in(cache: Path) -> set[str]:
    """The files in the cache, without the locks (which are empty and stay)."""
    return {file.name for file in cache.rglob("*") if file.is_file() and file.suffix != ".lock"}


def kept(received: int) -> int:
    """The bytes that reach the disk: whole chunks."""
    return received // fetch.CHUNK * fetch.CHUNK


def failure(remote: RemoteFile, embedded: str = "animals") -> collect.DownloadError:
    with pytest.raises(collect.DownloadError) as caught:
        fetch.fetch([remote], embedded, progress=False)
    return caught.value


def assert_one_helpful_sentence(error: collect.DownloadError, remote: RemoteFile, cache: Path) -> None:
    message = str(error)
    assert isinstance(error, OSError)
    assert "\n" not in message and ". " not in message
    for part in (remote.path, remote.url, str(cache)):
        assert part in message
    assert (error.path, error.url, error.cache) == (remote.path, remote.url, cache)


def test_a_file_is_fetched_once_and_then_taken_from_the_cache(server, remote, cache):
    for _ in range(2):
        (path,) = fetch.fetch([remote], progress=False)
        assert path == cache / PATH
        assert path.read_bytes() == CONTENT
    assert server.ranges == [None]
    assert left_in(cache) == {"cat.npy"}


def test_a_dropped_connection_is_taken_up_where_it_broke(server, remote, cache):
    server.plan = [100_000, 50_000, "ranges"]
    (path,) = fetch.fetch([remote], progress=False)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={kept(100_000)}-", f"bytes={kept(100_000) + kept(50_000)}-"]
    assert left_in(cache) == {"cat.npy"}


def test_a_connection_that_keeps_dropping_stops_and_the_next_call_resumes(server, remote, cache, monkeypatch):
    monkeypatch.setattr(fetch, "ATTEMPTS", 2)
    server.plan = [100_000, 50_000, "ranges"]
    error = failure(remote)
    assert_one_helpful_sentence(error, remote, cache)
    have = kept(100_000) + kept(50_000)
    assert f"{have} of {len(CONTENT)} bytes are kept" in str(error)
    assert "call again to go on from there" in str(error)
    assert not (cache / PATH).exists()
    assert left_in(cache) == {"cat.npy.part"}

    (path,) = fetch.fetch([remote], progress=False)
    assert path.read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={have}-"
    assert left_in(cache) == {"cat.npy"}


def test_a_server_that_drops_at_once_is_not_asked_again(server, remote, cache):
    server.plan = [0]
    error = failure(remote)
    assert_one_helpful_sentence(error, remote, cache)
    assert server.ranges == [None]
    assert not (cache / PATH).exists()


def test_a_server_without_ranges_makes_it_start_anew(server, remote, cache):
    server.plan = [100_000, "whole"]
    (path,) = fetch.fetch([remote], progress=False)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={kept(100_000)}-"]


@pytest.mark.parametrize(
    "part",
    [b"rubbish" * 100, CONTENT + b"more", CONTENT[::-1]],
    ids=["wrong beginning", "too long", "right length, wrong bytes"],
)
def test_a_kept_part_that_is_wrong_does_not_spoil_the_download(server, remote, cache, part):
    (cache / "sketches").mkdir(parents=True)
    (cache / f"{PATH}.part").write_bytes(part)
    (path,) = fetch.fetch([remote], progress=False)
    assert path.read_bytes() == CONTENT
    assert left_in(cache) == {"cat.npy"}
    assert server.ranges[-1] is None


def test_a_part_that_is_complete_needs_no_request(server, remote, cache):
    (cache / "sketches").mkdir(parents=True)
    (cache / f"{PATH}.part").write_bytes(CONTENT)
    (path,) = fetch.fetch([remote], progress=False)
    assert path.read_bytes() == CONTENT
    assert server.ranges == []


def test_a_range_that_the_server_refuses_makes_it_start_anew(server, remote, cache):
    longer = replace(remote, size=len(CONTENT) + 10)
    (cache / "sketches").mkdir(parents=True)
    (cache / f"{PATH}.part").write_bytes(CONTENT)
    error = failure(longer)  # 416 first, then the whole file, which is ten bytes too short
    assert "SHA-256" in str(error)
    assert server.ranges == [f"bytes={len(CONTENT)}-", None]
    assert left_in(cache) == set()


def test_a_damaged_file_in_the_cache_is_fetched_again(server, remote, cache):
    (cache / "sketches").mkdir(parents=True)
    (cache / PATH).write_bytes(CONTENT[::-1])
    (path,) = fetch.fetch([remote], progress=False)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("answer", ["wrong", "endless"])
def test_a_wrong_hash_leaves_nothing_behind(server, remote, cache, answer):
    server.plan = [answer]
    error = failure(remote)
    assert_one_helpful_sentence(error, remote, cache)
    assert "SHA-256" in str(error) and "deleted" in str(error)
    assert "collect.load('animals')" in str(error)
    assert left_in(cache) == set()


@pytest.mark.parametrize("status", ["404", "503"])
def test_an_http_error_names_the_status(server, remote, cache, status):
    server.plan = [status]
    error = failure(remote)
    assert_one_helpful_sentence(error, remote, cache)
    assert f"the server answered {status}" in str(error)
    assert "AIGC_LAB_MIRROR" in str(error) and "collect.load('animals')" in str(error)
    assert left_in(cache) == set()


def test_a_full_disk_frees_what_it_wrote(server, remote, cache, monkeypatch):
    really_write, written = fetch._write, []

    def write(stream, chunk):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(len(chunk))
        really_write(stream, chunk)

    monkeypatch.setattr(fetch, "_write", write)
    error = failure(remote)
    assert_one_helpful_sentence(error, remote, cache)
    assert "the disk is full" in str(error) and "AIGC_LAB_CACHE" in str(error)
    assert len(written) == 2
    assert left_in(cache) == set()


def test_a_cache_folder_that_cannot_be_written(server, remote, cache, monkeypatch):
    cache.write_text("a file where the folder should be")  # a root user may write anywhere else
    error = failure(remote)
    assert_one_helpful_sentence(error, remote, cache)
    assert "cannot be written" in str(error) and "AIGC_LAB_CACHE" in str(error)
    assert server.ranges == []
    assert cache.read_text() == "a file where the folder should be"


def test_no_network(remote, cache):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # bound but not listening: a connection is refused
        error = failure(replace(remote, url=f"http://127.0.0.1:{port}/cat.npy"))
    assert "the connection failed" in str(error) and "check the network" in str(error)
    assert "collect.load('animals'), which needs no network" in str(error)
    assert left_in(cache) == set()


def test_load_tells_what_to_use_instead(remote, cache, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/cat.npy"
        monkeypatch.setitem(FILES, "kodak", (replace(remote, url=address),))
        with pytest.raises(collect.DownloadError, match=r"collect\.load\('photos'\)"):
            collect.load("kodak", progress=False)


def test_another_process_that_holds_the_file_too_long(server, remote, cache, monkeypatch):
    import filelock

    monkeypatch.setattr(fetch, "LOCK_TIMEOUT", 0)
    (cache / "sketches").mkdir(parents=True)
    with filelock.FileLock(f"{cache / PATH}.lock"):
        error = failure(remote)
    assert_one_helpful_sentence(error, remote, cache)
    assert "another process" in str(error)
    assert left_in(cache) == set()


CHILD = """
import json, sys
from aigc_lab.collect import fetch
from aigc_lab.collect.registry import RemoteFile
import filelock, pooch, requests, tqdm.auto
print("ready", flush=True)
print(fetch.fetch([RemoteFile(**json.loads(sys.argv[1]))], progress=False)[0], flush=True)
"""


def test_two_processes_at_once_both_succeed_with_one_download(server, remote, cache):
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", CHILD, json.dumps(asdict(remote))]
    environment = {**os.environ, "PYTHONPATH": root}
    server.go_on.clear()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as first:
        assert server.asked.wait(60)  # the first one holds the lock and waits for bytes
        assert not (cache / PATH).exists()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as second:
            assert second.stdout.readline() == "ready\n"
            server.go_on.set()
            outputs = [first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]]
    assert [first.returncode, second.returncode] == [0, 0]
    assert [output.splitlines()[-1] for output in outputs] == [str(cache / PATH)] * 2
    assert server.ranges == [None]
    assert (cache / PATH).read_bytes() == CONTENT
    assert left_in(cache) == {"cat.npy"}


def test_the_mirror_gives_the_same_bytes_without_a_network(server, remote, cache, tmp_path, monkeypatch):
    (tmp_path / "stick" / "sketches").mkdir(parents=True)
    (tmp_path / "stick" / PATH).write_bytes(CONTENT)
    monkeypatch.setenv("AIGC_LAB_MIRROR", str(tmp_path / "stick"))
    (path,) = fetch.fetch([remote], progress=False)
    assert path == tmp_path / "stick" / PATH
    assert server.ranges == []

    (tmp_path / "stick" / PATH).write_bytes(CONTENT[::-1])
    error = failure(remote)
    assert_one_helpful_sentence(error, remote, cache)
    assert "SHA-256" in str(error) and "AIGC_LAB_MIRROR" in str(error)

    (tmp_path / "stick" / PATH).unlink()
    error = failure(remote)
    assert "has no sketches/cat.npy" in str(error)
    assert server.ranges == []


def test_progress_is_reported_to_the_last_byte(server, remote, cache):
    seen = []
    fetch.download(remote, cache, report=seen.append)
    assert seen[0] == fetch.CHUNK
    assert seen == sorted(seen)
    assert seen[-1] == len(CONTENT)


def test_the_bar_has_a_name_and_goes_away(server, remote, cache, capsys):
    fetch.fetch([remote])
    shown = capsys.readouterr().err
    assert "sketches" in shown and "307k" in shown
    assert shown.endswith("\r") and "\n" not in shown
    fetch.fetch([remote])
    assert capsys.readouterr().err == ""


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("AIGC_LAB_CACHE", str(tmp_path))
    assert collect.cache_folder() == tmp_path
    monkeypatch.delenv("AIGC_LAB_CACHE")
    assert collect.cache_folder().name == "aigc-lab"


def test_the_registry_is_the_manifest(mirror):
    manifest = json.loads((mirror / "MANIFEST.json").read_text(encoding="utf-8"))
    expected = {entry["file"]: (entry["bytes"], entry["sha256"], entry["url"]) for entry in manifest}
    found = {file.path: (file.size, file.sha256, file.url) for files in FILES.values() for file in files}
    assert found == expected
    assert set(FILES) == {entry["dataset"] for entry in manifest} == set(collect.names("download"))


def test_every_file_of_the_mirror_has_its_hash(mirror):
    for files in FILES.values():
        for file in files:
            content = (mirror / file.path).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
