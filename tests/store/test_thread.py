"""The thread that uses the store."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from monitor.errors import StoreError
from monitor.store import (
    Store,
    StoreThread,
)
from tests.support.clock import NOON
from tests.support.stores import note, observation, url_of


async def test_calls_are_carried_out_in_order_and_by_one_thread(store: Store) -> None:
    thread = StoreThread(store)
    done: list[tuple[int, int]] = []

    def do(number: int) -> None:
        done.append((number, threading.get_ident()))

    await asyncio.gather(*(thread.call(do, number) for number in range(50)))
    await thread.aclose()

    assert [number for number, _ in done] == list(range(50))
    assert len({ident for _, ident in done} - {threading.get_ident()}) == 1


async def test_what_the_store_refuses_reaches_the_caller(path: Path, store: Store) -> None:
    thread = StoreThread(Store.open_readonly(url_of(path)))

    with pytest.raises(StoreError, match="cannot be written"):
        await thread.call(thread.save, observation())

    await thread.aclose()


async def test_a_call_made_before_its_caller_was_cancelled_is_carried_out(path: Path) -> None:
    thread = StoreThread(Store.open(url_of(path), now=NOON))
    may_go_on = threading.Event()
    before = asyncio.create_task(thread.call(may_go_on.wait))
    saving = asyncio.create_task(thread.call(thread.save, observation(note("1"))))
    await asyncio.sleep(0)

    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    may_go_on.set()
    await before
    await thread.aclose()

    with Store.open(url_of(path), now=NOON) as store:
        assert [one.key for one in store.outbox.unsent()] == ["1"]
