"""Where the URLs of other systems may lead."""

from __future__ import annotations

import pytest

from cordboard.addresses import filled, means_private, refusal, url_fault

METADATA = ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200"]
METADATA += ["192.0.0.192", "168.63.129.16", "2002:a9fe:a9fe::"]
NOWHERE = [
    *METADATA,
    *("169.254.1.1", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1"),
    *("240.0.0.1", "255.255.255.255", "64:ff9b::a9fe:a9fe"),
]
CLOSED = [
    *("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "10.0.0.5", "172.16.0.1"),
    *("192.168.1.1", "fd12::1", "100.64.0.1", "fec0::1", "2002:7f00:1::", "2002:a00:5::1"),
]
OPEN = ["8.8.8.8", "2a00:1450:4001::1", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", NOWHERE)
def test_where_no_customer_system_can_be_is_refused_always(address: str) -> None:
    assert refusal(address, private=True)
    assert refusal(address, private=False)


@pytest.mark.parametrize("address", CLOSED)
def test_this_machine_and_closed_networks_are_for_who_allows_them(address: str) -> None:
    assert refusal(address, private=True) is None
    assert "allow_private" in (refusal(address, private=False) or "")


@pytest.mark.parametrize("address", OPEN)
def test_anywhere_else_is_fine(address: str) -> None:
    assert refusal(address, private=False) is None


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://erp.example/{number}",
        "gopher://erp.example/{number}",
        "erp.example/{number}",
        "https:///x{number}",
        "https://{number}/x",
        "https://{number}.erp.example/",
        "https://erp.example:{number}/",
        "https://user:secret@erp.example/{number}",
        "https://erp.example/{number}#x",
        "https://erp.example/{number}\r\nX: y",
        "https://erp.example/ {number}",
        "https://erp.example/{phone}",
        "https://erp.example/{number",
        "https://erp.example/имя",
        "https://-erp.example/{number}",
        "https://[::1/{number}",
        "https://erp.example:99999/{number}",
        "http://169.254.169.254/latest/{number}",
        "http://[::ffff:169.254.169.254]/{number}",
        "http://[fe80::1%25eth0]/{number}",
        "http://0.0.0.0/{number}",
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_in_words(url: str) -> None:
    assert url_fault(url, ("number", "customer"))


@pytest.mark.parametrize(
    "url",
    [
        "https://erp.example/api?phone={number}&id={customer}",
        "http://127.0.0.1:8080/{number}",
        "http://[::1]:8080/{number}",
        "http://localhost/{number}",
        "http://erp/{number}",
        "https://10.0.0.5/{number}",
    ],
)
def test_a_good_url_has_no_fault(url: str) -> None:
    assert url_fault(url, ("number", "customer")) is None


def test_only_figures_and_localhost_mean_this_machine_or_a_closed_network() -> None:
    assert means_private("http://127.0.0.1/x")
    assert means_private("http://[fd12::1]/x")
    assert means_private("http://localhost:80/x")
    # Names, also those that a resolver reads as figures.
    for url in ("http://erp.example/", "http://2130706433/", "http://0x7f.1/", "http://127.1/"):
        assert not means_private(url)


def test_values_are_percent_encoded_whatever_they_are_made_of() -> None:
    evil = "+7916\r\nHost: x/../?&#{customer}"
    said = filled("https://erp.example/{number}?c={customer}", {"number": evil, "customer": "ü"})
    assert said == (
        "https://erp.example/%2B7916%0D%0AHost%3A%20x%2F..%2F%3F%26%23%7Bcustomer%7D?c=%C3%BC"
    )
