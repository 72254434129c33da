"""Standard Webhooks verified as a receiver would, by what the specification says and nothing of
ours: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """RFC 2104, by hand."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


def verify(key: bytes, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the signatures is right."""
    named = {name.lower(): value for name, value in headers.items()}
    identity, stamp = named["webhook-id"], named["webhook-timestamp"]
    wanted = hmac_sha256(key, f"{identity}.{stamp}.".encode() + body)
    for signature in named["webhook-signature"].split(" "):
        version, _, encoded = signature.partition(",")
        if version == "v1" and base64.b64decode(encoded, validate=True) == wanted:
            return True
    return False
