from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.compose.template_language import TEMPLATE_LIMIT
from monitor.compose.templates import (
    FIELD_LIMIT,
    LINK_LIMIT,
    TITLE_LIMIT,
    VARIABLES,
    Facts,
    FilledTemplates,
    MessageTemplates,
)
from monitor.errors import ConfigError
from monitor.text import plain

CHECKOUT = Facts(
    kind="release",
    name="checkout-api",
    component="checkout-api",
    revision="4f2a9c1d77",
    commit_message="Take payments <fast> & *safely*",
    started_by="anna@vendor.example",
    installs=48,
    succeeded=31,
    failed=1,
    labels={"team": "payments", "cost-center": "0815", "items": "none"},
)


def said(template: str, facts: Facts = CHECKOUT) -> str | None:
    return MessageTemplates.of(template, {}, {}).fill(facts).title


def linked(template: str, facts: Facts = CHECKOUT) -> str | None:
    filled = MessageTemplates.of(None, {}, {"Runbook": template}).fill(facts)
    return dict(filled.links).get("Runbook")


def mistakes(
    title: str | None = None,
    fields: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        MessageTemplates.of(title, fields or {}, links or {})
    return [str(problem) for problem in caught.value.problems]


# What templates are for


def test_a_title_a_field_and_a_link_are_said_in_the_users_own_words() -> None:
    templates = MessageTemplates.of(
        "{{ labels.team|upper }}: {{ name }} ({{ revision[:7] }})",
        {"Team": "{{ labels.team }}", "By": "{{ started_by }}"},
        {"Runbook": "https://wiki.vendor.example/{{ component }}?by={{ started_by }}"},
    )

    assert templates.fill(CHECKOUT) == FilledTemplates(
        title="PAYMENTS: checkout-api (4f2a9c1)",
        fields=(("Team", "payments"), ("By", "anna@vendor.example")),
        links=(("Runbook", "https://wiki.vendor.example/checkout-api?by=anna%40vendor.example"),),
    )


@pytest.mark.parametrize(
    ("template", "title"),
    [
        pytest.param("{{ (100 * succeeded / installs)|round }} %", "65 %", id="a percentage"),
        pytest.param("{{ (succeeded / installs)|round(2) }}", "0.65", id="a rounded fraction"),
        pytest.param("{% if failed %}in trouble{% else %}well{% endif %}", "in trouble", id="if"),
        pytest.param("{{ 'bad' if failed > 1 else 'good' }}", "good", id="an inline if"),
        pytest.param("{{ app|default('no app') }}", "no app", id="a default for what is blank"),
        pytest.param("{{ failed|default('x') }}", "1", id="no default for a number"),
        pytest.param("{{ name|replace('-', ' ')|capitalize }}", "Checkout api", id="replace"),
        pytest.param("{{ name|truncate(9) }}", "checkout…", id="truncate"),
        pytest.param("{{ name ~ '/' ~ installs }}", "checkout-api/48", id="joined texts"),
        pytest.param("{{ labels['cost-center'] }}", "0815", id="a label with a hyphen"),
        pytest.param("{{ labels.items }}", "none", id="a label named like something of Python's"),
        pytest.param(
            "{{ labels }}",
            "team: payments, cost-center: 0815, items: none",
            id="all labels",
        ),
        pytest.param("{{ 'api' in name }}", "True", id="a part of a text"),
        pytest.param("a\n  b\t{# unseen #}c", "a b c", id="one line"),
    ],
)
def test_a_template_has_values_conditions_and_filters(template: str, title: str) -> None:
    assert said(template) == title


@pytest.mark.parametrize("template", ["", "  ", "{{ labels.nobody }}", "{{ app }}", "\u200b"])
def test_a_blank_title_leaves_the_built_in_one(template: str) -> None:
    assert MessageTemplates.of(template, {}, {}).fill(CHECKOUT) == FilledTemplates()


def test_a_field_that_came_out_blank_is_left_out() -> None:
    templates = MessageTemplates.of(None, {"Squad": "{{ labels.squad }}", "App": "{{ name }}"}, {})

    assert templates.fill(CHECKOUT) == FilledTemplates(fields=(("App", "checkout-api"),))


def test_without_templates_there_is_nothing_to_say() -> None:
    assert MessageTemplates.none().fill(CHECKOUT) == FilledTemplates()


def test_every_fact_is_a_variable_with_a_meaning() -> None:
    assert [fact.name for fact in fields(Facts)] == list(VARIABLES)
    assert all(VARIABLES.values())


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_can_be_used(name: str) -> None:
    assert MessageTemplates.of(f"{{{{ {name} }}}}", {}, {}).fill(CHECKOUT).problems == ()


# What is wrong with a template, said when the configuration is checked


@pytest.mark.parametrize(
    ("template", "mistake"),
    [
        pytest.param(
            "{{ componnet }}", "unknown variable `componnet`; did you mean component?", id="a slip"
        ),
        pytest.param("{{ name|uper }}", "unknown filter `uper`; did you mean upper?", id="filter"),
        pytest.param(
            "{{ name|join }}",
            "unknown filter `join`; known are capitalize, default, lower, replace, round,"
            " truncate, upper",
            id="a filter that is not ours",
        ),
        pytest.param(
            "{{ name|urlencode }}",
            "no filter `urlencode` is needed: values are escaped and quoted by themselves",
            id="a needless filter",
        ),
        pytest.param(
            "{{ component.name }}",
            "`.name` cannot be used here: only labels have parts",
            id="a part of what has none",
        ),
        pytest.param(
            "a\n\n{{ compnent }}",
            "line 3: unknown variable `compnent`; did you mean component?",
            id="the line",
        ),
        pytest.param(
            "{{ name",
            "no sound template: unexpected end of template, expected 'end of print statement'.",
            id="an open brace",
        ),
        pytest.param(
            "\n{% if failed %}x",
            "no sound template: line 2: Unexpected end of template. Jinja was looking for the"
            " following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to be"
            " closed is 'if'.",
            id="an open if",
        ),
        pytest.param(
            "{{ name + 1 }}",
            'cannot be filled in: can only concatenate str (not "int") to str',
            id="text and number",
        ),
        pytest.param("{{ 1 / 0 }}", "cannot be filled in: division by zero", id="by zero"),
        pytest.param(
            "x" * (TEMPLATE_LIMIT + 1), "a template of at most 500 characters", id="too long"
        ),
    ],
)
def test_a_mistake_is_said_with_what_would_be_right(template: str, mistake: str) -> None:
    assert mistakes(template) == [f"templates.title: {mistake}"]


def test_every_mistake_is_said_with_its_place() -> None:
    assert mistakes(
        "{{ nmae }} {{ stauts }}",
        {"Team": "{{ labels.team }}", "Took": "{{ tok }}"},
        {"Runbook": "wiki/{{ name }}"},
    ) == [
        "templates.title: unknown variable `nmae`; did you mean name?",
        "templates.title: unknown variable `stauts`; did you mean status?",
        "templates.fields.Took: unknown variable `tok`; did you mean took?",
        "templates.links.Runbook: cannot be filled in: no http or https address: wiki/checkout-api",
    ]


@pytest.mark.parametrize("name", ["", " ", "\u200b"])
def test_a_field_needs_a_name_that_can_be_read(name: str) -> None:
    assert mistakes(fields={name: "x"}) == [
        "templates.fields: each needs a name that can be read",
    ]


def test_a_name_that_no_button_can_hold_is_a_mistake() -> None:
    [mistake] = mistakes(links={"R" * 76: "https://wiki.example/"})

    assert mistake.endswith(": a name of at most 75 characters")


# Hostile templates


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(10**9) %}{{ i }}{% endfor %}",
        "{% for a in name %}{{ a }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set x = name %}{{ x }}",
        "{% set x %}{{ name }}{% endset %}",
        "{% with x = name %}{{ x }}{% endwith %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import system %}",
        "{% extends 'base' %}",
        "{% block b %}{% endblock %}",
        "{% filter upper %}x{% endfilter %}",
        "{% call name() %}{% endcall %}",
        "{% autoescape false %}{{ name }}{% endautoescape %}",
        "{{ 'a' * 10**9 }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 1000000000 * 'a' }}",
        "{{ [name] * 1000000000 }}",
        "{{ name * installs }}",
        "{{ labels.x * 3 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ name|center(1000000000) }}",
        "{{ name|format(1) }}",
        "{{ range(1000000000)|list }}",
        "{{ lipsum(1000) }}",
        "{{ cycler('a') }}",
        "{{ namespace() }}",
        "{{ self }}",
        "{{ self._TemplateReference__context }}",
        "{{ name.__class__.__mro__ }}",
        "{{ ''['__class__']['__mro__'] }}",
        "{{ name.upper() }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ name|attr('__class__') }}",
        "{{ name|map('upper') }}",
        "{{ name is defined }}",
        "{{ {'a': 1} }}",
        "{{ '\\x' }}",
        "{{" + "(" * 240 + "1" + ")" * 240 + "}}",
        "{{" + "[" * 240 + "1" + "]" * 240 + "}}",
        "{{" + "9*" * 240 + "9 }}",
    ],
)
def test_what_could_loop_grow_or_reach_out_is_no_template(template: str) -> None:
    assert mistakes(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ labels.__class__ }}",
        "{{ labels['__class__'] }}",
        "{{ name['__class__'] }}",
        "{{ name['upper'] }}",
        "{{ labels['get'] }}",
    ],
)
def test_nothing_behind_a_value_can_be_reached(template: str) -> None:
    assert said(template) is None


