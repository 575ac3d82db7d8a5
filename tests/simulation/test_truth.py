"""The oracle and the monitor each know what the status words mean, and they agree."""

from __future__ import annotations

import pytest

from monitor.kinds import kind_of_part
from monitor.model import Phase, phase_of
from monitor.simulation.scenarios import DIALECTS, SCENARIOS, timeline
from monitor.simulation.truth import Meaning, Thing, meaning_of, words_of

KINDS = {
    Thing.RELEASE: "release",
    Thing.RELEASE_STEP: "release step",
    Thing.INSTALL_DEPLOY: "install deploy",
    Thing.BRANCH_RUN: "app branch run",
    Thing.INSTALL_GROUP: "install group",
    Thing.INSTALL_RUN: "install run",
    Thing.WORKFLOW: "workflow",
    Thing.STEP_GROUP: "step group",
    Thing.WORKFLOW_STEP: "workflow step",
    Thing.INSTALLER: "installer",
    Thing.APP: "app",
    Thing.APP_CONFIG: "app config",
}
MEANINGS = {
    Phase.PENDING: Meaning.OPEN,
    Phase.RUNNING: Meaning.OPEN,
    Phase.WAITING: Meaning.ASKS,
    Phase.SUCCEEDED: Meaning.GOOD_END,
    Phase.FAILED: Meaning.BAD_END,
    Phase.ENDED: Meaning.OTHER_END,
    Phase.UNKNOWN: Meaning.NOT_KNOWN,
}


@pytest.mark.parametrize("thing", Thing)
def test_a_word_means_the_same_to_the_oracle_and_to_the_monitor(thing: Thing) -> None:
    words = ["", "never-heard-of", *words_of(thing)]

    believed = {word: MEANINGS[phase_of(kind_of_part(KINDS[thing]), word)] for word in words}
    assert believed == {word: meaning_of(thing, word) for word in words}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_only_one_scenario_has_words_that_mean_nothing(dialect: str) -> None:
    strange = {
        name
        for name in SCENARIOS
        for o in timeline(SCENARIOS[name], 1, dialect=dialect).occurrences
        if meaning_of(o.kind, o.status) is Meaning.NOT_KNOWN
    }

    assert strange == {"unknown-words"}
