"""The documents of the repository lead where they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def links(document: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the anchor of each link within the repository; either may be empty."""
    for link in _LINK.findall(document.read_text("utf-8")):
        if not link.startswith(("https://", "http://", "mailto:")):
            path, _, anchor = link.partition("#")
            yield path, anchor


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a document."""
    headings = _HEADING.findall(document.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_each_link_within_the_repository_leads_to_a_file_and_a_heading(document: Path) -> None:
    dead = [
        f"{path}#{anchor}"
        for path, anchor in links(document)
        if not (target := document.parent / path if path else document).exists()
        or (anchor and anchor not in anchors(target))
    ]

    assert dead == []


def test_each_document_is_led_to_from_the_readme_or_from_a_document_that_is() -> None:
    found = {ROOT / "README.md"}
    while (
        new := {
            (document.parent / path).resolve()
            for document in found
            for path, _ in links(document)
            if path.endswith(".md")
        }
        - found
    ):
        found |= new

    assert set(DOCUMENTS) <= found
