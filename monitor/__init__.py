"""Watches what is being rolled out on Nuon and tells people in Slack what happens."""

__version__ = "0.1.0"
