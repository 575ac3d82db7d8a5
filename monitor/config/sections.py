"""The sections of the configuration, each a frozen value with its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from monitor.config.checks import split_address
from monitor.config.values import (
    DAYS,
    BaseUrl,
    BranchId,
    Channel,
    Count,
    Day,
    Duration,
    Event,
    Few,
    Flag,
    Frozen,
    Id,
    Line,
    Listen,
    Mention,
    Pattern,
    Patterns,
    ReadableFile,
    SecretFile,
    SecretUrl,
    Some,
    StoreUrl,
    Template,
    TimeOfDay,
    TimeOrDate,
    Token,
    WorkflowType,
    Yes,
    Zone,
    expects,
)
from monitor.kinds import FINDERS, KINDS, finders_of
from monitor.kinds.profile import Finder, WatchedBy, WatchKind
from monitor.model import Target

WATCH_KINDS: Mapping[str, WatchKind | Finder] = {
    key: behind
    for kind in KINDS.values()
    for key, behind in kind.watched_keys()
    if behind.watched_by is not None
}
"""The keys of a [[watch]] that say what is watched, with the kind that each means.

A watch has exactly one of them.
"""
FINDING_KINDS = tuple(
    key for key in WATCH_KINDS if key in FINDERS or KINDS[key].lists_of is not None
)
"""The keys of lists, whose rows are followed."""
TYPED_KINDS = tuple(
    key for key in FINDING_KINDS if any(finder.lists_workflows for finder in finders_of(key))
)
"""The keys of lists that have rows with types, on one version of the platform or another."""

WHOLE_ORG = "org"
"""The id of a target that an organisation has one of."""

LISTS = ("watch", "route", "quiet", "digest")
"""The sections that are written as [[…]], any number of times."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nuon(_Section):
    """How the platform is reached. `load_config` returns none without an org and a token."""

    api_url: BaseUrl = "https://api.nuon.co"
    """Without a slash at its end."""
    org_id: Id | None = None
    api_token: Token | None = None
    api_token_file: SecretFile | None = None
    dashboard_url: BaseUrl = "https://app.nuon.co"
    """Without a slash at its end."""
    timeout: Duration = timedelta(seconds=30)
    """For one whole request, its answer included."""
    max_concurrent_requests: Count = 8
    ca_file: ReadableFile | None = None
    proxy: SecretUrl | None = None


class Slack(_Section):
    """Where messages go: by a bot token or by an incoming webhook, never both."""

    bot_token: Token | None = None
    bot_token_file: SecretFile | None = None
    webhook_url: SecretUrl | None = None
    webhook_url_file: SecretFile | None = None
    channel: Channel | None = None
    """The channel of watches that name none; for a bot token only."""
    use_app_webhooks: Flag = False
    """Whether an app's events also go to the webhook that the platform holds for it."""
    api_url: Annotated[BaseUrl, AfterValidator(lambda url: f"{url}/")] = "https://slack.com/api/"
    """With one slash at its end."""


class Poll(_Section):
    """How often the platform is asked."""

    interval: Duration = timedelta(seconds=15)
    settled_interval: Duration = timedelta(minutes=5)
    """The interval for settled targets, which may still be retried."""
    forget_after: Duration = timedelta(days=7)
    """How long after its end a target is no longer polled."""
    unreachable_after: Duration = timedelta(minutes=1)
    """How long polls in a row must fail before people are notified."""


class Stall(_Section):
    """When something that does not change is reported as stalled."""

    after: Duration = timedelta(minutes=30)
    remind_every: Duration = timedelta(hours=4)


class Notify(_Section):
    """When many changes become few messages."""

    group_interval: Duration = timedelta(minutes=5)
    """How long after a failure the further ones of a rollout are put together."""
    flapping_after: Count = 3
    """How often something may go back to failing before it is reported as flapping."""
    flapping_window: Duration = timedelta(minutes=30)
    """Within which time; what has not changed for as long is stable again."""


if TYPE_CHECKING:
    _WatchKeys = _Section
else:
    # The keys are those of the kinds of watch, each of which says by what it is watched.
    _TYPES = {WatchedBy.ID: Id, WatchedBy.BRANCH_ID: BranchId, WatchedBy.WHOLE_ORG: Yes}
    _WatchKeys = create_model(
        "_WatchKeys",
        __base__=_Section,
        **{key: (_TYPES[behind.watched_by] | None, None) for key, behind in WATCH_KINDS.items()},
    )


class Watch(_WatchKeys):
    """What to watch: one target, or all that a list finds."""

    include: tuple[Pattern, ...] = ()
    """Patterns for the names of what is followed; none means all."""
    exclude: tuple[Pattern, ...] = ()
    types: tuple[WorkflowType, ...] = ()
    """The platform's words for what the workflows do that are followed; none means all."""
    limit: Count = 20
    """How many at most are followed at one time."""
    name: Line | None = None
    channel: Channel | None = None
    interval: Duration | None = None
    labels: Annotated[
        Mapping[str, str],
        Frozen,
        expects('a table of texts such as { team = "core" }', hides_value=True),
    ] = Field(default_factory=lambda: MappingProxyType({}))

    @property
    def target(self) -> Target:
        (kind,) = (kind for kind in WATCH_KINDS if getattr(self, kind) is not None)
        is_whole_org = WATCH_KINDS[kind].watched_by is WatchedBy.WHOLE_ORG
        return Target(kind, WHOLE_ORG if is_whole_org else getattr(self, kind))