@pytest.mark.parametrize(
    "template",
    [
        "{{ name" + "|replace('', name)" * 25 + " }}",
        "{{ 'a'" + "|replace('', 'aaaaaaaaa')" * 19 + " }}",
        "{{ name" + " ~ name" * 68 + " }}",
        "{{ (name" + "~name" * 40 + ")|replace('x', name" + "~name" * 40 + ") }}",
        "{{ name" + "|upper|lower" * 40 + " }}",
        "{{ name|truncate(1000000000) }}",
        "{{ name }}" * 50,
        "{{ " + "9" * 490 + " }}",
    ],
)
def test_what_a_template_says_has_an_end(template: str) -> None:
    title = said(template, Facts(name="x" * 1_000_000))

    assert title is not None
    assert len(title) == TITLE_LIMIT
    assert title.endswith("…")


def test_rounding_to_a_billion_digits_takes_no_time() -> None:
    assert said("{{ 1|round(-1000000000) }}") == "0"


# Hostile values


def test_values_are_never_taken_for_templates() -> None:
    assert said("{{ name }}", Facts(name="{{ 7 * 7 }}{% for %}")) == "{{ 7 * 7 }}{% for %}"


def test_what_is_said_is_plain_text_for_whoever_draws_it() -> None:
    facts = Facts(name="<!channel>\n\x1b[31mred\u202e *bold*\x00")

    assert said("{{ name }}", facts) == "<!channel> red *bold*"


