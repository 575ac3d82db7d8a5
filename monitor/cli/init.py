"""`nuon-monitor init`: writes a configuration to begin with."""

from __future__ import annotations

from pathlib import Path

import click

_NAME = "monitor.toml"

# Each placeholder has a space in it, so that `check` refuses it until it is filled in.
_PLACEHOLDERS = (
    "nuon.org_id",
    "nuon.api_token",
    "slack.bot_token",
    "slack.channel",
    "[[watch]] app",
)

TEMPLATE = """\
# The configuration of nuon-monitor. Fill in what stands between < and >, then try it:
#
#     nuon-monitor check --online
#
# Any key can be an environment variable instead, as in NUON_MONITOR_SLACK__BOT_TOKEN.
# config.example.toml of the project shows every key there is, each with its default.

[nuon]
# The address of your own control plane, if you host it yourself.
# api_url = "https://api.nuon.co"
org_id = "< the id of your organisation, org… >"
# Instead: api_token_file = "/run/secrets/nuon-api-token", or NUON_API_TOKEN in the environment.
api_token = "< a token of the platform >"

[slack]
# Of an app with the scope chat:write. Instead: bot_token_file = "/run/secrets/slack-bot-token",
# or SLACK_BOT_TOKEN in the environment.
bot_token = "< a bot token, xoxb-… >"
# Invite the app into it: /invite @its-name
channel = "< a channel, #releases >"
# An incoming webhook instead of bot_token and channel, for single messages without cards:
# webhook_url = "https://hooks.slack.com/services/…"

# What is watched: one [[watch]] for each.
[[watch]]
# An app: every release of it, as it comes; on today's cloud every run of its branches, and what
# else is done to its installs.
app = "< the id of an app, app… >"
# Or one branch of it: app_branch = "abr…"; or all workflows of your organisation:
# workflows = true.
# Or one thing alone: release = "rel…", workflow = "inw…", installer = "int…"; or all that waits
# for a person: approvals = true. `nuon-monitor check --online` says what your platform has.
# What people call it, a channel of its own, and what of it is followed.
# name = "shop"
# channel = "#payments"
# include = ["checkout-*"]

# Who is told of what; without a [[route]], each watch's channel is told of everything.
# [[route]]
# events = ["failed", "stalled"]
# channel = "#on-call"
# mention = ["@here"]

[stall]
# What has not changed for so long is reported as hanging.
after = "30m"

[store]
# A file; three slashes begin a relative path, four an absolute one.
url = "sqlite:///nuon-monitor.db"

[http]
# Health and metrics; "" for none.
listen = "127.0.0.1:8080"
"""


@click.command("init")
@click.argument("path", metavar="[FILE]", default=_NAME, type=click.Path(path_type=Path))
def command(path: Path) -> None:
    """Write a commented configuration to FILE, ./monitor.toml if none is named.

    A file that is there already is never overwritten. With - it goes to standard output.
    """
    if str(path) == "-":
        click.echo(TEMPLATE, nl=False)
        return
    file = path / _NAME if path.is_dir() else path
    _write(file)
    click.echo(f"{click.format_filename(file)} is written. Fill in: {', '.join(_PLACEHOLDERS)}.")
    click.echo(f"Then try it: nuon-monitor check --online --config {click.format_filename(file)}")


def _write(file: Path) -> None:
    from monitor.errors import MonitorError
    from monitor.files import write_private

    try:
        # For its owner alone: it will contain tokens.
        write_private(file, TEMPLATE)
    except FileExistsError as error:
        raise MonitorError(
            f"{file} is there already: move it away, or name another file"
        ) from error
    except OSError as error:
        raise MonitorError(f"{file} cannot be written: {error.strerror}") from error
