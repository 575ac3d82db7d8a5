"""`nuon-monitor health`: asks the running daemon; the container's health check."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.cli.common import load, with_config

_TIMEOUT = 5.0


@click.command("health")
@with_config
@click.option("--ready", is_flag=True, help="Also whether it sees the platform and reaches Slack.")
def command(config_path: Path | None, *, ready: bool) -> int:
    """Ask the running daemon whether it is alive: exit 0, or 1 with the reason."""
    import json
    import urllib.error
    import urllib.request

    address = load(config_path).http.address
    if address is None:
        click.echo("http.listen is empty: there is nobody to ask", err=True)
        return 1
    host, port = address
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    url = f"http://{host}:{port}/{'readyz' if ready else 'healthz'}"
    # Not through a proxy: the daemon is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT) as answer:
            page = json.load(answer)
    except urllib.error.HTTPError as error:
        page = json.load(error)
    except (OSError, ValueError) as error:
        click.echo(f"no answer from {url}: {error}", err=True)
        return 1
    for name, finding in page["checks"].items():
        click.echo(f"{name}: {finding}")
    return 0 if page["status"] == "ok" else 1