class Match(_Section):
    """What a route is for; a key without a pattern asks for nothing."""

    kind: Patterns = ()
    app: Patterns = ()
    component: Patterns = ()
    install: Patterns = ()
    installer: Patterns = ()
    watch: Patterns = ()
    name: Patterns = ()
    started_by: Patterns = ()
    labels: Annotated[Mapping[Line, Patterns], Some, Frozen] = Field(
        default_factory=lambda: MappingProxyType({})
    )


class Route(_Section):
    """Who is notified of what. The first route that fits is the last unless it `continues`."""

    name: Line | None = None
    """The name that quiet windows and `route test` use for it."""
    events: tuple[Event, ...] = ()
    """None of them means all."""
    match: Match = Field(default_factory=Match)
    channel: Channel | None = None
    webhook_url: SecretUrl | None = None
    webhook_url_file: SecretFile | None = None
    drop: Flag = False
    """Whether nobody is notified; otherwise there is a channel or a webhook."""
    mention: tuple[Mention, ...] = ()
    continues: Flag = Field(default=False, alias="continue")
    min_failed: Count = 1
    """How many installs must have failed."""
    lasting: Duration | None = None
    """How long it must last."""
    group_interval: Duration | None = None
    """Instead of `notify.group_interval`."""


class Quiet(_Section):
    """When people are not to be notified: at certain hours of certain days, or once."""

    name: Line | None = None
    days: Annotated[tuple[Day, ...], Some] = DAYS
    """On which it begins."""
    begins: TimeOrDate = Field(alias="from")
    ends: TimeOrDate = Field(alias="to")
    """A time of day that is not after `begins` is on the next day."""
    zone: Zone = ZoneInfo("UTC")
    then: Annotated[Literal["summary", "drop"], expects('"summary" or "drop"')] = "summary"
    routes: tuple[Line, ...] = ()
    """By their names; none of them means all."""
    events: tuple[Event, ...] = ()
    """Which are held; none of them means all."""

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if isinstance(self.begins, time) != isinstance(self.ends, time):
            raise ValueError('expected "from" and "to" both as times of day, or both as dates')
        if self.once and "days" in self.model_fields_set:
            raise ValueError('"days" has no meaning where "from" and "to" are dates')
        if self.once and self.once[0] >= self.once[1]:
            raise ValueError('expected a "to" that is later than "from"')
        return self

    @property
    def hours(self) -> tuple[time, time] | None:
        """From when to when on each of the `days`, in its `zone`; None for what is only once."""
        if isinstance(self.begins, time) and isinstance(self.ends, time):
            return self.begins, self.ends
        return None

    @property
    def once(self) -> tuple[datetime, datetime] | None:
        """From when to when, both UTC; None for what is every week."""
        if isinstance(self.begins, datetime) and isinstance(self.ends, datetime):
            return self._utc(self.begins), self._utc(self.ends)
        return None

    def _utc(self, moment: datetime) -> datetime:
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)


class Digest(_Section):
    """A summary of what happened, sent at a time of day."""

    channel: Channel | None = None
    every: Annotated[Literal["day", "week"], expects('"day" or "week"')] = "day"
    at: TimeOfDay = time(9)
    on: Day = "mon"
    """Of the week, where it is sent every week."""
    zone: Zone = ZoneInfo("UTC")


class Templates(_Section):
    """The user's own templates, in Jinja2; `load_config` refuses invalid ones."""

    title: Template | None = None
    fields: Annotated[Mapping[Line, Template], Few, Frozen] = Field(
        default_factory=lambda: MappingProxyType({})
    )
    links: Annotated[Mapping[Line, Template], Few, Frozen] = Field(
        default_factory=lambda: MappingProxyType({})
    )


class Store(_Section):
    """Where snapshots and the outbox are kept."""

    url: StoreUrl = "sqlite:///nuon-monitor.db"
    keep: Duration = timedelta(days=90)


class Http(_Section):
    """Where the status page, health and metrics are served."""

    listen: Listen = "127.0.0.1:8080"

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port; None if nothing is to be served."""
        return split_address(self.listen) if self.listen else None


class Log(_Section):
    """What is logged, to standard output."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        expects('"debug", "info", "warning" or "error"'),
    ] = "info"
    format: Annotated[Literal["auto", "text", "json"], expects('"auto", "text" or "json"')] = "auto"


class Heartbeat(_Section):
    """A dead man's switch: called as long as all is well."""

    url: SecretUrl | None = None
    url_file: SecretFile | None = None
    fail_url: SecretUrl | None = None
    """Called with the reason while all is not well."""
    fail_url_file: SecretFile | None = None
