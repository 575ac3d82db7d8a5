"""Why there is an event: a kind of reason and its arguments. The words for it are composed."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ReasonKind(StrEnum):
    """What kind of reason it is; the comments name the arguments of those that have some."""

    PLATFORM = "platform"
    """The platform explains it in its own words, which may be none (`description`)."""

    BEGUN = "begun"
    DONE = "done"
    ENDED = "ended"
    """It came to an end that is neither success nor failure (`status`)."""
    ENDED_UNCOUNTED = "ended uncounted"
    """Such an end of a unit that its step does not count as one (`status`)."""
    UNKNOWN_STATUS = "unknown status"
    """It has a status that this version does not know (`status`)."""

    TRIED_AGAIN = "tried again"
    SUCCEEDED_AFTER_FAILING = "succeeded after failing"
    SUCCEEDED_INSTEAD = "succeeded instead"
    """It took the place of another that had failed (`status`, `before`: what that is called)."""
    WENT_ON = "went on"
    """It waited for a person, and goes on."""
    APPROVED = "approved"
    """It waited for an approval, and has it (`by`, and `description`, the note)."""
    DENIED = "denied"
    """It waited for an approval, and was refused it (`by`, `description`)."""
    SENT_BACK = "sent back"
    """It waited for an approval, and is to be planned anew (`by`, `description`)."""
    WAITS_NO_LONGER = "waits no longer"
    """A list of what waits does not name it any more."""
    WAITS_AFTER_ALL = "waits after all"
    """It was taken to wait no longer, and the list names it again."""
    TIMES_WENT_BACK = "times went back"
    """The platform shows an older state again and keeps to it: its own times went back."""
    MOVES_AGAIN = "moves again"

    NEW_STATUS = "new status"
    """Something without an end changed (`status`)."""
    LEFT_STATUS = "left status"
    """Something without an end is not well any more (`before`, `status`)."""
    FACT_ADDED = "fact added"
    """Of something without an end a fact became known (`fact`)."""
    FACT_CHANGED = "fact changed"
    """A fact has another value (`fact`, `value`)."""
    ADDED = "added"
    ADDED_AGAIN = "added again"
    REMOVED = "removed"

    FLAPPING = "flapping"
    """It goes back to failing again and again (`value`: how often it has failed)."""
    STABLE_AGAIN = "stable again"
    """It flapped, and has not changed for long (`value`)."""

    DEAD_END = "dead end"
    """Stalled: all open units of a step ended in a way that the platform does not count
    (`ends`, the statuses that they ended with)."""
    QUIET = "quiet"
    """Stalled: nothing changed for as long as `stall.after` says (`silence`, `limit`)."""
    AWAITS_BUILD = "awaits build"
    """Stalled: its build has not ended for longer than the platform itself waits for it
    (`silence`, `limit`)."""
    GIVEN_UP = "given up"
    """Stalled: nothing changed for longer than the platform itself keeps working at a release
    (`silence`, `limit`)."""
    DISAGREES = "disagrees"
    """Stalled: the rollout says that it succeeded, its parts do not."""


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why there is an event or an alert. The arguments are foreign text, as it came.

    `by` is who did it: an e-mail address, or the id of an account. `silence` is for how long
    nothing had changed when it was noticed, `limit` for how long that is no news, in seconds.
    Nothing may be decided by `description`: what the platform says is for people.
    """

    kind: ReasonKind = ReasonKind.PLATFORM
    description: str = ""
    status: str = ""
    before: str = ""
    fact: str = ""
    value: str = ""
    by: str = ""
    ends: tuple[str, ...] = ()
    silence: int = 0
    limit: int = 0
