"""Encrypted connections to the platform, and those through a proxy."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from monitor.errors import ConfigError, NuonUnavailable
from tests.support.faults import Certificate, FaultyServer, answer, raw, self_signed
from tests.support.platform_client import PATH, TOKEN, client_of, secrets_of


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


# TLS


async def test_an_authority_of_ones_own_is_trusted_when_it_is_named(
    certificate: Certificate,
) -> None:
    async with (
        FaultyServer(tls=certificate.server) as server,
        client_of(server.url, ca_file=certificate.ca_file) as client,
    ):
        assert (await client.get(PATH)).body == b"{}"
        assert server.url.startswith("https://")


async def test_a_certificate_that_does_not_verify_points_to_ca_file(
    certificate: Certificate,
) -> None:
    async with FaultyServer(tls=certificate.server) as server, client_of(server.url) as client:
        with pytest.raises(NuonUnavailable, match=r"certificate of 127.0.0.1 .* nuon\.ca_file$"):
            await client.get(PATH)

    assert server.requests == []


async def test_a_certificate_for_another_name_says_so(certificate: Certificate) -> None:
    async with FaultyServer(tls=certificate.server) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        async with client_of(url, ca_file=certificate.ca_file) as client:
            with pytest.raises(NuonUnavailable, match="certificate is not valid for 'localhost'"):
                await client.get(PATH)


async def test_https_where_plain_http_is_spoken_is_told_as_such() -> None:
    async with (
        FaultyServer() as server,
        client_of(server.url.replace("http:", "https:")) as client,
    ):
        server.on_connect = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with pytest.raises(NuonUnavailable, match=r"TLS with 127\.0\.0\.1:.* is it https there"):
            await client.get(PATH)


@pytest.mark.parametrize("content", [None, "no certificate", ""])
def test_a_ca_file_that_cannot_be_used_is_a_mistake_of_the_configuration(
    content: str | None, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)

    with pytest.raises(ConfigError) as caught:
        client_of("http://127.0.0.1:1", ca_file=ca_file)

    assert [problem.location for problem in caught.value.problems] == ["nuon.ca_file"]


# A proxy


async def test_a_plain_request_goes_through_the_proxy_with_its_password() -> None:
    async with FaultyServer() as proxy:
        address = proxy.url.replace("http://", "http://me:pass@")
        async with client_of("http://nuon.invalid", proxy=address) as client:
            assert (await client.get(PATH)).body == b"{}"

    (request,) = proxy.requests
    assert request.target == f"http://nuon.invalid{PATH}"
    assert request.headers["proxy-authorization"] == "Basic bWU6cGFzcw=="
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


async def test_a_proxy_never_sees_the_token_of_an_encrypted_request() -> None:
    async with FaultyServer(answer(b"no", status=407)) as proxy:
        address = proxy.url.replace("http://", "http://me:pass@")
        async with client_of("https://nuon.invalid", proxy=address) as client:
            with pytest.raises(NuonUnavailable, match=r"the proxy refuses \(407\)") as caught:
                await client.get(PATH)

    (request,) = proxy.requests
    assert (request.method, request.target) == ("CONNECT", "nuon.invalid:443")
    assert TOKEN not in str(request.headers)
    assert "pass" not in secrets_of(caught.value)
    assert "bWU6cGFzcw" not in secrets_of(caught.value)


async def test_a_proxy_that_is_down_is_named() -> None:
    async with FaultyServer() as proxy:
        address = proxy.url.replace("http://", "http://me:pass@")
    async with client_of("https://nuon.invalid", proxy=address) as client:
        with pytest.raises(NuonUnavailable, match=r"the proxy 127.* check nuon\.proxy") as caught:
            await client.get(PATH)

    assert "me:pass" not in "".join(traceback.format_exception(caught.value))


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultyServer() as proxy, FaultyServer() as server, client_of(server.url) as client:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)

        await client.get(PATH)

    assert proxy.connections == 0
