"""One attempt at a post or an edit: it is sent, and the next step is carried out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from monitor.deliver.failures import Failures
from monitor.deliver.health import DeliveryHealth
from monitor.deliver.pace import Pacer, QueuePace
from monitor.deliver.reach import Reach
from monitor.deliver.retry import (
    PROBE_CHANNEL,
    Affected,
    AsPlainText,
    Attempt,
    Kind,
    LoseCard,
    NextStep,
    SetAside,
    Wait,
    next_step,
)
from monitor.deliver.sending import Destination, Sending
from monitor.errors import DestinationRejected, DestinationUnavailable, Refusal, StoreError

log = structlog.get_logger(__name__)

_OWN_MISTAKE = "a mistake of the monitor's own: its log says which"
_NO_DESTINATION = "the configuration has no such destination now"


@dataclass(frozen=True, slots=True)
class Attempts:
    """Makes attempts. `destination_for` returns None for a destination that is not known.

    What is for it waits while it `may_come`, and is set aside otherwise.
    """

    destination_for: Callable[[str], Destination | None]
    may_come: Callable[[str], bool]
    health: DeliveryHealth
    reach: Reach
    pacer: Pacer
    failures: Failures
    now: Callable[[], datetime]
    jitter: Callable[[], float] = field(default=random.random)

    async def make(self, sending: Sending) -> None:
        """Send a post or an edit, and carry out the next step."""
        destination = self.destination_for(sending.destination)
        if destination is None:
            await self._pass_over(sending)
            return
        try:
            await sending.begin()
            await self._send(sending, destination, is_plain_text=False)
        except StoreError:
            raise
        except Exception:
            # Whatever is wrong with it is not to hold up the others; the caller reports it.
            failure = DestinationUnavailable(_OWN_MISTAKE, in_doubt=not sending.is_edit)
            again = self._next_step(failure, sending, destination, is_plain_text=True)
            await self._take(again, sending, _OWN_MISTAKE)
            raise

    async def _pass_over(self, sending: Sending) -> None:
        """Send nothing: there is nowhere to send it."""
        if not self.may_come(sending.destination):
            await sending.set_aside(_NO_DESTINATION)
            return
        step = Wait(self.now() + PROBE_CHANNEL, affected=Affected.DESTINATION)
        self._queue_of(sending, step).take_note(step, sending.log_fields.get("key"))
        await sending.wait(step, _NO_DESTINATION)

    async def _send(
        self, sending: Sending, destination: Destination, *, is_plain_text: bool
    ) -> None:
        try:
            await sending.send(destination, is_plain_text=is_plain_text)
        except (DestinationUnavailable, DestinationRejected) as error:
            failure = error
        else:
            self._queue_of(sending).note_accepted()
            if not sending.is_edit:
                self.failures.note_accepted(sending.destination, _key_of(sending))
            await self.health.accepted(sending.destination, is_edit=sending.is_edit)
            await sending.finish()
            return
        step = self._next_step(failure, sending, destination, is_plain_text=is_plain_text)
        if isinstance(step, AsPlainText):
            log.warning("sent_as_plain_text", error=str(failure), **sending.log_fields)
            await self._send(sending, destination, is_plain_text=True)
            return
        self.health.failed(failure)
        await self._take(step, sending, str(failure))
        await self.reach.check_after(failure, destination)

    def _next_step(
        self,
        failure: DestinationUnavailable | DestinationRejected,
        sending: Sending,
        destination: Destination,
        *,
        is_plain_text: bool,
    ) -> NextStep:
        queue = self._queue_of(sending)
        attempt = replace(
            sending.attempt(failure, is_plain_text=is_plain_text),
            queue_failures=queue.failures,
            queue_limits=queue.limits,
            is_probe=not destination.keeps_cards,
        )
        if _may_pass(failure, attempt):
            failing = self.failures.note_failure(sending.destination, _key_of(sending), self.now())
            attempt = replace(attempt, failing=failing)
        return next_step(failure, attempt, self.now(), jitter=self.jitter())

    async def _take(self, step: NextStep, sending: Sending, reason: str) -> None:
        match step:
            case Wait():
                self._queue_of(sending, step).take_note(step, sending.log_fields.get("key"))
                await sending.wait(step, reason)
                if step.affected is Affected.DESTINATION:
                    # After a crash before this, the next attempt is refused again.
                    await self.health.refused(sending.destination, reason)
            case LoseCard():
                await sending.lose_card(step, reason)
            case SetAside():
                if not sending.is_edit:
                    self.failures.note_given_up(sending.destination, _key_of(sending), self.now())
                await sending.set_aside(reason)

    def _queue_of(self, sending: Sending, step: Wait | None = None) -> QueuePace:
        """Return the queue of a post or an edit; what a channel refuses holds up its edits only."""
        if not sending.is_edit:
            return self.pacer.posts(sending.destination)
        if step is not None and step.affected is Affected.DESTINATION:
            return self.pacer.edits_of(sending.destination)
        return self.pacer.edits


def _key_of(posting: Sending) -> str:
    return posting.log_fields["key"]


def _may_pass(failure: DestinationUnavailable | DestinationRejected, attempt: Attempt) -> bool:
    """Whether a post itself failed, for a reason that may end, or may not, without anyone's help.

    Sent as plain text, its blocks cannot be that reason.
    """
    if attempt.kind is Kind.EDIT:
        return False
    if isinstance(failure, DestinationUnavailable):
        return failure.retry_after is None
    return failure.refusal is Refusal.UNKNOWN and attempt.is_plain_text
