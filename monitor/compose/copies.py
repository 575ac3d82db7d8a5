"""What a copy of a message shows that cannot be deleted, since people answered it. Pure."""

from __future__ import annotations

import html

from monitor.compose.render import blocks
from monitor.model import Message
from monitor.text import plain

_SHOWN = 150


def copy_notice(copied: Message, url: str | None) -> Message:
    """Return what stands in place of a copy; `url` leads to the message that is kept."""
    first_line = html.unescape(copied.text.partition("\n")[0])
    lines = [blocks.line(f"Sent twice: {plain(first_line, _SHOWN)}")]
    leads_on = "This copy is not kept up to date."
    if url is None:
        lines.append(blocks.line(f"{leads_on} Look for the other message."))
    else:
        lines.append(blocks.line(f"{leads_on} ", blocks.link(url, "Open the other message")))
    return blocks.bare_message((), lines)
