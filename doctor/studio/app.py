"""The application: from a request to a function of `routes`, and from its answer to JSON.

Starlette finds the route and no more: what is asked is a value (`asking.Ask`), what is answered is
one, and what goes wrong is an error of ours, so that all of it is tested without a server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sdcoreml.doctor.studio.asking import Ask, read_body, require_small
from sdcoreml.doctor.studio.gate import App, Gate, Receive, Scope, Send
from sdcoreml.doctor.studio.proof import Secret
from sdcoreml.doctor.studio.refusals import BUG, AbsentError, RequestError, as_data, status_of
from sdcoreml.doctor.studio.routes import WAYS
from sdcoreml.doctor.studio.running import Studio
from sdcoreml.doctor.studio.static import FOLDER, find_index, find_static
from sdcoreml.doctor.studio.stream import Feed
from sdcoreml.doctor.studio.way import Answer, Media, Way
from sdcoreml.ground.errors import NoSpaceError, SdcoremlError
from sdcoreml.ground.exits import report_bug
from sdcoreml.ground.refusals import FULL

EVENTS = "/api/events"


def make_feed(studio: Studio) -> Feed:
    """Return what tells pages of the queue."""
    return Feed(studio.lineup, studio.desk.do)


def make_app(studio: Studio, feed: Feed, *, port: int, secret: Secret) -> App:
    """Return the application behind its gate."""
    answers = [
        Route(way.path, partial(_answer, studio, feed, way), methods=[way.method]) for way in WAYS
    ]
    # What whoever had this port before has left in a browser's cache is at no address of this life.
    files = f"{FOLDER}{secret.life}/"
    static = [
        Route("/", partial(_index, files), methods=["GET"]),
        Route(f"{files}{{name}}", _static, methods=["GET"]),
    ]
    inside = Starlette(routes=[*static, *answers], exception_handlers={404: _absent, 405: _absent})
    inside.router.redirect_slashes = False

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        is_feed = scope["path"] == EVENTS and scope["method"] == "GET"
        await (feed if is_feed else inside)(scope, receive, send)

    return Gate(app=either, port=port, secret=secret, tickets=studio.tickets)


async def _answer(studio: Studio, feed: Feed, way: Way, request: Request) -> Response:
    """Answer one request; whatever happens, the answer is JSON."""

    async def ask() -> Answer | Media:
        require_small(request.headers.get("content-length", ""), way.most)
        body = await read_body(request.receive, way.most)
        asked = Ask(parts=request.path_params, query=dict(request.query_params), body=body)
        return await studio.desk.do(lambda: way.work(studio, asked), way.hand)

    try:
        found = await ask()
    except RequestError as error:
        return as_json(as_data(error), error.status, close=True)
    except SdcoremlError as error:
        return as_json(as_data(error), status_of(error))
    except OSError as error:
        return _refused(error)
    except Exception as error:  # noqa: BLE001  the last resort: the page shall not see a traceback
        return _bug(error)
    if way.changes:
        feed.nudge()
    return _as_media(found) if isinstance(found, Media) else as_json(found)


async def _index(files: str, _request: Request) -> Response:
    return _as_media(find_index(files))


async def _static(request: Request) -> Response:
    """Answer with a file of the page."""
    try:
        return _as_media(find_static(request.path_params["name"]))
    except AbsentError as error:
        return as_json(as_data(error), error.status)


async def _absent(_request: Request, _error: Exception) -> Response:
    error = AbsentError("there is nothing at this address", remedy="load the page again")
    return as_json(as_data(error), error.status, close=True)


def _as_media(media: Media) -> Response:
    headers = {"content-security-policy": media.policy} if media.policy else None
    return Response(media.content, headers=headers, media_type=media.media_type)


def as_json(content: Mapping[str, object], status: int = 200, *, close: bool = False) -> Response:
    """Return an answer of JSON, in ASCII: file names need not be text.

    With `close` the connection ends: the rest of a refused body may still be on its way.
    """
    body = json.dumps(content, allow_nan=False).encode("ascii")
    headers = {"connection": "close"} if close else None
    return Response(body, status, headers, media_type="application/json")


def _refused(error: OSError) -> Response:
    """Answer with what the system refused, such as a full disk."""
    ours = NoSpaceError if error.errno in FULL else SdcoremlError
    said = ours(error.strerror or str(error), remedy="check the disk and its permissions")
    return as_json(as_data(said), status_of(said))


def _bug(error: Exception) -> Response:
    line = report_bug(error)
    sys.stderr.write(f"{line}\n")
    return as_json({"error": {"what": line, "where": "", "remedy": "", "code": None}}, BUG)
