"""Titles, extra fields and links in a user's own words: templates, checked once, then filled in.

A template has Jinja2's syntax for values, conditions and a few filters. Nothing in it can
loop, call, assign or include, so what it yields is bounded by its own length. It yields
plain text, never markup: what draws a message escapes it like all foreign text. A template
that cannot be filled in is left out and said, it never raises. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints
from urllib.parse import quote, urlsplit

from jinja2 import Template, TemplateSyntaxError, Undefined, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from monitor.errors import ConfigError, Problem
from monitor.text import WEB_ADDRESS, plain

TEMPLATE_LIMIT = 500
NAME_LIMIT = 75
TITLE_LIMIT = 150
FIELD_LIMIT = 300
LINK_LIMIT = 500
_VALUE_LIMIT = 500
_REASON_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What templates can say of a rollout; what is not known is blank, or 0.

    The texts may be foreign: they are made plain before a template sees them.
    """

    kind: Annotated[str, "what is rolled out, such as `release` or `workflow`"] = ""
    id: Annotated[str, "the rollout's id"] = ""
    name: Annotated[str, "the rollout's name, as in the built-in title"] = ""
    component: Annotated[str, "the component's name"] = ""
    component_id: Annotated[str, "the component's id"] = ""
    app: Annotated[str, "the app's name"] = ""
    app_id: Annotated[str, "the app's id"] = ""
    build_id: Annotated[str, "the id of the build that is rolled out"] = ""
    revision: Annotated[str, "the commit; `revision[:7]` is its beginning"] = ""
    commit_message: Annotated[str, "the commit's message, as one line"] = ""
    commit_author: Annotated[str, "who wrote the commit"] = ""
    started_by: Annotated[str, "who started the rollout, by e-mail"] = ""
    status: Annotated[str, "the rollout's status, in the platform's own word"] = ""
    attempt: Annotated[int, "which attempt this is: 1, and more after a retry"] = 1
    installs: Annotated[int, "how many installs it goes to"] = 0
    succeeded: Annotated[int, "how many of them have succeeded"] = 0
    failed: Annotated[int, "how many of them have failed"] = 0
    waiting: Annotated[int, "how many of them wait for a person"] = 0
    steps: Annotated[int, "how many steps it has"] = 0
    step: Annotated[int, "which step is under way, from 1; 0 before the first"] = 0
    started_at: Annotated[str, "when it began, such as `2026-03-01 14:02 UTC`"] = ""
    took: Annotated[str, "how long it has taken so far, such as `12 min`"] = ""
    labels: Annotated[
        Mapping[str, str], "the labels of its watch: `labels.team`, `labels['cost-center']`"
    ] = field(default_factory=dict)
    watch: Annotated[str, "the name of its watch"] = ""


VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        name: hint.__metadata__[0]
        for name, hint in get_type_hints(Facts, include_extras=True).items()
    }
)
"""Each variable of a template, and what it means."""


@dataclass(frozen=True, slots=True)
class FilledTemplates:
    """What a user's templates say of one rollout.

    `title` is None where the built-in one stands. `fields` are pairs of a name and a text,
    `links` of a name and an address; what came out blank is not among them. All is plain
    text of one line. `problems` says what could not be filled in, and why.
    """

    title: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageTemplates:
    """A user's own templates, sound and ready to be filled in."""

    parts: tuple[_Part, ...]

    @classmethod
    def none(cls) -> MessageTemplates:
        return cls(())

    @classmethod
    def of(
        cls, title: str | None, fields: Mapping[str, str], links: Mapping[str, str]
    ) -> MessageTemplates:
        """Make templates ready; `fields` and `links` map a name to its template.

        Each is tried with an example. Raises ConfigError with every mistake found.
        """
        sources = [
            *([] if title is None else [(_Slot.TITLE, "", title)]),
            *((_Slot.FIELD, name, source) for name, source in fields.items()),
            *((_Slot.LINK, name, source) for name, source in links.items()),
        ]
        parts: list[_Part] = []
        problems: list[Problem] = []
        for slot, name, source in sources:
            try:
                parts.append(_part(slot, name, source))
            except ConfigError as error:
                problems.extend(error.problems)
        if problems:
            raise ConfigError(tuple(problems))
        return cls(tuple(parts))

    def fill(self, facts: Facts) -> FilledTemplates:
        """Say one rollout in these words; never raises."""
        if not self.parts:
            return FilledTemplates()
        variables = _variables(facts)
        outcomes = [(part, part.fill(variables)) for part in self.parts]

        def texts_of(slot: _Slot) -> tuple[tuple[str, str], ...]:
            return tuple(
                (part.name, outcome)
                for part, outcome in outcomes
                if part.slot is slot and isinstance(outcome, str) and outcome
            )

        return FilledTemplates(
            title=next((title for _, title in texts_of(_Slot.TITLE)), None),
            fields=texts_of(_Slot.FIELD),
            links=texts_of(_Slot.LINK),
            problems=tuple(outcome for _, outcome in outcomes if isinstance(outcome, Problem)),
        )


