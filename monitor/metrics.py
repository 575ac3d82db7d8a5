"""The counters and gauges that `/metrics` shows (Prometheus; names begin with `nuon_monitor_`).

Label values come from our own closed sets: nothing that the platform sends becomes a label.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One daemon's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.polls = Counter(
            "nuon_monitor_polls",
            "Polls completed, by outcome: changed, unchanged or failed.",
            ["outcome"],
            registry=self.registry,
        )
        self.poll_seconds = Histogram(
            "nuon_monitor_poll_seconds",
            "Duration of a poll, from its start to the commit.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.lag_seconds = Histogram(
            "nuon_monitor_poll_lag_seconds",
            "How much later than planned a poll began.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.transitions = Counter(
            "nuon_monitor_transitions", "Status changes seen.", registry=self.registry
        )
        self.stale_answers = Counter(
            "nuon_monitor_stale_answers",
            "Answers of the platform with parts older than what had been seen.",
            registry=self.registry,
        )
        self.rows_without_id = Counter(
            "nuon_monitor_rows_without_id",
            "Rows of lists that have no id, so that nothing can be followed.",
            registry=self.registry,
        )
        self.events = Counter(
            "nuon_monitor_events", "Events decided on, by kind.", ["event"], registry=self.registry
        )
        self.sent = Counter(
            "nuon_monitor_notifications_sent",
            "Notifications that Slack accepted.",
            registry=self.registry,
        )
        self.folded = Counter(
            "nuon_monitor_notifications_folded",
            "Notifications that were told together with others, or dropped as they cancelled out.",
            registry=self.registry,
        )
        self.edits = Counter(
            "nuon_monitor_card_edits", "Edits that Slack accepted.", registry=self.registry
        )
        self.delivery_failures = Counter(
            "nuon_monitor_delivery_failures",
            "Attempts at Slack that failed, by what happens next.",
            ["next"],
            registry=self.registry,
        )
        self.posts_in_doubt = Counter(
            "nuon_monitor_posts_in_doubt",
            "Posts whose answer never came, by what became of them: found, resent (searched for,"
            " not found and sent again), resent unsearched (nobody can look); and of copies: copy"
            " deleted, copy linked (it shows where the other is), copy left.",
            ["outcome"],
            registry=self.registry,
        )
        self.pending = Gauge(
            "nuon_monitor_outbox_pending", "Notifications not yet accepted.", registry=self.registry
        )
        self.set_aside = Gauge(
            "nuon_monitor_outbox_set_aside", "Notifications set aside.", registry=self.registry
        )
        self.oldest_pending_seconds = Gauge(
            "nuon_monitor_outbox_oldest_seconds",
            "Age of the oldest notification not yet accepted, of all destinations.",
            registry=self.registry,
        )
        self.watches = Gauge(
            "nuon_monitor_watches", "Watches, by how they stand.", ["state"], registry=self.registry
        )
        self.platform_reachable = Gauge(
            "nuon_monitor_platform_reachable",
            "1 while the platform can be seen.",
            registry=self.registry,
        )
        self.slack_usable = Gauge(
            "nuon_monitor_slack_usable", "1 while Slack can be spoken to.", registry=self.registry
        )
        self.channels_refusing = Gauge(
            "nuon_monitor_channels_refusing",
            "Channels that refuse whatever is for them: archived, not found, or closed to the app.",
            registry=self.registry,
        )
        self.configuration_problem = Gauge(
            "nuon_monitor_configuration_problem",
            "1 while the configuration that is there cannot be used and the one before goes on.",
            registry=self.registry,
        )
        self.silences = Gauge(
            "nuon_monitor_silences", "Silences that hold at present.", registry=self.registry
        )
        self.clock_jumps = Counter(
            "nuon_monitor_clock_jumps",
            "How often the machine's clock was set by more than half a minute.",
            registry=self.registry,
        )
        self.store_lost = Gauge(
            "nuon_monitor_store_lost_timestamp_seconds",
            "When a store that was damaged and set aside was last written; 0 for none.",
            registry=self.registry,
        )
        self.bug = Counter(
            "nuon_monitor_unexpected_errors",
            "Errors that are bugs of ours, by where.",
            ["where"],
            registry=self.registry,
        )
