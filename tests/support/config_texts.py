"""Configurations to begin with, a directory to load them from, and what a mistake is answered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from monitor.config import Config, load_config
from monitor.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent.parent / "config.example.toml"

ACCESS = {"NUON_ORG_ID": "org1", "NUON_API_TOKEN": "t0p-s3cret", "SLACK_BOT_TOKEN": "xoxb-s3cret"}
HOOK = {
    "NUON_ORG_ID": "org1",
    "NUON_API_TOKEN": "t0p-s3cret",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/s3cret",
}
WATCH = '[[watch]]\nrelease = "rel1"\nchannel = "#ops"\n'
HOOKED_WATCH = '[[watch]]\nrelease = "rel1"\n'
ROUTE = f'{WATCH}[[route]]\nchannel = "#x"\n'
NIGHT = f'{WATCH}[[quiet]]\nfrom = "22:00"\nto = "07:00"\n'

DURATION = 'expected a duration such as "250ms", "15s", "5m", "1h30m" or "7d"'
URL = "expected an http or https URL with a host, without a user, password or query"
SECRET_URL = "expected an http or https URL with a host"
COUNT = "expected a whole number, at least 1"
TOKEN = "expected a token without spaces and line breaks"
PATTERN = 'expected a pattern such as "checkout-*"'
EVENT = (
    'expected "started", "progressed", "waiting", "stalled", "failed", "flapping", "recovered",'
    ' "succeeded", "removed", "unreachable" or "reachable"'
)
TEXT = "expected a text of 1 to 500 characters that are not all blank"
LIST = 'expected a list such as ["…", "…"]'
STRAY_WEBHOOK = (
    "expected a webhook of Slack's own, https://hooks.slack.com/…;"
    " one at another host needs slack.api_url to name that host"
)
NEEDS_CHANNEL = "missing: a bot token needs one, here or in slack.channel"


class Directory:
    """A directory in which a configuration is written and loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, content: str | bytes) -> Path:
        file = self.path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def load(self, text: str | bytes, environ: Mapping[str, str] = ACCESS) -> Config:
        return load_config(self.write("monitor.toml", text), environ)

    def problems(self, text: str | bytes, environ: Mapping[str, str] = ACCESS) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load(text, environ)
        return [str(problem).replace(f"{self.path}/", "") for problem in caught.value.problems]