class _Slot(StrEnum):
    """Where a template stands, as the configuration names it."""

    TITLE = "title"
    FIELD = "fields"
    LINK = "links"


@dataclass(frozen=True, slots=True)
class _Part:
    """One template in its place."""

    slot: _Slot
    name: str
    template: Template

    def fill(self, variables: Mapping[str, object]) -> str | Problem:
        """Return what the template says, which may be blank, or why it says nothing."""
        try:
            return self._finished(self.template.render(variables))
        except _BlankInAddress:
            return ""
        # Whatever a template runs into: the rest of the message is not to suffer from it.
        except Exception as error:  # noqa: BLE001
            reason = plain(str(error), _REASON_LIMIT, fallback=type(error).__name__)
            return Problem(_place(self.slot, self.name), f"cannot be filled in: {reason}")

    def _finished(self, text: str) -> str:
        match self.slot:
            case _Slot.TITLE:
                return plain(text, TITLE_LIMIT, fallback="")
            case _Slot.FIELD:
                return plain(text, FIELD_LIMIT, fallback="")
            case _Slot.LINK:
                return _address(text.strip())


def _place(slot: _Slot, name: str) -> str:
    return f"templates.{slot}.{name}" if name else f"templates.{slot}"


# Checking a template


def _part(slot: _Slot, name: str, source: str) -> _Part:
    """Raise ConfigError with every mistake in one template."""
    shown_name = plain(name, NAME_LIMIT, fallback="")
    place = _place(slot, shown_name)
    if slot is not _Slot.TITLE and not shown_name:
        raise ConfigError((Problem(place, "each needs a name that can be read"),))
    if len(name) > NAME_LIMIT:
        raise ConfigError((Problem(place, f"a name of at most {NAME_LIMIT} characters"),))
    environment = _Environment(finalize=_quoted if slot is _Slot.LINK else _shown)
    try:
        part = _Part(slot, shown_name, environment.compiled(source))
    except _Refused as refused:
        raise ConfigError(tuple(Problem(place, reason) for reason in refused.reasons)) from refused
    outcome = part.fill(_EXAMPLE)
    if isinstance(outcome, Problem):
        raise ConfigError((outcome,))
    return part


