"""FHIR servers that may be read from, and network addresses that may be connected to. Nothing is resolved here."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

import httpx

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
CONTROL = ("Cc", "Zl", "Zp")  # Unicode categories: control characters, separators of lines and paragraphs
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1: an IPv4 address in the last 32 bits


@dataclass(frozen=True, slots=True)
class ServerAllowlist:
    """
    The allowlist.

    Attributes:
        bases: Base URLs; a request's fhirServer must be one of them, or stand below one.
        networks: Networks that names may lead to although they are not public (a hospital's own).
    """

    bases: tuple[httpx.URL, ...] = ()
    networks: tuple[Network, ...] = ()

    def base_of(self, text: str) -> httpx.URL:
        """
        The base URL a request names.

        Raises:
            ValueError: With a sentence that says why it is not read from.
        """
        base = base_url(text)
        if not any(stands_below(base, allowed) for allowed in self.bases):
            raise ValueError("it is not one of the servers this service may read from")
        return base

    def may_connect(self, address: Address) -> bool:
        """Whether a name may lead to this address: a public one, or one of a network that was set."""
        return any(address in network for network in self.networks) or is_public(address)


def base_url(text: str) -> httpx.URL:
    """
    A FHIR base URL without the slash at its end.

    Raises:
        ValueError: With a sentence that says what is wrong with it; the text itself is not repeated.
    """
    if not is_plain(text):
        raise ValueError("it holds control characters")
    try:
        url = httpx.URL(text)
        host = url.host
    except (httpx.InvalidURL, ValueError):
        raise ValueError("it is not a URL") from None
    if url.scheme not in {"https", "http"} or not host:
        raise ValueError("it is not an http(s) URL")
    if url.userinfo:
        raise ValueError("it holds a user name or password")
    if url.query or url.fragment or "?" in text or "#" in text:
        raise ValueError("a base URL has no query and no fragment")
    # Judged as written: httpx would resolve the dots.
    if not _plain_path(text.split("://", 1)[-1].partition("/")[2]):
        raise ValueError("its path is not plain")
    return url.copy_with(path=url.path.rstrip("/") or "/")


def is_plain(text: str) -> bool:
    """Whether an address holds no control character, neither as it is nor percent-encoded, once or several times."""
    said = text
    for _ in range(len(text)):
        if any(unicodedata.category(sign) in CONTROL for sign in said):
            return False
        decoded = unquote(said, errors="surrogateescape")
        if decoded == said:
            return True
        said = decoded
    return True


def stands_below(url: httpx.URL, base: httpx.URL) -> bool:
    """Whether an address is of this base: same scheme, host and port, and the same path or one below it."""
    if (url.scheme, url.raw_host, url.port, url.userinfo) != (base.scheme, base.raw_host, base.port, b""):
        return False
    path, above = url.path, base.path.rstrip("/")
    return _plain_path(str(url.raw_path, "ascii").partition("?")[0].removeprefix("/")) and (
        path == above or path.startswith(f"{above}/") or path == base.path
    )


def network(text: str) -> Network:
    """
    A network as 10.0.0.0/8, or one address.

    Raises:
        ValueError: It is neither.
    """
    return ip_network(text)


def is_public(address: Address) -> bool:
    """
    Whether an address is on the public internet.

    Private, loopback, link-local, multicast and unspecified ones are not, nor is an IPv6 address that carries an IPv4
    one where that is not known to be public.
    """
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped or address.sixtofour or address.teredo or address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def literal_address(host: str) -> Address | None:
    """The address a host names by number, None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _plain_path(path: str) -> bool:
    """Whether no segment of a path means something else to somebody else: dots, backslashes, packed slashes."""
    for segment in path.split("/"):
        said = unquote(segment)
        if said in {".", ".."} or any(sign in said for sign in "/\\%"):
            return False
    return True