@pytest.mark.parametrize(
    "hostile",
    [
        "a/../../b",
        "x?y=1&z#f",
        "@evil.example/",
        "a b\n\tc",
        "https://evil.example/",
        "|your bank>",
        "%2e%2e%2f",
        'x"onclick="alert(1)',
        "日本 \U0001f4a3",
    ],
)
def test_a_value_cannot_leave_its_place_in_an_address(hostile: str) -> None:
    facts = Facts(name=hostile)

    url = linked("https://wiki.example/runbooks/{{ name }}/start?of={{ name }}#top", facts)

    assert url is not None
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "wiki.example", "top")
    assert parts.path.count("/") == 3
    assert [unquote(parts.path.split("/")[2]), unquote(parts.query)] == [
        " ".join(hostile.split()),
        "of=" + " ".join(hostile.split()),
    ]


@pytest.mark.parametrize("name", [".", "..", "x" * 500, "é" * 100])
def test_a_link_that_would_lead_elsewhere_is_left_out_and_said(name: str) -> None:
    templates = MessageTemplates.of(
        "{{ name[:4] }}", {}, {"Runbook": "https://wiki.example/a/{{ name }}/b"}
    )

    filled = templates.fill(Facts(name=name))

    assert filled.title == name[:4]
    assert filled.links == ()
    assert [problem.location for problem in filled.problems] == ["templates.links.Runbook"]


@pytest.mark.parametrize("host", ["evil.example/", "evil.example?", "evil.example#", "a@evil", "-"])
def test_a_value_in_the_host_cannot_end_it(host: str) -> None:
    assert linked("https://{{ name }}.vendor.example/", Facts(name=host)) is None


def test_a_link_with_a_value_that_is_not_known_is_left_out() -> None:
    templates = MessageTemplates.of(None, {}, {"Runbook": "https://wiki.example/{{ labels.team }}"})

    assert templates.fill(Facts()) == FilledTemplates()


