"""Which addresses are a FHIR server we may read from, and which never are."""

from __future__ import annotations

from ipaddress import ip_address

import httpx
import pytest

from cds.fhir_client.allowlist import ServerAllowlist, base_url, is_public, network, stands_below

ALLOWED = ServerAllowlist((base_url("https://fhir.example.org/r4/"), base_url("http://10.1.2.3:8080/sim")))


@pytest.mark.parametrize(
    "text",
    [
        "https://fhir.example.org/r4",
        "https://fhir.example.org/r4/",
        "https://FHIR.example.org:443/r4",
        "https://fhir.example.org/r4/tenants/a.b-c",
        "http://10.1.2.3:8080/sim/WzIs/fhir",
    ],
)
def test_a_server_on_the_list_or_below_it_is_read_from(text: str) -> None:
    assert not str(ALLOWED.base_of(text)).endswith("/")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://fhir.example.org/r4", "not one of"),
        ("https://fhir.example.org:8443/r4", "not one of"),
        ("https://fhir.example.org", "not one of"),
        ("https://fhir.example.org/r40", "not one of"),
        ("https://fhir.example.org/R4", "not one of"),
        ("https://fhir.example.org./r4", "not one of"),
        ("https://fhir.example.org.evil.example/r4", "not one of"),
        ("https://other.example.org/r4", "not one of"),
        ("https://10.1.2.3:8080/sim", "not one of"),
        ("http://10.1.2.3/sim", "not one of"),
        ("http://167838211:8080/sim", "not one of"),
        ("https://me:word@fhir.example.org/r4", "user name"),
        ("https://fhir.example.org@evil.example/r4", "user name"),
        ("https://fhir.example.org/r4?x=1", "no query"),
        ("https://fhir.example.org/r4?", "no query"),
        ("https://fhir.example.org/r4#x", "no query"),
        ("https://fhir.example.org/r4/../admin", "not plain"),
        ("https://fhir.example.org/r4/%2e%2e/admin", "not plain"),
        ("https://fhir.example.org/r4/%252e%252e/admin", "not plain"),
        ("https://fhir.example.org/r4/..%2fadmin", "not plain"),
        ("https://fhir.example.org/r4/..\\admin", "not plain"),
        ("https://fhir.example.org\\@evil.example/r4", ""),
        ("ftp://fhir.example.org/r4", "http(s)"),
        ("file:///etc/passwd", "http(s)"),
        ("//fhir.example.org/r4", "http(s)"),
        ("https:///r4", "http(s)"),
        ("fhir.example.org/r4", "http(s)"),
        ("https://[::1/r4", "not a URL"),
        ("https://fhir.example.org:99999/r4", ""),
        ("https://fhir.example.org/r4\r\nHost: evil.example", "control characters"),
        ("", "http(s)"),
    ],
)
def test_any_other_address_is_refused_with_a_reason_that_does_not_repeat_it(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".+") as refused:
        ALLOWED.base_of(text)

    assert why in str(refused.value)
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "below"),
    [
        ("https://a.example/fhir", True),
        ("https://a.example/fhir?page=2", True),
        ("https://a.example/fhir/Patient/1", True),
        ("https://a.example/fhirs", False),
        ("https://a.example/", False),
        ("http://a.example/fhir", False),
        ("https://b.example/fhir", False),
        ("https://a.example:444/fhir", False),
        ("https://u@a.example/fhir", False),
        ("https://a.example/fhir/%2e%2e/admin", False),
        ("https://a.example/fhir/a%5c..%5cadmin", False),
    ],
)
def test_an_address_is_below_a_base_at_a_slash(url: str, below: bool) -> None:
    assert stands_below(httpx.URL(url), base_url("https://a.example/fhir")) is below


def test_below_a_base_without_a_path_is_everything_of_that_host() -> None:
    base = base_url("https://a.example")

    assert stands_below(httpx.URL("https://a.example/Patient/1"), base)
    assert stands_below(httpx.URL("https://a.example?page=2"), base)
    assert not stands_below(httpx.URL("https://a.example.org/Patient/1"), base)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",  # private and shared
        "127.0.0.1", "127.8.8.8", "::1",  # loopback
        "169.254.169.254", "fe80::1", "fe80::1%eth0",  # link-local: where clouds keep secrets
        "0.0.0.0", "::",  # unspecified  # noqa: S104
        "224.0.0.1", "239.255.255.250", "ff02::1",  # multicast
        "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1",  # reserved, documentation, benchmarks
        "fc00::1", "fec0::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8",  # IPv4 in IPv6
        "2002:0a00:0001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not ServerAllowlist().may_connect(ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8"])
def test_a_public_address_is_taken(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(("text", "taken"), [("10.20.0.1", True), ("10.20.255.255", True), ("10.21.0.0", False)])
def test_a_network_that_was_set_is_taken_and_no_other(text: str, taken: bool) -> None:
    assert ServerAllowlist((), (network("10.20.0.0/16"),)).may_connect(ip_address(text)) is taken


def test_a_network_of_one_kind_says_nothing_of_the_other() -> None:
    servers = ServerAllowlist((), (network("10.0.0.0/8"), network("fd00::/8")))

    assert servers.may_connect(ip_address("fd00::1"))
    assert not servers.may_connect(ip_address("::ffff:10.0.0.1"))
