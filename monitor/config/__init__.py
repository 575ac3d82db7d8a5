"""The configuration: a TOML file, the environment and files with secrets, as one frozen value.

Four layers, the higher ones first: variables that begin with `NUON_MONITOR_`, the file, the
variables that the platform's and Slack's own tools read, the defaults. pydantic-settings
merges them. What pydantic-settings ignores (a missing file, an unknown variable) is checked
here, and all problems are reported together, in one `ConfigError`.

A secret's value is in no message and in no `repr`.
"""

from monitor.config.checks import format_duration, parse_duration
from monitor.config.doubts import doubts, warnings
from monitor.config.files import ConfigFile, find_config
from monitor.config.loading import Config, Loaded, load_config, load_with_file
from monitor.config.sections import (
    FINDING_KINDS,
    WATCH_KINDS,
    Digest,
    Heartbeat,
    Http,
    Log,
    Match,
    Notify,
    Nuon,
    Poll,
    Quiet,
    Route,
    Slack,
    Stall,
    Store,
    Templates,
    Watch,
)
from monitor.config.values import DAYS

__all__ = [
    "DAYS",
    "FINDING_KINDS",
    "WATCH_KINDS",
    "Config",
    "ConfigFile",
    "Digest",
    "Heartbeat",
    "Http",
    "Loaded",
    "Log",
    "Match",
    "Notify",
    "Nuon",
    "Poll",
    "Quiet",
    "Route",
    "Slack",
    "Stall",
    "Store",
    "Templates",
    "Watch",
    "doubts",
    "find_config",
    "format_duration",
    "load_config",
    "load_with_file",
    "parse_duration",
    "warnings",
]
