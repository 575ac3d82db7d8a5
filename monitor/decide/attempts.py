"""How a rollout begins, ends and begins anew: each time is an attempt with its own card."""

from __future__ import annotations

from monitor.decide.alert_book import AlertBook
from monitor.decide.diff import Difference
from monitor.decide.flapping import goes_on_in_its_card
from monitor.decide.problems import update_alerts
from monitor.decide.progress import is_in_agreement
from monitor.model import Entity, EventKind, Level, Phase, Reason, ReasonKind


def is_done_well(root: Entity) -> bool:
    """Whether a rollout has succeeded, and its parts say so too."""
    return root.phase is Phase.SUCCEEDED and is_in_agreement(root)


def note_new_attempts(book: AlertBook, difference: Difference) -> None:
    """Begin an attempt where a rollout leaves its end: people were notified of what still fails.

    It may have come to another end by the time of this poll.
    """
    if book.has_moved:
        book.remember(changed_at=book.now)
    for transition in difference.transitions:
        if transition.level is not Level.ROLLOUT:
            continue
        if _leaves_its_end(book, transition.phase_after):
            _begin_again(book)
        if transition.phase_after is Phase.FAILED and not transition.is_current:
            update_alerts(book, Level.ROLLOUT, book.root, Phase.FAILED, transition.description)
            book.remember(ended=EventKind.FAILED)


_PHASE_OF_END = {
    EventKind.SUCCEEDED: Phase.SUCCEEDED,
    EventKind.PROGRESSED: Phase.ENDED,
    EventKind.FAILED: Phase.FAILED,
}


def _leaves_its_end(book: AlertBook, phase: Phase) -> bool:
    ended = book.state.ended
    if ended is None or phase is Phase.UNKNOWN:
        return False
    return phase is not _PHASE_OF_END.get(ended, Phase.FAILED)


def _begin_again(book: AlertBook) -> None:
    """Begin another attempt; what failed twice lately goes on in the card that it has."""
    root, failed = book.root, book.alert(book.root.id, EventKind.FAILED)
    book.drop(root.id, EventKind.FAILED)
    if goes_on_in_its_card(book.state, root.id, book.now):
        book.remember(ended=None, ended_at=None)
        if failed is not None:
            reason = Reason(ReasonKind.TRIED_AGAIN)
            book.add_follow_up(failed, EventKind.PROGRESSED, Level.ROLLOUT, root, reason)
        return
    attempt = book.state.attempt + book.state.has_card
    book.remember(attempt=attempt, has_card=False, card_destinations=(), ended=None, ended_at=None)
    book.remember(groups=())  # its first failure is news again


def note_start(book: AlertBook) -> None:
    """Give an attempt its card, and say that it has begun unless it is over already."""
    if book.state.has_card or (book.state.ended and is_done_well(book.root)):
        return
    book.remember(has_card=True)
    if book.state.ended is None and not book.root.phase.is_terminal:
        reason = Reason(description=book.root.description)
        book.add(EventKind.STARTED, Level.ROLLOUT, book.root, reason)


def note_end(book: AlertBook) -> None:
    """Remember how an attempt ended, and say so; that it failed is an alert of its own."""
    root = book.root
    if book.state.ended is not None:
        return
    if is_done_well(root):
        book.remember(ended=EventKind.SUCCEEDED, ended_at=book.now)
        book.add(EventKind.SUCCEEDED, Level.ROLLOUT, root, Reason(description=root.description))
    elif root.phase is Phase.FAILED:
        book.remember(ended=EventKind.FAILED, ended_at=book.now)
    elif root.phase is Phase.ENDED:
        book.remember(ended=EventKind.PROGRESSED, ended_at=book.now)
        reason = Reason(ReasonKind.ENDED, status=root.status)
        book.add(EventKind.PROGRESSED, Level.ROLLOUT, root, reason)
