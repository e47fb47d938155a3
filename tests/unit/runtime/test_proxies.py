"""HTTPS_PROXY and NO_PROXY as Go reads them: each row was compared with golang.org/x/net v0.60."""

from __future__ import annotations

import pytest

from mcp_gateway_operator.runtime.proxies import Proxies, Proxy

PROXY = "http://proxy.example.com:3128"


def is_direct(no_proxy: str, host: str, scheme: str = "https") -> bool:
    proxies = Proxies({"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": no_proxy})
    return proxies.for_url(f"{scheme}://{host}/path?query") is None


@pytest.mark.parametrize("no_proxy", ["", "example.org", "10.0.0.0/8", "*.svc"])
@pytest.mark.parametrize(
    "host", ["localhost", "localhost:6443", "127.0.0.1", "127.9.9.9:80", "[::1]:6443", "[::ffff:127.0.0.1]"]
)
def test_loopback_is_never_proxied(no_proxy: str, host: str) -> None:
    assert is_direct(no_proxy, host)


@pytest.mark.parametrize(
    ("no_proxy", "direct", "proxied"),
    [
        (
            "example.com",
            ["example.com", "a.example.com", "A.B.Example.COM"],
            ["notexample.com", "example.com.x"],
        ),
        (".example.com", ["a.example.com", "a.b.example.com"], ["example.com", "aexample.com"]),
        ("*.example.com", ["a.example.com"], ["example.com"]),
        ("*example.com", [], ["a.example.com", "example.com"]),
        ("EXAMPLE.com", ["example.COM"], []),
        ("example.com:443", ["example.com", "a.example.com:443"], ["example.com:8443"]),
        ("example.com:8443", ["example.com:8443"], ["example.com"]),
        (".example.com:8443", ["a.example.com:8443"], ["a.example.com", "example.com:8443"]),
        ("example.com:", ["example.com", "example.com:8443"], ["example.org"]),
        (" example.com , , example.org ", ["example.com", "example.org"], ["example.net"]),
        ("example.com example.org", [], ["example.com", "example.org"]),
        ("https://example.com", [], ["example.com"]),
        ("com", ["example.com"], ["example.org"]),
        ("cluster.local,.svc", ["kubernetes.default.svc", "a.svc.cluster.local"], ["svc"]),
        ("kubernetes", ["kubernetes", "a.kubernetes"], ["kubernetes.default"]),
        ("10.0.0.0/8", ["10.1.2.3", "10.255.255.255:6443", "[::ffff:10.0.0.1]"], ["11.0.0.1", "host10.com"]),
        ("10.1.2.3/8", ["10.200.0.1"], ["11.0.0.1"]),
        ("10.0.0.0/255.0.0.0", [], ["10.0.0.1"]),
        ("10.0.0.0/33", [], ["10.0.0.1"]),
        ("10.0.0.0/8:443", [], ["10.0.0.1"]),
        ("172.20.0.1", ["172.20.0.1", "172.20.0.1:6443"], ["172.20.0.2", "1172.20.0.1.example"]),
        ("172.20.0.1:443", ["172.20.0.1"], ["172.20.0.1:6443"]),
        ("172.20.0", [], ["172.20.0.1"]),
        ("fd00::/8", ["[fd12::1]", "[fd12::1]:6443"], ["[fe80::1]", "10.0.0.1"]),
        ("fe80::/10", ["[fe80::1]", "[fe80::1%25eth0]"], ["[fd12::1]"]),
        ("fd12::1", ["[fd12::1]", "[FD12:0:0::1]:6443"], ["[fd12::2]"]),
        ("[fd12::1]:443", ["[fd12::1]"], ["[fd12::1]:6443"]),
        ("[fd12::1]", [], ["[fd12::1]"]),
        ("::ffff:10.0.0.0/104", ["10.1.2.3"], ["11.0.0.1"]),
        ("*", ["example.com", "10.0.0.1", "[fd12::1]"], []),
        ("example.org,*", ["example.com"], []),
        ("*,10.0.0.0/8", ["example.com"], []),
        ("bücher.example", ["xn--bcher-kva.example", "bücher.example"], ["bucher.example"]),
        (":8080", [], ["example.com:8080"]),
        (",", [], ["example.com"]),
        ("/8", [], ["10.0.0.1"]),
        ("..", [], ["example.com"]),
    ],
)
def test_no_proxy(no_proxy: str, direct: list[str], proxied: list[str]) -> None:
    assert [host for host in direct if not is_direct(no_proxy, host)] == []
    assert [host for host in proxied if is_direct(no_proxy, host)] == []


