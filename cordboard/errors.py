"""The two families of trouble that the house tells apart.

A PBX, a browser or a file that surprises us is a `PeerError`: it is said once in words, counted
and repaired, and never stops the server. A `UserError` is for the person at the keyboard: it is
printed as it is, without a traceback. Everything else that we raise (`ValueError`, an assertion, a
`LookupError`) is a broken rule of our own, and is meant to be seen.
"""

from __future__ import annotations


class CordboardError(Exception):
    """The root of what this package raises on purpose."""


class UserError(CordboardError):
    """Something the person at the keyboard can mend; the message says what, where and how."""


class PeerError(CordboardError):
    """The other side did what its protocol does not allow, or nothing at all."""