def test_a_link_can_depend_on_the_facts() -> None:
    template = "{% if failed %}https://wiki.example/failed{% endif %}"

    assert linked(template, Facts(failed=1)) == "https://wiki.example/failed"
    assert linked(template, Facts(failed=0)) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://wiki.example",
        "http://localhost:3000/x",
        "https://wiki.example/a%20b?q=(1),2&r=~x#!/top",
        " https://wiki.example/\n",
    ],
)
def test_an_address_is_linked_as_it_is_written(address: str) -> None:
    assert linked(address) == address.strip()


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "mailto:a@example.com",
        "ftp://wiki.example/",
        "//wiki.example/",
        "wiki.example",
        "https://",
        "https:///x",
        "https://your-bank.example@evil.example/",
        "https://wiki.example:99999/",
        "https://wiki.example:0/",
        "https://wiki..example/",
        "https://-wiki.example/",
        "https://wiki.example\\@evil.example/",
        "https://wiki.example/a b",
        "https://wiki.example/|your bank",
        "https://wiki.example/>",
        "https://wiki.example/%zz",
        "https://wiki.example/../x",
        "https://wíki.example/",
        "https://wiki.example/\u202egpj",
        "{{ 'https://wiki.example/' ~ name }}",
        "{{ labels.wiki }}/x",
    ],
)
def test_what_is_no_address_of_a_page_is_a_mistake(address: str) -> None:
    [mistake] = mistakes(links={"Runbook": address})

    assert mistake.startswith("templates.links.Runbook: cannot be filled in: ")


# What fails only later


def test_what_cannot_be_filled_in_is_left_out_and_said_and_the_rest_stands() -> None:
    templates = MessageTemplates.of(
        "{{ 1 / installs }}", {"Rate": "{{ 1 / failed }}", "App": "{{ app }}"}, {}
    )

    filled = templates.fill(Facts(app="shop"))

    assert (filled.title, filled.fields) == (None, (("App", "shop"),))
    assert [str(problem) for problem in filled.problems] == [
        "templates.title: cannot be filled in: division by zero",
        "templates.fields.Rate: cannot be filled in: division by zero",
    ]


def test_the_reason_of_a_failure_is_plain_and_short() -> None:
    templates = MessageTemplates.of(None, {}, {"X": "https://{{ name }}.example/"})

    [problem] = templates.fill(Facts(name="<!channel> " * 10_000)).problems

    assert len(problem.expected) < 300


_TOKENS = (
    "{{ }} {% %} {# #} {{- -%} if elif else endif for in endfor set = range ( ) [ ] { } , : . | ~"
    " + - * ** / // % == < not and or is 'a' '' 0 1 1e999 1000000000 0.5 true none"
    " https:// http://h/ / ? # @ \n \\ ' name failed labels labels.team revision[:7] started_by"
    " upper default('x') replace('','aa') round(3) truncate(4) urlencode __class__ {%if failed%}"
    " {%endif%} {{name}} {{labels.team|upper}} {{failed+1}}"
).split(" ")
_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
_TEMPLATES = st.lists(st.sampled_from(_TOKENS) | _ANY_TEXT, max_size=14).map(" ".join)
_EXPRESSIONS = st.lists(st.sampled_from(_TOKENS), max_size=8).map(
    lambda tokens: "https://h/{{ " + " ".join(tokens) + " }}"
)
_HOSTILE_FACTS = st.builds(
    Facts,
    name=_ANY_TEXT,
    revision=_ANY_TEXT,
    started_by=_ANY_TEXT,
    failed=st.integers(),
    labels=st.dictionaries(st.just("team") | _ANY_TEXT, _ANY_TEXT, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(_TEMPLATES | _EXPRESSIONS, _HOSTILE_FACTS)
def test_any_text_is_either_refused_or_says_something_bounded_and_harmless(
    template: str, facts: Facts
) -> None:
    for table in ("title", "fields", "links"):
        sources = {"x": template}
        try:
            templates = MessageTemplates.of(
                template if table == "title" else None,
                sources if table == "fields" else {},
                sources if table == "links" else {},
            )
        except ConfigError as error:
            told = [str(problem) for problem in error.problems]
            assert told == [plain(line, 2_000) for line in told]
            continue

        filled = templates.fill(facts)

        assert filled.title is None or 0 < len(filled.title) <= TITLE_LIMIT
        for _, text in filled.fields:
            assert 0 < len(text) <= FIELD_LIMIT
        for _, url in filled.links:
            assert len(url) <= LINK_LIMIT
            assert url.isascii()
            assert urlsplit(url).scheme in ("http", "https")
            assert urlsplit(url).hostname
            assert not set(url) & set("<>|\"'` \n")


@settings(max_examples=100, deadline=None)
@given(_ANY_TEXT)
def test_whatever_a_value_is_it_stays_in_its_place_in_an_address(value: str) -> None:
    url = linked("https://wiki.example/a/{{ name }}?q=1#top", Facts(name=value))

    if url is not None:
        parts = urlsplit(url)
        assert (parts.netloc, parts.query, parts.fragment) == ("wiki.example", "q=1", "top")
        assert parts.path.count("/") == 2
