"""``python -m aigc_lab.serve MODEL_FOLDER``: a trained model as a service."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

_KEY = "AIGC_LAB_KEY"
_SHORTEST_KEY = 16


def main(arguments: Sequence[str] | None = None) -> int:
    """0: ended by SIGTERM or Ctrl+C, after what was accepted was answered; 2: bad input, one sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m aigc_lab.serve",
        description="Serve an exported model over HTTP: POST /generate draws images, GET / is a page. "
        "Workers that die are started again. SIGTERM ends the service when what was accepted is answered.",
    )
    parser.add_argument("folder", type=Path, help="an export, or a folder of exports with a live one")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: this machine only)")
    parser.add_argument("--port", type=int, default=8000, help="0: any free one (default: 8000)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--key-file", type=Path, help=f"a file with the key; or set {_KEY}")
    parser.add_argument("--no-key", action="store_true", help="serve other machines without a key")
    parser.add_argument(
        "--share", action="append", default=[], metavar="VERSION=SHARE",
        help="this version answers a share of the requests, such as cats-0=0.5; the live one the rest",
    )  # fmt: skip
    parser.add_argument("--largest", type=int, default=64, help="images a request, and a run (default: 64)")
    parser.add_argument(
        "--queue", type=int, default=256, help="images that may wait, a worker (default: 256)"
    )
    parser.add_argument("--timeout", type=float, default=10, help="seconds a request may take (default: 10)")
    parser.add_argument("--log", type=Path, help="file for the log, appended to (default: standard output)")
    chosen = parser.parse_args(arguments)
    try:
        return _serve(chosen)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _serve(chosen: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="aigc-lab-metrics-") as counts:
        # All workers count into files of this folder; the package reads the name when it is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts
        import uvicorn

        from aigc_lab.serve.app import make_app
        from aigc_lab.serve.front import Protocol
        from aigc_lab.serve.versions import Versions
        from aigc_lab.serve.workers import OwnSocket, Workers, reserve

        key, shares = _key(chosen), _shares(chosen.share)
        for name, least in (("workers", 1), ("largest", 1), ("queue", chosen.largest), ("timeout", 0.001)):
            if not getattr(chosen, name) >= least:
                raise ValueError(f"--{name} must be at least {least}, got {getattr(chosen, name):g}")
        try:  # says what is wrong before a worker starts
            live = Versions(chosen.folder, shares, chosen.largest).live()
        except KeyError as error:
            raise ValueError(error.args[0]) from None
        if chosen.log is not None:
            chosen.log.open("ab").close()
        holder, (host, port) = reserve(chosen.host, chosen.port)
        app = partial(
            make_app, chosen.folder, chosen.log, shares=shares, key=key, largest=chosen.largest,
            queue=chosen.queue, timeout=chosen.timeout, workers=chosen.workers,
        )  # fmt: skip
        config = uvicorn.Config(
            app, factory=True, workers=chosen.workers, http=Protocol, ws="none", log_level="warning",
            access_log=False, server_header=False, limit_concurrency=1000, timeout_keep_alive=30,
            timeout_graceful_shutdown=int(chosen.timeout) + 5,
            timeout_worker_healthcheck=60,  # a new worker answers once it has imported all
        )  # fmt: skip
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        workers = f"{chosen.workers} worker{'s' * (chosen.workers > 1)}{'' if key else ', no key needed'}"
        with holder:
            supervisor = Workers(config, [OwnSocket(host, port)])
            supervisor.ready = f"serving {live.name} at http://{at} with {workers}; Ctrl+C ends it"
            supervisor.run()
        if supervisor.failed():
            raise OSError("a worker did not start; what it said stands above")
    return 0


def _key(chosen: argparse.Namespace) -> str | None:
    key = os.environ.get(_KEY, "")
    if chosen.key_file is not None:
        try:
            key = chosen.key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"cannot read the key from {chosen.key_file} ({error})") from None
    if (key or chosen.key_file) and (len(key) < _SHORTEST_KEY or not key.isascii() or not key.isprintable()):
        raise ValueError(
            f"a key has at least {_SHORTEST_KEY} letters, digits or signs of ASCII, and no line break"
        )
    try:
        here = ipaddress.ip_address(chosen.host).is_loopback
    except ValueError:
        here = chosen.host == "localhost"
    if not (key or here or chosen.no_key):
        raise ValueError(
            f"{chosen.host} is open to other machines: give a key (--key-file FILE, or {_KEY}), or --no-key"
        )
    return key or None


def _shares(given: Sequence[str]) -> dict[str, float]:
    shares = {}
    for each in given:
        name, _, share = each.rpartition("=")
        try:
            shares[name] = float(share)
        except ValueError:
            raise ValueError(f"--share must be VERSION=SHARE, such as cats-0=0.5, got {each!r}") from None
    if not all(0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
        raise ValueError("the shares must lie from 0 to 1, and be at most 1 together")
    return shares


if __name__ == "__main__":
    sys.exit(main())
