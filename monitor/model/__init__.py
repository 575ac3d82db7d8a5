"""The values that everything else speaks of: no I/O, no decisions, no English.

They are imported from here, whichever module they stand in.
"""

from monitor.model.events import (
    Alert,
    Blindness,
    Event,
    EventKind,
    Memory,
    Stall,
)
from monitor.model.matching import (
    LABEL,
    MATCH_KEYS,
    Matcher,
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
from monitor.model.statuses import (
    Kind,
    Phase,
    is_refusal,
    known_statuses,
    phase_of,
)
from monitor.model.tree import (
    Alteration,
    Entity,
    Found,
    Level,
    PastStatus,
    Snapshot,
    Target,
    Transition,
)

__all__ = [
    "LABEL",
    "MATCH_KEYS",
    "Alert",
    "Alteration",
    "Blindness",
    "Called",
    "Card",
    "Commit",
    "Entity",
    "Event",
    "EventKind",
    "Form",
    "Found",
    "HeldLine",
    "Kind",
    "Level",
    "Matcher",
    "Memory",
    "Mention",
    "MentionKind",
    "Message",
    "MessageRef",
    "NamePatterns",
    "Named",
    "Notification",
    "PastStatus",
    "Phase",
    "Snapshot",
    "Stall",
    "Subject",
    "Target",
    "Transition",
    "is_refusal",
    "known_statuses",
    "phase_of",
]
