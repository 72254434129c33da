"""How a request is refused: one shape for all errors of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from cordboard.errors import CordboardError
from cordboard.screenpop.stream import to_json

CODES = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    409: "conflict",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid",
    426: "upgrade-required",
    429: "too-many-requests",
    503: "unavailable",
    507: "insufficient-storage",
}


class ApiError(CordboardError):
    """A request that is answered with an error: an HTTP status, a code for programs, a message for
    people, and for each field that is wrong (field, message)."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        faults: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


def invalid(faults: Sequence[tuple[str, str]]) -> ApiError:
    """422 with every fault of a request."""
    message = "; ".join(f"{field}: {text}" if field else text for field, text in faults[:5])
    return ApiError(422, "invalid", message or "the request is not valid", faults)


def error_response(error: ApiError) -> web.Response:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    body["faults"] = [{"field": field, "message": text} for field, text in error.faults]
    return json_response({"error": body}, error.status, error.headers)


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=to_json(value), status=status, headers=headers, content_type="application/json"
    )
