"""What a person can do about a failure, by what the tools that the platform runs say of it.

Nothing is decided by these words: a reason that is not known here is shown without a hint.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class _Hint(NamedTuple):
    says: re.Pattern[str]
    advice: str


def _hint(pattern: str, advice: str) -> _Hint:
    return _Hint(re.compile(pattern, re.IGNORECASE), advice)


# The first that fits counts: what is precise stands before what many errors say.
_HINTS: Final = (
    _hint(
        r"acquiring the state lock|state (?:is |already )?locked|lock info",
        "Another run holds the Terraform state: wait for it to end, or release the lock.",
    ),
    _hint(
        r"imagepullbackoff|errimagepull|image not found|manifest (?:unknown|for .{1,200} not found)"
        r"|no image|pull access denied",
        "Check that the image was pushed with this tag and that the install may pull it.",
    ),
    _hint(
        r"crashloopbackoff|oomkilled|out of memory",
        "The new version does not stay up: look at its pods' logs and memory limits.",
    ),
    _hint(
        r"quota|limit ?exceeded|too many (?:vpcs|addresses|instances)|insufficient (?:capacity|cpu"
        r"|memory|instance)",
        "Raise the quota or free capacity in the customer's cloud account, then retry.",
    ),
    _hint(
        r"access ?denied|unauthori[sz]ed|not authori[sz]ed|forbidden|permission denied"
        r"|assumerole|expired ?token|invalid(?:client)?tokenid",
        "Check what the role that it runs with may do, then retry.",
    ),
    _hint(
        r"\bpolic(?:y|ies)\b.{0,200}\b(?:den(?:y|ied)|violat|fail|refus|not met)"
        r"|\b(?:den(?:y|ied)|violat\w+|refused)\b.{0,80}\bpolic",
        "A policy refused it: change what it refuses, or the policy.",
    ),
    _hint(
        r"no runner|runner (?:is )?(?:offline|unhealthy|unavailable|not (?:healthy|available))"
        r"|waiting for (?:a |the )?runner|available to take the job",
        "Check that the install's runner is up and healthy.",
    ),
    _hint(
        r"waiting for condition|helm (?:upgrade|install).{0,80}timed out|rollout status"
        r"|replicas ready|progress deadline",
        "The deployment did not become ready: look at its pods in the install, then retry.",
    ),
    _hint(
        r"no space left|disk ?pressure",
        "Free disk space where it ran, then retry.",
    ),
    _hint(
        r"i/o timeout|connection (?:refused|reset|timed out)|no such host|tls handshake|x509",
        "Check the network between the install's runner and what it calls, then retry.",
    ),
    _hint(
        r"unknown key|unsupported argument|invalid (?:value|configuration)|cannot (?:be )?parsed?"
        r"|syntax error|values don't meet the specification|required (?:variable|field|input)",
        "Fix the configuration of the app, and roll it out anew.",
    ),
    _hint(
        r"already exists",
        "Something else made this resource: import it or remove it, then retry.",
    ),
    _hint(
        r"deadline exceeded|timed out|timeout",
        "Look at what it waited for, and retry once that is there.",
    ),
)
_LOOKED_AT = 2_000


def hint_for(reason: str) -> str:
    """Return what can be done about a failure with such a reason; empty where that is not known."""
    looked_at = reason[:_LOOKED_AT]
    return next((hint.advice for hint in _HINTS if hint.says.search(looked_at)), "")
