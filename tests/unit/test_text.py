from __future__ import annotations

import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.text import counted, duration_words, join_names, mrkdwn_escape, plain, short_id

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f\u200d\U0001f525"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        pytest.param("acme-prod", "acme-prod", id="an ordinary name"),
        pytest.param("  a\n\tb\r\n c ", "a b c", id="white space"),
        pytest.param("a\u2028b\u2029c\u00a0d\u3000e", "a b c d e", id="white space of Unicode"),
        pytest.param("a\x00b\x07c\x7fd\x9be", "abcde", id="control characters"),
        pytest.param("\x1b[31m│ Error\x1b[0m: no", "│ Error: no", id="colours of a terminal"),
        pytest.param("\x1b]8;;http://x\x07here\x1b]8;;\x07", "here", id="a terminal's link"),
        pytest.param("pay\u202egpj.exe", "paygpj.exe", id="a turned direction of writing"),
        pytest.param("ac\u200bm\u2060e\ufeff", "acme", id="zero-width characters"),
        pytest.param("a\ufe0fb\U000e0100c\U000e0041", "abc", id="variation selectors and tags"),
        pytest.param("a\ud800b\udfff", "ab", id="half characters"),
        pytest.param(FAMILY, FAMILY, id="an emoji of several"),
        pytest.param(
            "\u26a0\ufe0f 1\ufe0f\u20e3", "\u26a0\ufe0f 1\ufe0f\u20e3", id="signs as emoji"
        ),
        pytest.param(PERSIAN, PERSIAN, id="letters that Persian keeps apart"),
        pytest.param("a\u200cc\u200dme\u200d", "acme", id="joiners that join nothing"),
        pytest.param("x\u3164\u2800y", "x y", id="fillers that look empty"),
        pytest.param("Z\u0301\u0302\u0303\u0304a\u0301", "Z\u0301\u0302a\u0301", id="towers"),
        pytest.param("łódź 東京 कार्य 🚀", "łódź 東京 कार्य 🚀", id="other languages"),
        pytest.param("", "(no text)", id="nothing"),
        pytest.param("\u200b \u202e", "(no text)", id="nothing that can be seen"),
    ],
)
def test_foreign_text_becomes_one_visible_line(foreign: str, shown: str) -> None:
    assert plain(foreign, 100) == shown


def test_a_long_text_is_cut_and_says_so() -> None:
    assert plain("helm upgrade timed out", 12) == "helm upgrad…"
    assert plain("helm upgrade", 12) == "helm upgrade"


def test_a_cut_never_leaves_a_blank_before_the_dots() -> None:
    assert plain("helm upgrade", 6) == "helm…"


def test_a_name_that_cannot_be_seen_is_replaced_by_what_the_caller_says() -> None:
    assert plain("\u200b", 10, fallback="(no name)") == "(no name)"


@pytest.mark.parametrize("unit", ["x", "e\u0301", ":", "\x1b[31m!"])
def test_of_a_megabyte_the_beginning_is_shown(unit: str) -> None:
    shown = plain(unit * 1_000_000, 300)

    assert len(shown) <= 300
    assert shown.endswith("…")


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 50))
def test_whatever_comes_in_is_shown_visibly_within_its_limit(foreign: str, limit: int) -> None:
    shown = plain(foreign, limit, fallback="?")

    assert 1 <= len(shown) <= limit
    assert "\n" not in shown
    hidden = {"Cc", "Cs", "Zl", "Zp"}
    assert not [c for c in shown if unicodedata.category(c) in hidden]


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 50))
def test_what_was_made_harmless_once_stays_as_it_is(foreign: str, limit: int) -> None:
    shown = plain(foreign, limit)

    assert plain(shown, max(limit, len(shown))) == shown


@pytest.mark.parametrize(
    ("shown", "escaped"),
    [
        pytest.param("<!channel> & <@U1>", "&lt;!channel&gt; &amp; &lt;@U1&gt;", id="pings"),
        pytest.param("see https://x.example", "see https:\u2060//x.example", id="a bare address"),
        pytest.param("*bold* ~gone~ `code`", "∗bold∗ ∼gone∼ ʹcodeʹ", id="formats"),
        pytest.param("_quiet_", "ˍquietˍ", id="italics"),
        pytest.param("creating_install_deploys", "creating_install_deploys", id="an id's word"),
        pytest.param("aws_subnet.__private", "aws_subnet.__private", id="an address of Terraform"),
        pytest.param(
            "*.a.example, *.b.example", "*.a.example, *.b.example", id="stars of a pattern"
        ),
        pytest.param("a*b*c ~5 min ~/x", "a*b*c ~5 min ~/x", id="signs that format nothing"),
        pytest.param("all :tada: done", "all :\u2060tada: done", id="an emoji"),
        pytest.param("helm: timed out", "helm: timed out", id="an ordinary colon"),
    ],
)
def test_mrkdwn_shows_foreign_text_as_it_is(shown: str, escaped: str) -> None:
    assert mrkdwn_escape(shown) == escaped


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (4 * 60 + 59, "4 min"),
        (3600, "1 h"),
        (80 * 60, "1 h 20 min"),
        (24 * 3600, "1 d"),
        (51 * 3600, "2 d 3 h"),
        (2000 * 24 * 3600, "2,000 d"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert duration_words(timedelta(seconds=seconds)) == words


def test_an_id_is_shortened_to_what_one_recognises_it_by() -> None:
    assert short_id("relk2v9q7m3x8c4b6n1z5w0y2a") == "relk2v9…"
    assert short_id("rel1") == "rel1"
    assert short_id("") == "(no id)"


def test_counts_agree_with_their_nouns() -> None:
    assert counted(1, "install") == "1 install"
    assert counted(0, "step") == "0 steps"
    assert counted(12_000, "install") == "12,000 installs"


def test_names_are_listed_as_people_list_them() -> None:
    assert join_names(["a"]) == "a"
    assert join_names(["a", "b", "c"]) == "a, b and c"
    assert join_names(["a", "b", "c"], 7) == "a, b, c and 4 more"
    assert join_names(["a", "b"], 2) == "a and b"
