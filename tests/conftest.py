"""Fixtures for all tests: the real parts, each started by whoever asks for it first."""

from __future__ import annotations

from pbx_fixtures import ami, ami_raw, pbx, sandbox
from server_fixtures import server

__all__ = ["ami", "ami_raw", "pbx", "sandbox", "server"]
