"""What was told wrongly of real answers once, from the answer to Slack.

Each case stands for a kind of fault, which a table over all kinds of watch tries elsewhere:

| case | kind of fault | tried for all kinds in |
| --- | --- | --- |
| 1 | an end that looks like a wait | `test_ends`, `unit/test_ends` |
| 2 | a success that the workflow or its steps contradict | `unit/test_run_agreement` |
| 3 | parts that were left out | `unit/test_run_agreement` |
| 4 | a list that misses and repeats rows | `unit/test_lists_of_waits`, `test_replicas` |
| 5 | a reason that says only that something failed | `unit/test_causes` |
| 6 | what explains a thing is elsewhere | `test_installers`, `unit/test_thin_samples` |
| 7 | the same of a release | `test_thin_releases`, `unit/test_release_questions` |
| 8 | what a failure leaves behind | `unit/test_release_build` |
| 9 | a list that answers for what does not exist | `test_missing_records` |
| 10 | words that were not known | `unit/test_status_words`, `unit/test_ends` |
| 11 | news of one part, told of another | `unit/test_events_of_installers` |
| 12 | an older answer | `unit/test_older_answers`, `test_replicas`, and below |
| 13 | who took over, who answered | `unit/test_run_agreement`, `test_answers` |
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from monitor.simulation.slack import plain_text
from tests.support.real_answers import STORIES, Story, as_of
from tests.support.served import Answers, a_scene


async def told(folder: Path, story: Story, answers: Iterable[Answers]) -> tuple[list[str], str]:
    """Return the messages that answers lead to, and the last card."""
    folder.mkdir(exist_ok=True)
    async with a_scene(folder, story.watch, story.target_id) as scene:
        posts: list[str] = []
        for answer in answers:
            for _ in range(story.polls):
                posts += await scene.look_at(answer, after=story.after)
        (*_, card) = scene.world.cards(story.target_id)
    return posts, plain_text(card)


@pytest.mark.parametrize("case", STORIES)
async def test_what_is_said_of_real_answers_is_right_and_said_once(
    tmp_path: Path, case: str
) -> None:
    story = STORIES[case]

    (first, *news), card = await told(tmp_path, story, story.answers)

    for words in story.says:
        assert words in "\n".join([first, *news, card])
        assert sum(words in text for text in news) <= 1
    for words in story.says_not:
        assert words not in "\n".join([*news, card])


@pytest.mark.parametrize(
    "case", ["3 user-skipped, plan True", "3 approval-denied, plan True", "13 superseded"]
)
async def test_what_was_left_out_or_taken_over_is_news_in_words(tmp_path: Path, case: str) -> None:
    story = STORIES[case]

    (_, *news), _ = await told(tmp_path, story, story.answers)

    assert story.says[0] in "\n".join(news)
    assert "ended as" not in "\n".join(news)


@pytest.mark.parametrize("case", [key for key, one in STORIES.items() if len(one.answers) == 2])
async def test_an_older_answer_between_two_newer_ones_is_nothing(tmp_path: Path, case: str) -> None:
    story = STORIES[case]
    early, late = (as_of(answers, minute) for minute, answers in enumerate(story.answers, 10))

    expected = await told(tmp_path / "in order", story, [early, late])

    assert expected[0]
    assert await told(tmp_path / "mixed", story, [early, late, early, late]) == expected
