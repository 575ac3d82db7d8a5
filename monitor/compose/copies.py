"""What a copy of a message shows that cannot be deleted, since people answered it. Pure."""

from __future__ import annotations

from monitor.compose import render
from monitor.compose.render import blocks
from monitor.compose.render.pages import Page
from monitor.compose.render.sentences import Clause, sentence, spoken
from monitor.model import Message
from monitor.text import plain

_SHOWN = 150


def copy_notice(copied: Message, url: str | None) -> Message:
    """Return what stands in place of a copy; `url` leads to the message that is kept."""
    says = f"Sent twice: {plain(render.first_line(copied), _SHOWN)}"
    lines = [blocks.line(says)]
    leads_on = "This copy is not kept up to date."
    if url is None:
        lines.append(blocks.line(f"{leads_on} Look for the other message."))
    else:
        lines.append(blocks.line(f"{leads_on} ", blocks.link(url, "Open the other message")))
    page = None if url is None else Page(url, "Open the other message")
    return blocks.message(spoken(sentence(lambda _: Clause(says)), page), [lines])
