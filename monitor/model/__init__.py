"""The values that all other packages work with: no I/O, no decisions, no English.

They are imported from here, not from the modules that define them.
"""

from monitor.model.events import (
    Alert,
    Claim,
    Event,
    EventKind,
    Flaps,
    FormerValues,
    Group,
    Outage,
    TargetState,
)
from monitor.model.matching import (
    LABEL,
    MATCH_KEYS,
    Matcher,
    Mismatch,
    Named,
    NamePatterns,
    Subject,
)
from monitor.model.messages import (
    Card,
    Form,
    HeldLine,
    Mention,
    MentionKind,
    Message,
    MessageRef,
    Notification,
)
from monitor.model.names import (
    Called,
    Commit,
)
from monitor.model.outage_keys import OutageKey
from monitor.model.reasons import (
    Reason,
    ReasonKind,
)
from monitor.model.statuses import (
    Kind,
    Phase,
    is_refusal,
    known_statuses,
    phase_of,
    plain_word,
    status_words,
)
from monitor.model.tree import (
    Alteration,
    Entity,
    Found,
    Level,
    ListPage,
    PastStatus,
    Snapshot,
    Target,
    Transition,
)
from monitor.model.urgency import (
    Urgency,
    urgency_of,
)
from monitor.model.watches import (
    Watch,
    WatchSettings,
)

__all__ = [
    "LABEL",
    "MATCH_KEYS",
    "Alert",
    "Alteration",
    "Called",
    "Card",
    "Claim",
    "Commit",
    "Entity",
    "Event",
    "EventKind",
    "Flaps",
    "Form",
    "FormerValues",
    "Found",
    "Group",
    "HeldLine",
    "Kind",
    "Level",
    "ListPage",
    "Matcher",
    "Mention",
    "MentionKind",
    "Message",
    "MessageRef",
    "Mismatch",
    "NamePatterns",
    "Named",
    "Notification",
    "Outage",
    "OutageKey",
    "PastStatus",
    "Phase",
    "Reason",
    "ReasonKind",
    "Snapshot",
    "Subject",
    "Target",
    "TargetState",
    "Transition",
    "Urgency",
    "Watch",
    "WatchSettings",
    "is_refusal",
    "known_statuses",
    "phase_of",
    "plain_word",
    "status_words",
    "urgency_of",
]
