"""The API described in OpenAPI 3.1, written from the table that the server answers from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cordboard import __version__
from cordboard.screenpop import schemas
from cordboard.screenpop.routes import PREFIX, Route

_REFERENCE = "#/components/schemas/{model}"
_TEXTS = {
    200: "Done",
    201: "Created",
    202: "Taken on; what comes of it is told on the stream",
    101: "The stream follows",
    400: "Not to be read as JSON, or not as a WebSocket's handshake",
    401: "Nobody is logged in",
    403: "Not for this role, somebody else's, or not sent by our own page",
    404: "There is no such thing",
    408: "The body did not come in time",
    413: "The body is too large",
    415: "Not application/json in UTF-8",
    422: "Not valid; `faults` has all that is wrong",
    429: "Too many sockets of one user",
    503: "Too busy, or the database is away; try again after Retry-After seconds",
    507: "The database's disk is full; nothing was saved",
}


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """The document as JSON's objects."""
    models = [route.answer for route in routes if route.answer is not None]
    models.append(schemas.Error)
    given: list[tuple[type[BaseModel], Literal["serialization"]]] = [
        (model, "serialization") for model in dict.fromkeys(models)
    ]
    _, definitions = models_json_schema(given, ref_template=_REFERENCE)
    components: dict[str, Any] = definitions["$defs"]
    paths: dict[str, Any] = {}
    for route in routes:
        operation = _operation(route)
        if route.body is not None:
            schema = route.body.json_schema(ref_template=_REFERENCE)
            components |= schema.pop("$defs", {})
            content = {"application/json": {"schema": schema}}
            operation["requestBody"] = {"required": True, "content": content}
        if route.upload:
            anything = {"schema": {"type": "string", "format": "binary"}}
            content = dict.fromkeys(route.upload, anything)
            operation["requestBody"] = {"required": True, "content": content}
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cordboard",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Programs send a bearer token. A browser's session cookie needs our own"
            " Origin, and for everything but GET the X-CSRF-Token of its page.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "cordboard_session"},
            },
        },
        "security": [{"token": []}, {"session": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    refusals = {401, 403, 503}
    if parameters:
        refusals.add(404)
    if route.body is not None or route.upload:
        refusals |= {400, 408, 413, 415, 422, 507}
    if route.query is not None:
        refusals.add(422)
        parameters += _query_parameters(route.query)
    if route.answer is None and not route.files:
        refusals |= {400, 429}
    error = _content(schemas.Error.__name__)
    answer = {} if route.answer is None else _content(route.answer.__name__)
    if route.files:
        binary = {"schema": {"type": "string", "format": "binary"}}
        answer = {"content": dict.fromkeys(route.files, binary)}
    responses = {str(route.status): {"description": _TEXTS[route.status], **answer}}
    for status in sorted(refusals):
        responses[str(status)] = {"description": _TEXTS[status], **error}
    return {
        "operationId": route.do.__name__,
        "summary": route.summary,
        "description": f"Roles: {', '.join(route.roles)}.",
        "parameters": parameters,
        "responses": responses,
    }


def _query_parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    schema = query.model_json_schema()
    return [
        {"name": name, "in": "query", "required": False, "schema": part}
        for name, part in schema["properties"].items()
    ]


def _content(model: str) -> dict[str, Any]:
    reference = {"$ref": _REFERENCE.format(model=model)}
    return {"content": {"application/json": {"schema": reference}}}