@pytest.mark.parametrize(
    ("host", "scheme", "direct"), [("example.com", "http", False), ("example.com", "https", True)]
)
def test_a_port_that_is_not_written_is_the_schemes(host: str, scheme: str, *, direct: bool) -> None:
    assert is_direct("example.com:443", host, scheme) is direct


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({"HTTPS_PROXY": "http://one:1"}, "http://one:1"),
        ({"https_proxy": "http://two:2"}, "http://two:2"),
        ({"HTTPS_PROXY": "http://one:1", "https_proxy": "http://two:2"}, "http://one:1"),
        ({"HTTPS_PROXY": "", "https_proxy": "http://two:2"}, "http://two:2"),
        ({"HTTP_PROXY": "http://one:1"}, None),
        ({"ALL_PROXY": "http://one:1"}, None),
        ({"HTTPS_PROXY": "http://one:1", "no_proxy": "api.example.com"}, None),
        ({"HTTPS_PROXY": "http://one:1", "NO_PROXY": "x", "no_proxy": "api.example.com"}, "http://one:1"),
        ({"HTTPS_PROXY": "one:1"}, "http://one:1"),
        ({"HTTPS_PROXY": "one"}, "http://one:80"),
        ({"HTTPS_PROXY": "https://one"}, "https://one:443"),
        ({"HTTPS_PROXY": "https://user:pa%40ss@one:8443/"}, "https://one:8443"),
        ({"HTTPS_PROXY": "http://[fd00::1]:3128"}, "http://[fd00::1]:3128"),
        ({}, None),
    ],
)
def test_which_variable_counts(environ: dict[str, str], chosen: str | None) -> None:
    proxy = Proxies(environ).for_url("https://api.example.com")
    assert (str(proxy) if proxy else None) == chosen


def test_http_and_https_have_proxies_of_their_own() -> None:
    proxies = Proxies({"HTTP_PROXY": "http://one:1", "HTTPS_PROXY": "http://two:2"})
    assert str(proxies.for_url("http://example.com")) == "http://one:1"
    assert str(proxies.for_url("https://example.com")) == "http://two:2"
    assert proxies.for_url("ftp://example.com") is None


def test_user_and_password_are_taken_and_never_shown() -> None:
    proxy = Proxy.parse("http://jane:s%40cret%3A@proxy:3128")
    assert (proxy.user, proxy.password) == ("jane", "s@cret:")
    assert proxy.url == "http://jane:s%40cret%3A@proxy:3128"
    assert Proxy.parse(proxy.url) == proxy
    for shown in (str(proxy), repr(proxy), f"{proxy}"):
        assert "jane" not in shown
        assert "cret" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "socks5://jane:secret@proxy:1080",
        "ftp://jane:secret@proxy:21",
        "http://jane:secret@proxy:port",
        "http://jane:secret@proxy:99999",
        "http://jane:secret@",
        "http://[jane:secret",
        "://jane:secret@proxy",
        "http://",
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_with_its_variable_and_without_its_password(text: str) -> None:
    for name in ("HTTPS_PROXY", "http_proxy"):
        with pytest.raises(ValueError, match=rf"^{name} cannot be used: .*\.$") as error:
            Proxies({name: text})
        assert "secret" not in str(error.value)
        assert "jane" not in str(error.value)
