"""The download path against a loopback server: what it survives, and what it says when it cannot."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import requests

from aigc_lab import collect
from aigc_lab.collect.download import ATTEMPTS, CONNECTIONS, FAILURES, RemoteFile, fetch
from aigc_lab.collect.load import remote_files

CONTENT = bytes(range(256)) * 1200  # what the server of conftest.py serves
PATH = "sketches/cat.npy"
DOWNLOADED = [name for name in collect.names() if collect.card(name).tier == "download"]


def got(remote: RemoteFile) -> Path:
    (path,) = fetch([remote], "animals")
    return path


def left_in(cache: Path) -> set[str]:
    return {file.name for file in cache.rglob("*") if file.is_file()}


def failure(remote: RemoteFile, cache: Path) -> str:
    """The message, which must be one helpful sentence."""
    with pytest.raises(collect.DownloadError) as caught:
        got(remote)
    message = str(caught.value)
    assert isinstance(caught.value, OSError)
    assert "\n" not in message and ". " not in message
    assert all(part in message for part in (remote.path, remote.url, str(cache)))
    assert message.endswith("or use collect.load('animals'), which needs no network")
    return message


def test_a_file_is_fetched_once_and_then_taken_from_the_cache(server, remote, cache):
    for _ in range(2):
        path = got(remote)
        assert path == cache / PATH
        assert path.read_bytes() == CONTENT
    assert server.requests == 1
    assert left_in(cache) == {"cat.npy"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_others_may_read_a_shared_cache(server, remote, cache):
    assert stat.S_IMODE(got(remote).stat().st_mode) == 0o644


def test_a_dropped_connection_is_tried_again(server, remote, cache):
    server.plan = [100_000, 0, "whole"]
    assert got(remote).read_bytes() == CONTENT
    assert server.requests == 3
    assert left_in(cache) == {"cat.npy"}


def test_a_connection_that_keeps_dropping_stops_and_leaves_nothing(server, remote, cache):
    server.plan = [100_000]
    message = failure(remote, cache)
    assert "the connection failed" in message and "check the network and call again" in message
    assert server.requests == ATTEMPTS
    assert left_in(cache) == set()


def test_a_damaged_file_in_the_cache_is_fetched_again(server, remote, cache):
    (cache / "sketches").mkdir(parents=True)
    for damaged in (CONTENT[::-1], CONTENT[:1000], b""):
        (cache / PATH).write_bytes(damaged)
        assert got(remote).read_bytes() == CONTENT


@pytest.mark.parametrize("answer", ["wrong", "endless"])
def test_a_wrong_hash_leaves_nothing_behind(server, remote, cache, answer):
    server.plan = [answer]
    message = failure(remote, cache)
    assert "SHA-256" in message and "deleted" in message
    assert left_in(cache) == set()


def test_wrong_bytes_that_pass_are_tried_again(server, remote, cache):
    server.plan = ["wrong", "whole"]
    assert got(remote).read_bytes() == CONTENT


@pytest.mark.parametrize("status", ["404", "503"])
def test_an_http_error_names_the_status(server, remote, cache, status):
    server.plan = [status]
    message = failure(remote, cache)
    assert f"the server answered {status}" in message and "AIGC_LAB_MIRROR" in message
    assert server.requests == 1
    assert left_in(cache) == set()


def test_a_full_disk_frees_what_it_wrote(server, remote, cache, monkeypatch):
    def full(self, chunk_size):
        yield CONTENT[:1000]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(requests.Response, "iter_content", full)
    message = failure(remote, cache)
    assert "the disk is full; free 0.3 MB" in message and "AIGC_LAB_CACHE" in message
    assert left_in(cache) == set()


def test_a_cache_folder_that_cannot_be_written(server, remote, cache):
    cache.write_text("a file where the folder should be")  # a root user may write anywhere else
    message = failure(remote, cache)
    assert "cannot be written" in message and "AIGC_LAB_CACHE" in message
    assert server.requests == 0
    assert cache.read_text() == "a file where the folder should be"


@pytest.mark.parametrize("variable", ["AIGC_LAB_CACHE", "AIGC_LAB_MIRROR"])
def test_a_folder_whose_name_no_system_takes(server, remote, cache, monkeypatch, variable):
    monkeypatch.setenv(variable, f"/{'x' * 300}")
    with pytest.raises(collect.DownloadError, match="AIGC_LAB_") as caught:
        fetch([remote], "animals")
    assert "x" * 300 in str(caught.value)


def test_no_network(remote, cache):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # bound but not listening: a connection is refused
        message = failure(replace(remote, url=f"http://127.0.0.1:{port}/cat.npy"), cache)
    assert "the connection failed" in message and "check the network" in message
    assert left_in(cache) == set()


def test_load_tells_what_to_use_instead(cache, monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(requests.Session, "get", refused)
    with pytest.raises(collect.DownloadError, match=r"collect\.load\('photos'\)"):
        collect.load("kodak")
    for name in DOWNLOADED:
        with pytest.raises(collect.DownloadError) as caught:
            collect.load(name)
        instead = re.search(r"or use collect\.load\('(.*)'\)", str(caught.value))[1]
        assert collect.card(instead).tier == "embedded"
        assert collect.card(instead).modality == collect.card(name).modality


CHILD = """
import json, sys
from aigc_lab.collect.download import RemoteFile, fetch
import pooch, requests, tqdm.auto
print("ready", flush=True)
print(fetch([RemoteFile(**json.loads(sys.argv[1]))], "animals")[0], flush=True)
"""


def test_two_processes_at_once_both_succeed(server, remote, cache):
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", CHILD, json.dumps(asdict(remote))]
    environment = {**os.environ, "PYTHONPATH": root}
    server.go_on.clear()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as first:
        assert server.asked.wait(60)
        assert not (cache / PATH).exists()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as second:
            assert second.stdout.readline() == "ready\n"
            server.go_on.set()
            outputs = [first.communicate(timeout=60)[0], second.communicate(timeout=60)[0]]
    assert [first.returncode, second.returncode] == [0, 0]
    assert [output.splitlines()[-1] for output in outputs] == [str(cache / PATH)] * 2
    assert (cache / PATH).read_bytes() == CONTENT
    assert left_in(cache) == {"cat.npy"}


def test_the_mirror_gives_the_same_bytes_without_a_network(server, remote, cache, tmp_path, monkeypatch):
    (tmp_path / "stick" / "sketches").mkdir(parents=True)
    (tmp_path / "stick" / PATH).write_bytes(CONTENT)
    monkeypatch.setenv("AIGC_LAB_MIRROR", str(tmp_path / "stick"))
    assert got(remote) == tmp_path / "stick" / PATH

    (tmp_path / "stick" / PATH).write_bytes(CONTENT[::-1])
    message = failure(remote, cache)
    assert "SHA-256" in message and "AIGC_LAB_MIRROR" in message

    (tmp_path / "stick" / PATH).unlink()
    assert "has no sketches/cat.npy" in failure(remote, cache)
    assert server.requests == 0


def test_the_bar_has_a_name_reaches_the_end_and_goes_away(server, remote, cache, capsys):
    fetch([remote], "animals")
    shown = capsys.readouterr().err
    assert PATH in shown and shown.endswith("\r") and "\n" not in shown
    fetch([remote], "animals")
    assert capsys.readouterr().err == ""


@pytest.fixture
def many(server) -> list[RemoteFile]:
    """Thirty small files of one set, on the loopback server."""
    server.contents = {f"{number}.wav": f"sound {number} ".encode() * 300 for number in range(30)}
    return [
        RemoteFile(
            f"clips/{name}", len(content), hashlib.sha256(content).hexdigest(), f"{server.root}/{name}"
        )
        for name, content in server.contents.items()
    ]


def failure_of_many(files: list[RemoteFile], cache: Path) -> str:
    with pytest.raises(collect.DownloadError) as caught:
        fetch(files, "tones")
    message = str(caught.value)
    assert "\n" not in message and ". " not in message and str(cache) in message
    assert message.endswith("or use collect.load('tones'), which needs no network")
    return message


def test_many_files_come_over_a_few_connections_with_one_bar(server, many, cache, capsys):
    server.meet = threading.Barrier(CONNECTIONS)  # nobody is answered before so many ask
    paths = fetch(many, "tones")
    assert paths == [cache / file.path for file in many]
    assert [path.read_bytes() for path in paths] == list(server.contents.values())
    assert server.most == CONNECTIONS and server.requests == len(many) == 5 * CONNECTIONS
    shown = capsys.readouterr().err
    assert "clips (30 files)" in shown and "\n" not in shown and ".wav" not in shown
    fetch(many, "tones")
    assert server.requests == len(many) and capsys.readouterr().err == ""


def test_a_set_is_resumed_file_by_file(server, many, cache):
    fetch(many[:20], "tones")
    (cache / many[3].path).write_bytes(b"damaged")
    fetch(many, "tones")
    assert sorted(server.asked_for[20:]) == sorted(["3.wav", *(f"{number}.wav" for number in range(20, 30))])


def test_one_bad_file_leaves_the_others(server, many, cache):
    server.faults = {"7.wav": "404", "9.wav": "wrong"}
    message = failure_of_many(many, cache)
    assert "could not get clips/7.wav from" in message and "(28 of 30 files are there and kept)" in message
    assert "the server answered 404" in message
    assert left_in(cache) == {f"{number}.wav" for number in range(30) if number not in (7, 9)}
    server.faults, server.asked_for = {}, []
    fetch(many, "tones")
    assert sorted(server.asked_for) == ["7.wav", "9.wav"]


def test_a_connection_that_drops_now_and_then_is_no_fault(server, many, cache):
    server.plan = [1000, "whole", 0, "whole"]
    fetch(many, "tones")
    assert server.requests == len(many) + 2
    assert len(left_in(cache)) == len(many)


def test_where_all_files_fail_the_rest_is_not_asked_for(server, many, cache):
    server.plan = ["503"]
    message = failure_of_many(many, cache)
    assert "the server answered 503" in message and "(0 of 30 files are there and kept)" in message
    assert FAILURES <= server.requests < FAILURES + CONNECTIONS < len(many)
    assert left_in(cache) == set()


def test_many_files_of_the_mirror_need_no_network(server, many, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("AIGC_LAB_MIRROR", str(tmp_path / "stick"))
    (tmp_path / "stick" / "clips").mkdir(parents=True)
    for name, content in server.contents.items():
        (tmp_path / "stick" / "clips" / name).write_bytes(content)
    assert fetch(many, "tones") == [tmp_path / "stick" / file.path for file in many]
    (tmp_path / "stick" / many[4].path).unlink()
    assert "has no clips/4.wav" in failure_of_many(many, cache)
    assert server.requests == 0


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("AIGC_LAB_CACHE", str(tmp_path))
    assert collect.cache_folder() == tmp_path
    monkeypatch.delenv("AIGC_LAB_CACHE")
    assert collect.cache_folder().name == "aigc-lab"


def manifest_entries(mirror):
    """All of MANIFEST.json, and of MANIFEST-NEW.json, where sets wait for their lab, what is registered."""
    registered, waiting = (
        json.loads((mirror / name).read_text(encoding="utf-8")) if (mirror / name).is_file() else []
        for name in ("MANIFEST.json", "MANIFEST-NEW.json")
    )
    return registered + [entry for entry in waiting if entry["dataset"] in DOWNLOADED]


def test_the_registry_is_the_manifest(mirror):
    manifest = manifest_entries(mirror)
    expected = {entry["file"]: (entry["bytes"], entry["sha256"], entry["url"]) for entry in manifest}
    files = [file for name in DOWNLOADED for file in remote_files(name)]
    assert {file.path: (file.size, file.sha256, file.url) for file in files} == expected
    assert set(DOWNLOADED) == {entry["dataset"] for entry in manifest}


def test_the_licences_on_the_cards_are_those_of_the_manifest(mirror):
    known = r"CC0 1\.0|CC BY(?:-SA)? \d\.\d|MIT|Apache-2\.0|unrestricted use|public domain"
    for entry in manifest_entries(mirror):
        stated = re.findall(known, entry["licence"])
        assert stated and stated == re.findall(known, collect.card(entry["dataset"]).licence), entry["file"]


def test_every_file_of_the_mirror_has_its_hash(mirror):
    for name in DOWNLOADED:
        for file in remote_files(name):
            content = (mirror / file.path).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
