"""Fixtures for all tests: the real parts, each started by whoever asks for it first."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from pbx_fixtures import ami, ami_raw, pbx, sandbox
from server_fixtures import proxied_server, proxy, server

__all__ = ["ami", "ami_raw", "pbx", "proxied_server", "proxy", "sandbox", "server"]

# A machine that is busy is no fault of what is tested.
settings.register_profile("cordboard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cordboard")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pictures", metavar="DIR", help="save the README's pictures from the browser tests there"
    )
