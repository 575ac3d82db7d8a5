"""The language of a user's own templates: Jinja2's, with all taken out that could do harm.

There are values, conditions and a few filters. Nothing can loop, call, assign or include, so
what a template yields is bounded by its own length. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import Template, TemplateSyntaxError, Undefined, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from monitor.text import plain

# All in characters.
TEMPLATE_LIMIT = 500
VALUE_LIMIT = 500
REASON_LIMIT = 200
_NAME_LIMIT = 75


class Refused(Exception):
    """A template that cannot be used, with every reason."""

    def __init__(self, reasons: Iterable[str]) -> None:
        super().__init__(reasons)
        self.reasons = tuple(reasons)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Jinja2 with nothing in it but our filters, and values that have no attributes.

    The sandbox alone is not enough: it lets a template loop and multiply for ever.
    """

    # Text times a number is the one operation that grows beyond what a template holds.
    intercepted_binops = frozenset({"*"})

    def __init__(self, variables: Collection[str], finalize: Callable[[object], str]) -> None:
        """`finalize` makes text of each value that a template yields."""
        super().__init__(finalize=finalize, optimized=False)
        self._variables = variables
        self.globals.clear()
        self.tests.clear()
        self.filters = dict(_FILTERS)

    def compiled(self, source: str) -> Template:
        """Raise `Refused` for what is no template, or more than a harmless one."""
        if len(source) > TEMPLATE_LIMIT:
            raise Refused([f"a template of at most {TEMPLATE_LIMIT} characters"])
        try:
            # The tree is looked at first: compiling already works out what is constant.
            tree = self.parse(source)
            if reasons := tuple(_complaints(tree, self._variables)):
                raise Refused(reasons)
            return self.from_string(tree)
        except TemplateSyntaxError as error:
            reason = plain(error.message or "", REASON_LIMIT, fallback="cannot be read")
            raise Refused([f"no sound template: {_on_line(error.lineno)}{reason}"]) from error
        except (RecursionError, MemoryError, SyntaxError) as error:
            raise Refused(["is nested too deeply"]) from error

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


def _complaints(node: nodes.Node, variables: Collection[str]) -> Iterator[str]:
    """Say what a template may not hold, of nested things the outermost only."""
    complaint = _complaint(node, variables)
    if complaint:
        yield _on_line(node.lineno) + complaint
        return
    for child in node.iter_child_nodes():
        yield from _complaints(child, variables)


def _complaint(node: nodes.Node, variables: Collection[str]) -> str:
    match node:
        case nodes.Name(name=name):
            return "" if name in variables else _unknown("variable", name, variables)
        case nodes.Filter(name=name):
            return "" if name in _FILTERS else _unknown_filter(name)
        case nodes.Getattr(node=nodes.Name(name="labels")):
            return ""
        case nodes.Getattr(attr=attribute):
            return f"`.{plain(attribute, _NAME_LIMIT)}` cannot be used here: only labels have parts"
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
    return f"unknown {what} `{plain(name, _NAME_LIMIT)}`; {hint}"


def _on_line(number: int | None) -> str:
    return f"line {number}: " if number is not None and number > 1 else ""


def shown(value: object) -> str:
    """Return a value as text of a bounded length; what there is none of is blank."""
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, Mapping):
        value = ", ".join(f"{key}: {text}" for key, text in value.items())
    return str(value)[:VALUE_LIMIT]


class BlankInAddress(Exception):
    """A value of an address is not known: a link without it would lead astray."""


def quoted(value: object) -> str:
    """Return a value for an address, which it can neither end, lengthen nor lead elsewhere."""
    text = shown(value)
    if not text:
        raise BlankInAddress
    return quote(text, safe="")


# Filters: each takes and gives text of a bounded length, however they are combined.


def _capitalize(value: object) -> str:
    return shown(value).capitalize()


def _default(value: object, instead: object) -> object:
    return value if shown(value) else instead


def _lower(value: object) -> str:
    return shown(value).lower()


def _replace(value: object, old: object, new: object) -> str:
    return shown(shown(value).replace(shown(old), shown(new)))


def _round(value: float, digits: int = 0) -> float:
    # As a float: an integer rounded to minus a billion digits takes for ever.
    rounded = round(float(value), digits)
    return rounded if digits > 0 else int(rounded)


def _truncate(value: object, length: int) -> str:
    return plain(shown(value), max(1, length), fallback="")


def _upper(value: object) -> str:
    return shown(value).upper()


_FILTERS: Mapping[str, Callable[..., object]] = {
    "capitalize": _capitalize,
    "default": _default,
    "lower": _lower,
    "replace": _replace,
    "round": _round,
    "truncate": _truncate,
    "upper": _upper,
}
