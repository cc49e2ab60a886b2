"""The application: what can be asked, how an answer is made, and what is told when there is none."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import itertools
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from aigc_lab import __version__
from aigc_lab.deploy.onnx_file import class_number
from aigc_lab.serve import front
from aigc_lab.serve.batching import Batcher, QueueFull
from aigc_lab.serve.versions import Ask, Version, Versions, png

BODY_BYTES = 2**16
# Seconds for which the model's thread may keep the event loop waiting; Python's own 5 ms is a long time here.
_SWITCH = 0.0005
JUDGED = 10  # one in so many answers to a request for a class is looked at by the judge
# The page has no script and fetches nothing: its images are in it.
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Wish(BaseModel):
    """The body of ``POST /generate``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seed: int = Field(0, ge=0, lt=2**63, description="equal seeds give equal images")
    label: int | str | None = Field(None, description="a class, by number or name; without one: all in turn")
    count: int = Field(1, ge=1, description="how many images")
    format: Literal["png", "json"] = Field("png", description="one PNG with all images, or JSON with pixels")
    version: str | None = Field(None, description="a version by name; without one: as the shares say")


class Service:
    """The endpoints of one worker; what its settings mean, ``python -m aigc_lab.serve --help`` says.

    Raises:
        OSError, ValueError: the model folder cannot be served.
    """

    def __init__(
        self,
        folder: Path,
        shares: Mapping[str, float] | None = None,
        key: str | None = None,
        largest: int = 64,
        queue: int = 256,
        timeout: float = 10.0,
        workers: int = 1,
    ) -> None:
        self.key, self.largest, self.timeout, self.workers = key, largest, timeout, workers
        self.versions = Versions(folder, shares or {}, largest)
        self.batcher = Batcher(self._work, largest, queue)
        self._numbers = itertools.count()

    # Drawing -------------------------------------------------------------------------------------------

    async def generate(self, request: Request) -> Response:
        """Draw images; the answer is a PNG, or JSON."""
        try:
            wish = Wish.model_validate_json(await self._body(request))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = first["loc"][0] if first["loc"] else "the body"
            raise HTTPException(422, f"{where}: {first['msg']}") from None
        answer, version = await self._draw(wish, request.scope["told"])
        kind = "image/png" if wish.format == "png" else "application/json"
        headers = {"X-Model-Version": quote(version.name), "X-Model-SHA256": version.sha256}
        return Response(answer, media_type=kind, headers=headers)

    async def _body(self, request: Request) -> bytes:
        """The body, if it is small and comes in time."""
        stated = request.headers.get("content-length", "")
        body = bytearray()
        closing = {"Connection": "close"}  # one whose body nobody has read cannot be used again
        too_large = HTTPException(413, f"the body is larger than {BODY_BYTES:,} bytes", closing)
        if stated.isdecimal() and int(stated) > BODY_BYTES:
            raise too_large
        try:
            async with asyncio.timeout(self.timeout):
                async for piece in request.stream():
                    body += piece
                    if len(body) > BODY_BYTES:
                        raise too_large
        except TimeoutError:
            raise HTTPException(408, f"the body did not arrive within {self.timeout:g} s", closing) from None
        except ClientDisconnect:
            raise HTTPException(400, "the client left before its body was complete") from None
        return bytes(body)

    async def _draw(self, wish: Wish, told: dict[str, Any]) -> tuple[bytes, Version]:
        """The answer to a wish, and the version that gave it."""
        told |= {"seed": wish.seed, "count": wish.count}
        if wish.count > self.largest:
            raise HTTPException(
                422, f"count: at most {self.largest} images a request, got {wish.count}; ask several times"
            )
        if wish.version is None:
            version = self.versions.choose(wish.seed, wish.label)
        else:
            version = await _version(self.versions.open, wish.version)
        told["version"] = version.name
        try:
            label = told["label"] = class_number(wish.label, version.manifest, f"the model {version.name}")
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        watched = version.monitor is not None and (label is not None or not version.class_count)
        judged = watched and next(self._numbers) % JUDGED == 0
        try:
            async with asyncio.timeout(self.timeout):
                item = (version, Ask(wish.seed, label, wish.count), wish.format, judged)
                answer, probabilities = await self.batcher.ask(item, wish.count)
        except QueueFull:
            raise HTTPException(503, front.FULL, {"Retry-After": "1"}) from None
        except TimeoutError:
            raise HTTPException(504, f"not drawn within {self.timeout:g} s; ask again") from None
        if watched:  # a request without a class draws them in turn, and says nothing about shares
            if version.class_count > 1:
                version.monitor.asked(label)
            if judged:
                version.monitor.made(probabilities, label)
            front.ALARM.labels(version.name).set(version.monitor.alarm is not None)
        return answer, version

    def _work(self, items: list[tuple[Version, Ask, str, bool]]) -> list[Any]:
        """In the thread of the model: the answers to a batch, each with what the judge says or None."""
        answers: list[Any] = [None] * len(items)
        for version in dict.fromkeys(item[0] for item in items):
            places = [place for place, item in enumerate(items) if item[0] is version]
            try:
                drawn = version.draw([items[place][1] for place in places])
                for place, images in zip(places, drawn, strict=True):
                    _, ask, form, judged = items[place]
                    said = version.judge(images[0]) if judged else None
                    answers[place] = (png(images) if form == "png" else _json(version, ask, images)), said
                front.IMAGES.labels(version.name).inc(sum(map(len, drawn)))
            except Exception as error:  # of this version only: the others of the batch are drawn
                for place in places:
                    answers[place] = error
        front.BATCH.observe(sum(item[1].count for item in items))
        front.WAITING.set(self.batcher.waiting)
        return answers

    # What is known: the first line of each is also its summary in the schema and on the page ----------------

    async def alive(self) -> dict[str, bool]:
        """The process is alive"""
        return {"alive": True}

    async def ready(self) -> dict[str, Any]:
        """The live model is open, and its trial run has passed"""
        live = self.versions.live()
        return {"ready": True, "version": live.name, "sha256": live.sha256}

    async def card(self, version: str | None = None) -> PlainTextResponse:
        """The model card, Markdown"""
        chosen = self.versions.live() if version is None else await _version(self.versions.open, version)
        return PlainTextResponse(chosen.card(), media_type="text/markdown")

    async def about(self) -> dict[str, Any]:
        """The versions, their hashes and shares, and which is live"""
        return self.versions.about()

    async def monitors(self) -> dict[str, Any]:
        """Are requests and images as they were? Of one worker"""
        opened = list(self.versions.opened.items())  # a thread may open another one meanwhile
        return {
            "worker": os.getpid(),
            "workers": self.workers,
            "judged": f"one in {JUDGED} answers",
            "versions": {name: each.monitor.status() for name, each in opened if each.monitor is not None},
        }

    async def metrics(self) -> Response:
        """For Prometheus, of all workers together"""
        return Response(await run_in_threadpool(front.metrics), media_type="text/plain; version=0.0.4")

    async def set_live(self, request: Request, name: str) -> dict[str, Any]:
        """Roll back, or forward: make a version the live one (key needed)"""
        if not self.key:
            raise HTTPException(
                403, "the live version is set with a key only: start the service with --key-file"
            )
        if not front.allowed(request.scope, self.key, basic=False):  # a page elsewhere could send it
            raise HTTPException(403, "send the key as Authorization: Bearer KEY")
        refused = f"; {self.versions.live().name} goes on serving"
        version = await _version(self.versions.set_live, name, refused)
        return {"live": version.name, "sha256": version.sha256}

    async def page(self, request: Request) -> HTMLResponse:
        """A page to try the model, and its dashboard"""
        given = {name: value for name, value in request.query_params.items() if value}
        wish = {"seed": "0", "label": "", "count": str(min(16, self.largest)), **given}
        image, problem, status, version = "", "", 200, self.versions.live()
        try:
            numbers = {name: int(wish[name]) for name in ("seed", "count")}
            asked = Wish(**numbers, label=wish["label"] or None)
            drawn, version = await self._draw(asked, request.scope["told"])
            image = base64.b64encode(drawn).decode("ascii")
        except HTTPException as error:
            problem, status = error.detail, error.status_code
        except ValueError:  # no number, or a number out of range
            problem, status = f"seed must lie from 0 to 2^63 - 1, and count from 1 to {self.largest}", 422
        html = await run_in_threadpool(
            _page().render, wish=wish, image=image, problem=problem, shown=version, about=await self.about(),
            monitors=await self.monitors(), largest=self.largest, paths=request.app.openapi()["paths"],
        )  # fmt: skip
        return HTMLResponse(html, status, headers=_POLICY)