class _Refused(Exception):
    """A template that cannot be used, with every reason."""

    def __init__(self, reasons: Iterable[str]) -> None:
        super().__init__(reasons)
        self.reasons = tuple(reasons)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2 with nothing in it but our filters, and values that have no attributes.

    The sandbox alone is not enough: it lets a template loop and multiply for ever.
    """

    # Text times a number is the one operation that grows beyond what a template holds.
    intercepted_binops = frozenset({"*"})

    def __init__(self, finalize: Callable[[object], str]) -> None:
        super().__init__(finalize=finalize, optimized=False)
        self.globals.clear()
        self.tests.clear()
        self.filters = dict(_FILTERS)

    def compiled(self, source: str) -> Template:
        """Raise `_Refused` for what is no template, or more than a harmless one."""
        if len(source) > TEMPLATE_LIMIT:
            raise _Refused([f"a template of at most {TEMPLATE_LIMIT} characters"])
        try:
            # The tree is looked at first: compiling already works out what is constant.
            tree = self.parse(source)
            if reasons := tuple(_complaints(tree)):
                raise _Refused(reasons)
            return self.from_string(tree)
        except TemplateSyntaxError as error:
            reason = plain(error.message or "", _REASON_LIMIT, fallback="cannot be read")
            raise _Refused([f"no sound template: {_on_line(error.lineno)}{reason}"]) from error
        except (RecursionError, MemoryError, SyntaxError) as error:
            raise _Refused(["is nested too deeply"]) from error

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TypeError("only numbers can be multiplied")
        return super().call_binop(context, operator, left, right)


_HARMLESS = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.CondExpr),
    *(nodes.Const, nodes.Tuple, nodes.List, nodes.Keyword, nodes.Getitem, nodes.Slice),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Concat),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Neg, nodes.Pos),
)
_IN_WORDS: Mapping[type[nodes.Node], str] = {
    nodes.For: "a loop",
    nodes.Call: "a call (there are filters instead, as in `name|upper`)",
    nodes.Test: "a test with `is` (`if labels.team` asks whether there is one)",
    nodes.Assign: "`set`",
    nodes.AssignBlock: "`set`",
    nodes.With: "`with`",
    nodes.Macro: "a macro",
    nodes.Block: "a block",
    nodes.FilterBlock: "a block",
    nodes.Include: "another template",
    nodes.Import: "another template",
    nodes.FromImport: "another template",
    nodes.Extends: "another template",
    nodes.Pow: "`**`",
    nodes.Mod: "`%` between values",
}
_NEEDLESS_FILTERS = frozenset({"e", "escape", "safe", "urlencode"})


def _complaints(node: nodes.Node) -> Iterator[str]:
    """Say what a template may not hold; what stands within that is not looked at."""
    complaint = _complaint(node)
    if complaint:
        yield _on_line(node.lineno) + complaint
        return
    for child in node.iter_child_nodes():
        yield from _complaints(child)


def _complaint(node: nodes.Node) -> str:
    match node:
        case nodes.Name(name=name):
            return "" if name in VARIABLES else _unknown("variable", name, VARIABLES)
        case nodes.Filter(name=name):
            return "" if name in _FILTERS else _unknown_filter(name)
        case nodes.Getattr(node=nodes.Name(name="labels")):
            return ""
        case nodes.Getattr(attr=attribute):
            return f"`.{plain(attribute, NAME_LIMIT)}` cannot be used here: only labels have parts"
        case _ if isinstance(node, _HARMLESS):
            return ""
        case _:
            return f"{_IN_WORDS.get(type(node), 'what stands there')} cannot be used here"


def _unknown_filter(name: str) -> str:
    if name in _NEEDLESS_FILTERS:
        return f"no filter `{name}` is needed: values are escaped and quoted by themselves"
    return _unknown("filter", name, _FILTERS)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
    return f"unknown {what} `{plain(name, NAME_LIMIT)}`; {hint}"


def _on_line(number: int | None) -> str:
    return f"line {number}: " if number is not None and number > 1 else ""


# Filling it in


def _variables(facts: Facts) -> Mapping[str, object]:
    return {name: _harmless(getattr(facts, name)) for name in VARIABLES}


def _harmless(value: str | int | Mapping[str, str]) -> object:
    match value:
        case str():
            return plain(value, _VALUE_LIMIT, fallback="")
        case int():
            return value
        case _:
            return {key: plain(text, _VALUE_LIMIT, fallback="") for key, text in value.items()}


def _shown(value: object) -> str:
    """Return a value as text of a bounded length; what there is none of is blank."""
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, Mapping):
        value = ", ".join(f"{key}: {text}" for key, text in value.items())
    return str(value)[:_VALUE_LIMIT]


class _BlankInAddress(Exception):
    """A value of an address is not known: a link without it would lead astray."""


def _quoted(value: object) -> str:
    """Return a value for an address, which it can neither end, lengthen nor lead elsewhere."""
    shown = _shown(value)
    if not shown:
        raise _BlankInAddress
    return quote(shown, safe="")


def _address(text: str) -> str:
    """Return what is an address that may be linked, or blank; raise ValueError for all else."""
    if not text:
        return ""
    if len(text) > LINK_LIMIT:
        raise ValueError(f"an address has at most {LINK_LIMIT} characters")
    if not WEB_ADDRESS.fullmatch(text):
        raise ValueError(f"no http or https address: {text}")
    parts = urlsplit(text)
    if parts.port == 0:
        raise ValueError("there is no port 0")
    if {".", ".."} & set(parts.path.split("/")):
        raise ValueError("a part of the path that is `.` or `..` leads elsewhere")
    return text


# Filters: each takes and gives text of a bounded length, however they are combined.


def _capitalize(value: object) -> str:
    return _shown(value).capitalize()


def _default(value: object, instead: object) -> object:
    return value if _shown(value) else instead


def _lower(value: object) -> str:
    return _shown(value).lower()


def _replace(value: object, old: object, new: object) -> str:
    return _shown(_shown(value).replace(_shown(old), _shown(new)))


def _round(value: float, digits: int = 0) -> float:
    # As a float: an integer rounded to minus a billion digits takes for ever.
    rounded = round(float(value), digits)
    return rounded if digits > 0 else int(rounded)


def _truncate(value: object, length: int) -> str:
    return plain(_shown(value), max(1, length), fallback="")


def _upper(value: object) -> str:
    return _shown(value).upper()


_FILTERS: Mapping[str, Callable[..., object]] = {
    "capitalize": _capitalize,
    "default": _default,
    "lower": _lower,
    "replace": _replace,
    "round": _round,
    "truncate": _truncate,
    "upper": _upper,
}


class _AnyLabel(dict[str, str]):
    """Labels for an example: nobody knows yet which there will be."""

    def __missing__(self, name: str) -> str:
        return "example"


_EXAMPLE: Mapping[str, object] = {
    **_variables(
        Facts(
            kind="release",
            id="relexample",
            name="checkout-api",
            component="checkout-api",
            component_id="cmpexample",
            app="shop",
            app_id="appexample",
            build_id="bldexample",
            revision="4f2a9c1d",
            commit_message="Take payments twice as fast",
            commit_author="Anna Example",
            started_by="anna@vendor.example",
            status="executing_release_steps",
            installs=48,
            succeeded=31,
            failed=1,
            waiting=2,
            steps=3,
            step=2,
            started_at="2026-03-01 14:02 UTC",
            took="12 min",
            watch="production",
        )
    ),
    "labels": _AnyLabel(),
}
