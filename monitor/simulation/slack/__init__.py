"""A simulated Slack on loopback: the Web API methods that a notifier uses, and a webhook.

It refuses what the real one refuses, with the real one's codes, fails on request, and keeps
everything that it was given, so that a test can ask what a person saw.

    python -m monitor.simulation.slack --port 0

runs it as a process of its own, for a parent that reads its first line (JSON: `api_url`,
`webhook_url`, `token`), asks `GET /_seen`, and sends faults with `POST /_fault`.
"""

from monitor.simulation.slack.faults import Fault
from monitor.simulation.slack.messages import Channel, Posted, Version, plain_text
from monitor.simulation.slack.server import Request, SimulatedSlack
from monitor.simulation.slack.workspace import REAL_RATES, SCOPES, TOKEN, Rates

__all__ = [
    "REAL_RATES",
    "SCOPES",
    "TOKEN",
    "Channel",
    "Fault",
    "Posted",
    "Rates",
    "Request",
    "SimulatedSlack",
    "Version",
    "plain_text",
]