async def _version(called: Callable[[str], Version], name: str, refused: str = "") -> Version:
    """A version by name, in a thread: it may have to be opened. ``refused`` is added where it cannot be."""
    try:
        return await run_in_threadpool(called, name)
    except KeyError as error:
        raise HTTPException(404, error.args[0]) from None
    except (OSError, ValueError) as error:
        raise HTTPException(409, f"{error}{refused}") from None


@cache
def _page() -> Template:
    """The template. Its frame lies in ``clean``, whose code (and SciPy with it) is not imported for that."""
    folders = [Path(__file__).parent, Path(__file__).parents[1] / "clean"]
    looks = {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined}
    environment = Environment(loader=FileSystemLoader(folders), autoescape=True, **looks)
    environment.filters |= {"thousands": "{:,}".format, "percent": "{:.1%}".format}
    return environment.get_template("page.html.j2")


def _json(version: Version, ask: Ask, images: np.ndarray) -> bytes:
    told = {"version": version.name, "sha256": version.sha256, "seed": ask.seed, "label": ask.label}
    return json.dumps(told | {"pixels": images.tolist()}, separators=(",", ":")).encode()


def make_app(folder: Path, log: Path | None = None, **settings: Any) -> front.Front:
    """The ASGI application of one worker, with the settings of ``Service``.

    Raises:
        OSError, ValueError: the model folder or the log cannot be opened.
    """
    service = Service(folder, **settings)
    sys.setswitchinterval(_SWITCH)
    lines = front.Log(1 if log is None else os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644))

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        gc.collect()
        gc.freeze()  # what is there now stays: a full collection would look through it, and answers wait
        yield
        lines.close()

    app = FastAPI(title="AIGC Lab", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    # A plain route: FastAPI would take half of the time that an answer takes. Its schema is filled in below.
    app.add_route(front.GENERATE, service.generate, methods=["POST"])
    for method, path, endpoint, kind in (
        ("GET", "/", service.page, HTMLResponse),
        ("GET", "/healthz", service.alive, JSONResponse),
        ("GET", "/readyz", service.ready, JSONResponse),
        ("GET", "/card", service.card, PlainTextResponse),
        ("GET", "/versions", service.about, JSONResponse),
        ("POST", "/versions/{name}/live", service.set_live, JSONResponse),
        ("GET", "/monitor", service.monitors, JSONResponse),
        ("GET", "/metrics", service.metrics, PlainTextResponse),
    ):
        app.add_api_route(path, endpoint, methods=[method], response_class=kind, summary=endpoint.__doc__)
    app.openapi()["paths"][front.GENERATE] = {"post": _generate_schema(service.largest)}
    return front.Front(app, service.key, lines, service.batcher)


def _generate_schema(largest: int) -> dict[str, Any]:
    body = Wish.model_json_schema()
    body["properties"]["count"]["maximum"] = largest
    answers = {
        200: "drawn", 401: "no key", 404: "no such version", 408: "the body took too long",
        409: "a version that is broken", 413: "the body is too large", 422: "what is wrong with the body",
        503: "too much waits: come again after Retry-After", 504: "not drawn in time",
    }  # fmt: skip
    responses = {str(code): {"description": words} for code, words in answers.items()}
    pixels = "version, sha256, seed, label, and pixels from 0 to 255 (count, height, width, channels)"
    responses["200"]["content"] = {
        "image/png": {"schema": {"type": "string", "format": "binary"}},
        "application/json": {"schema": {"type": "object", "description": pixels}},
    }
    return {
        "summary": "Draw images from a seed",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": responses,
    }


def _end_with_parent() -> None:
    """A worker whose supervisor was killed would go on for ever, and hold the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
