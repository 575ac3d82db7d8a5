"""The simulated Slack's data tables, and its word on blocks before they are posted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from monitor.simulation.slack import SimulatedSlack, plain_text
from tests.support.slack_calls import bare, client, header, post, refusal, section

LINK = {
    "type": "rich_text",
    "elements": [
        {
            "type": "rich_text_section",
            "elements": [{"type": "link", "url": "https://app.nuon.co/x", "text": "Open"}],
        }
    ],
}


def raw(text: str) -> dict[str, Any]:
    return {"type": "raw_text", "text": text}


def number(value: float, text: str) -> dict[str, Any]:
    return {"type": "raw_number", "value": value, "text": text}


def table(*rows: list[Any], **more: Any) -> dict[str, Any]:
    return {"type": "data_table", "caption": "Installs", "rows": list(rows), **more}


HEAD = [raw("Install")]
ROW = [raw("acme-prod")]


async def test_a_data_table_at_every_limit_is_taken_and_read(slack: SimulatedSlack) -> None:
    head = [raw(f"column {index}") for index in range(19)] + [number(1, "1")]
    rows = [[raw("x" * 5)] * 18 + [number(7, "7"), LINK]] * 100
    whole = table(head, *rows, page_size=100, row_header_column_index=19, block_id="x" * 255)
    of_one_row = table(HEAD, [raw("y" * 300)], page_size=1)

    await post(slack, blocks=[section("x" * 3000)] * 4 + [of_one_row])
    await post(slack, blocks=[table(head, rows[0])])
    assert await refusal(post(slack, blocks=[whole])) == "invalid_blocks"  # 100 × 116 characters
    whole["rows"] = [head, *[[raw("x")] * 18 + [number(7, "7"), LINK]] * 100]
    await post(slack, blocks=[whole])

    first, second, _ = slack.channel("releases").messages
    assert plain_text(first).splitlines()[-3:] == ["Installs", "Install", "y" * 300]
    assert plain_text(second).endswith("xxxxx  7  Open")


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(table(HEAD), id="a header alone"),
        pytest.param(table(HEAD, *[ROW] * 101), id="101 rows"),
        pytest.param(table([], []), id="no columns"),
        pytest.param(table(HEAD * 21, ROW * 21), id="21 columns"),
        pytest.param(table(HEAD * 2, ROW), id="a row that is too short"),
        pytest.param(table([LINK], ROW), id="a header of rich text"),
        pytest.param(table(HEAD, ["acme"]), id="a cell that is no object"),
        pytest.param(table(HEAD, [raw("")]), id="an empty cell"),
        pytest.param(table(HEAD, [{"type": "mrkdwn", "text": "x"}]), id="a cell with markup"),
        pytest.param(table(HEAD, [{"type": "raw_number", "value": "7"}]), id="no number"),
        pytest.param(table(HEAD, [raw("x") | {"colour": "red"}]), id="an unknown key in a cell"),
        pytest.param(table(HEAD, ROW, page_size=0), id="pages of nothing"),
        pytest.param(table(HEAD, ROW, page_size=101), id="pages of 101 rows"),
        pytest.param(table(HEAD, ROW, row_header_column_index=1), id="a column that is not there"),
        pytest.param(table(HEAD, ROW, caption=""), id="no caption"),
        pytest.param(table(HEAD, ROW, colour="red"), id="an unknown key"),
        pytest.param(table(HEAD, ROW, rows="x"), id="rows that are none"),
        pytest.param(table(HEAD, [raw("x" * 10_000)]), id="more than 10,000 characters"),
        pytest.param(table(HEAD, [raw("𝒳" * 5_000)]), id="more than 10,000 UTF-16 units"),
    ],
)
async def test_a_data_table_that_slack_would_refuse_is_refused(
    slack: SimulatedSlack, block: dict[str, Any]
) -> None:
    assert await refusal(post(slack, blocks=[block])) == "invalid_blocks"
    assert slack.channel("releases").messages == []


async def test_the_cells_of_all_tables_of_a_message_count_together(slack: SimulatedSlack) -> None:
    half = table(HEAD, [raw("x" * 5_000)])

    assert await refusal(post(slack, blocks=[half, half])) == "invalid_blocks"


async def test_sizes_are_counted_in_utf_16_units(slack: SimulatedSlack) -> None:
    assert await refusal(post(slack, blocks=[header("𝒳" * 76)])) == "invalid_blocks"
    await post(slack, blocks=[header("𝒳" * 75)])


async def test_a_workspace_that_does_not_know_a_block_refuses_the_whole_message(
    slack: SimulatedSlack,
) -> None:
    slack.unknown_blocks.add("data_table")

    with pytest.raises(SlackApiError) as refused:
        await post(slack, blocks=[header("x"), table(HEAD, ROW)])

    assert refused.value.response["response_metadata"]["messages"] == [
        "[ERROR] unsupported type: data_table [json-pointer:/blocks/1]"
    ]


@pytest.mark.parametrize("given", ["blocks", "message"])
async def test_blocks_are_validated_without_being_posted(slack: SimulatedSlack, given: str) -> None:
    def wrapped(*blocks: dict[str, Any]) -> str:
        return json.dumps({"blocks": blocks} if given == "message" else blocks)

    await bare(slack, "blocks.validate", **{given: wrapped(header("x"), table(HEAD, ROW))})
    with pytest.raises(SlackApiError) as refused:
        await bare(slack, "blocks.validate", **{given: wrapped(header("x"), header("x", "mrkdwn"))})

    answer = refused.value.response
    assert answer["error"] == f"invalid_{given}"
    assert answer["errors"] == [
        {
            "pointer": "/blocks/1/text/type" if given == "message" else "/1/text/type",
            "code": "failed_constraint",
            "message": "type must be one of ('plain_text',)",
            "constraint": {},
        }
    ]
    assert slack.channel("releases").messages == []


@pytest.mark.parametrize("given", [{}, {"blocks": "[]", "message": "{}"}, {"blocks": "[{"}])
async def test_validation_of_not_exactly_one_thing_is_refused(
    slack: SimulatedSlack, given: dict[str, str]
) -> None:
    assert await refusal(bare(slack, "blocks.validate", **given)) == "invalid_arguments"


async def test_a_workspace_may_not_know_a_method(slack: SimulatedSlack) -> None:
    slack.unknown_methods.add("blocks.validate")

    call = client(slack).api_call("blocks.validate", json={"blocks": "[]"})

    assert await refusal(call) == "unknown_method"
