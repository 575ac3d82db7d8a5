"""Patterns and mentions: what they mean, and what they are not taken for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import MATCH_KEYS, EventKind, Matcher, Mention, MentionKind, Subject
from tests.support.builders import fixed

# Mentions


@pytest.mark.parametrize(
    ("word", "mention"),
    [
        ("@here", Mention(MentionKind.HERE)),
        ("@channel", Mention(MentionKind.CHANNEL)),
        ("started_by", Mention(MentionKind.STARTED_BY)),
        ("U024BE7LH", Mention(MentionKind.USER, "U024BE7LH")),
        ("W024BE7LH", Mention(MentionKind.USER, "W024BE7LH")),
        ("S0614TZR7", Mention(MentionKind.GROUP, "S0614TZR7")),
    ],
)
def test_a_word_of_the_configuration_says_whom_to_mention(word: str, mention: Mention) -> None:
    assert Mention.of(word) == mention


@pytest.mark.parametrize("word", ["", "@everyone", "user", "C024BE7LH"])
def test_a_word_that_means_nobody_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="nobody that can be mentioned"):
        Mention.of(word)


# Patterns


# Few letters, so that patterns and texts meet; among them what means something to others.
LETTERS = "aB.[\\\n"
TEXTS = st.text(LETTERS, max_size=6)


def about(text: str) -> Subject:
    return Subject(event=EventKind.FAILED, name=text)


def does_match(pattern: str, text: str) -> bool:
    return Matcher({"name": (pattern,)}).matches(about(text))


def plainly_matches(pattern: str, text: str) -> bool:
    """Try everything that a star may stand for."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return plainly_matches(pattern[1:], text) or (
            bool(text) and plainly_matches(pattern, text[1:])
        )
    is_same = bool(text) and pattern[0] in ("?", text[0])
    return is_same and plainly_matches(pattern[1:], text[1:])


@fixed(500)
@given(st.text(LETTERS + "*?", max_size=6), TEXTS)
def test_a_pattern_means_nothing_special_but_star_and_question_mark(
    pattern: str, text: str
) -> None:
    assert does_match(pattern, text) == plainly_matches(pattern.lower(), text.lower())


@fixed(100)
@given(TEXTS)
def test_a_text_matches_itself_and_a_star_in_any_case(text: str) -> None:
    assert does_match(text, text)
    assert does_match(text.swapcase(), text)
    assert does_match("*", text)


@fixed(100)
@given(st.text(LETTERS + "*?", min_size=1, max_size=6), st.sampled_from(MATCH_KEYS))
def test_what_is_not_known_matches_no_pattern_but_stars(pattern: str, key: str) -> None:
    unknown = Subject(event=EventKind.FAILED)

    assert Matcher({key: (pattern,)}).matches(unknown) == (set(pattern) == {"*"})


@fixed(100)
@given(st.lists(st.text(LETTERS + "*?", min_size=1, max_size=4), min_size=1, max_size=4), TEXTS)
def test_any_pattern_of_a_key_is_enough(patterns: list[str], text: str) -> None:
    together = Matcher({"name": tuple(patterns)}).matches(about(text))

    assert together == any(does_match(pattern, text) for pattern in patterns)


def test_a_matcher_without_patterns_matches_everything() -> None:
    assert Matcher().matches(Subject(event=EventKind.REMOVED))


def test_a_hostile_name_is_soon_found_not_to_match() -> None:
    # Trying every place for every star would take longer than the world stands.
    assert not does_match("*a" * 30 + "b", "a" * 20_000)
