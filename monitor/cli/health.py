"""`nuon-monitor health`: asks the running daemon; the container's health check."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.cli.support.common import load, report, with_config

_TIMEOUT = 5.0


@click.command("health")
@with_config
@click.option("--ready", is_flag=True, help="Also whether it sees the platform and reaches Slack.")
def command(config_path: Path | None, *, ready: bool) -> int:
    """Ask the running daemon whether it is alive: exit 0, or 1 with the reason.

    It is asked at http.listen of the configuration.
    """
    checks = _ask(_url(load(config_path).http.address, "readyz" if ready else "healthz"))
    for name, finding in checks.items():
        report(is_well=finding == "ok", subject=name, finding=finding)
    return 0 if all(finding == "ok" for finding in checks.values()) else 1


def _url(address: tuple[str, int] | None, page: str) -> str:
    from monitor.errors import MonitorError

    if address is None:
        raise MonitorError("http.listen is empty: set it, so that the daemon can be asked")
    host, port = address
    if port == 0:
        raise MonitorError("http.listen has port 0: set another, so that the daemon can be found")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}/{page}"


def _ask(url: str) -> dict[str, str]:
    """Return what the daemon finds, by check; raises MonitorError where none answers."""
    import http.client
    import json
    import urllib.error
    import urllib.request

    from monitor.errors import MonitorError

    # Not through a proxy: the daemon is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        try:
            answer = opener.open(url, timeout=_TIMEOUT)
        except urllib.error.HTTPError as refusal:
            answer = refusal  # the daemon says by its status that it is not well
        with answer:
            checks = json.load(answer)["checks"]
        return {str(name): str(finding) for name, finding in checks.items()}
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise MonitorError(
            f"what answers at {url} is not a nuon-monitor: see http.listen"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise MonitorError(f"no answer from {url} ({reason}): is nuon-monitor running?") from error
