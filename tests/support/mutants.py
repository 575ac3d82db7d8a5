"""Small mistakes in the code that decides, each with an end-to-end test that must notice it.

They are what the tests themselves are tested with (`tests/end_to_end/test_mutants.py`). To add one:

1. Choose the lines of `monitor/` that are to be wrong. `before` is their exact text; it may
   stand in any file of the product, but only once, so take as much of it as that needs.
   Nothing names the file: code may move, and where its text changes, so does `before` here.
2. Write in `after` what a person might have written by mistake: still valid Python, which
   makes the monitor wrong and does not make it crash.
3. Name in `noticed_by` the one end-to-end test that must fail, by an assertion of its own, as
   pytest does but without the folder: `test_rollouts.py::test_…[failure-1]`. Choose a quick
   one. Where none notices, that is what was worth finding out: sharpen one, or the audit.
"""

from __future__ import annotations

from dataclasses import dataclass

_AUDITED = "test_rollouts.py::test_what_is_told_is_what_happened_each_once_over_any_restarts"
_AT_EACH_MOMENT = "test_rollouts.py::test_what_is_told_is_at_each_moment_what_has_happened_by_then"
_LAST_CARD = "test_rollouts.py::test_the_last_card_shows_the_last_snapshot_and_that_is_the_truth"
_UNSURE_SLACK = "test_rollouts.py::test_what_slack_does_not_confirm_is_told_all_the_same_and_once"
_RESTORED = (
    "test_replicas.py::test_what_the_platform_shows_again_for_good_is_believed_and_said_to_be_older"
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake; `name` says what the monitor believes or does with it."""

    name: str
    before: str
    after: str
    noticed_by: str


MUTANTS = (
    # What a status means
    Mutant(
        "a deploy's error is neither a good nor a bad end",
        '        FAILED="error",\n        ENDED="inactive noop',
        '        ENDED="error inactive noop',
        f"{_AUDITED}[failure-1]",
    ),
    Mutant(
        "a step that is done still runs",
        'polling_install_deploys creating_install_deploys",\n        SUCCEEDED="active",',
        'polling_install_deploys creating_install_deploys active",',
        f"{_AUDITED}[happy-1]",
    ),
    Mutant(
        "a status that nobody knows is a failure",
        ".get(status, Phase.UNKNOWN)",
        ".get(status, Phase.FAILED)",
        f"{_AUDITED}[unknown-words-1]",
    ),
    Mutant(
        "what a workflow never came to has failed",
        'PENDING="not-attempted discarded outdated", ENDED=',
        'FAILED="not-attempted discarded outdated", ENDED=',
        "test_kinds.py::"
        "test_what_is_told_is_what_happened_each_once_over_any_restarts[workflow-retry]",
    ),
    Mutant(
        "of a status and a newer one the older is believed",
        "if newer is None or not newer.status or not isinstance(newer.status, str):",
        "if newer is None or status or not isinstance(newer.status, str):",
        f"{_AUDITED}[lagging-1]",
    ),
    Mutant(
        "what was stopped waits for a retry",
        "    if record.metadata.are_over:\n        return _FAILED\n",
        "",
        "test_ends.py::"
        "test_what_was_parked_and_then_stopped_is_told_once_as_failed[workflow-error-stopped]",
    ),
    Mutant(
        "a check that found drift has succeeded",
        "if not is_drift_check(row):",
        "if is_drift_check(row):",
        "test_ends.py::test_drift_is_the_headline_of_a_drift_check_that_found_some",
    ),
    Mutant(
        "an older success heals a newer failure",
        "newer.created_at > older.created_at",
        "newer.created_at < older.created_at",
        "test_healed.py::test_the_table_names_what_healed_it",
    ),
    Mutant(
        "what is over can still be retried",
        "can_be = _NO if has_passed else _YES",
        "can_be = _YES",
        "test_answers.py::test_nothing_can_be_done_about_what_was_stopped[both-a step]",
    ),
    Mutant(
        "only what was answered before is why something goes on now",
        "if _key(one) not in answered_before]",
        "if _key(one) in answered_before]",
        "test_answers.py::test_who_answered_an_approval_is_told_with_the_note[True-approved]",
    ),
    # What changed
    Mutant(
        "of a history only what was seen already is read",
        "past.at >= seen_at",
        "past.at <= seen_at",
        f"{_AUDITED}[flicker-1]",
    ),
    Mutant(
        "a part that an answer lacks was removed",
        "children.extend(_absent(child, present) for key, child in known.items()"
        " if key not in present)",
        "children.extend(())",
        "test_rollouts.py::test_a_card_goes_on_showing_what_an_answer_lacks",
    ),
    # What is news
    Mutant(
        "a failure is told again at every look",
        "if failed is None or failed.is_retrying:",
        "if failed is None or not failed.is_retrying:",
        f"{_AUDITED}[failure-1]",
    ),
    Mutant(
        "what recovered stays in trouble",
        "book.drop(failed.alert_key, EventKind.FAILED)",
        "book.drop(failed.alert_key, EventKind.WAITING)",
        f"{_AUDITED}[retry-1]",
    ),
    Mutant(
        "nobody hears that something waits for a person",
        "if waiting is None and not ",
        "if waiting is not None and not ",
        f"{_AUDITED}[approval-1]",
    ),
    Mutant(
        "a release has succeeded as soon as it says so",
        "return root.phase is Phase.SUCCEEDED and is_in_agreement(root)",
        "return root.phase is Phase.SUCCEEDED",
        f"{_AT_EACH_MOMENT}[disagree]",
    ),
    Mutant(
        "what can never go on is taken to go on",
        "and progress.ended + progress.succeeded == progress.total",
        "and progress.ended + progress.succeeded > progress.total",
        "test_rollouts.py::test_a_dead_end_is_told_once_and_says_that_it_will_never_go_on[hang]",
    ),
    Mutant(
        "what lies below a failure does not explain it",
        "below = _informative(child, phase)",
        "below = None",
        "test_rollouts.py::"
        "test_a_failure_is_told_with_the_reason_that_only_something_deep_down_gives",
    ),
    Mutant(
        "a restart forgets what was told",
        "if stored is not None:",
        "if stored is not None and self._is_loaded:",
        f"{_AUDITED}[failure-1]",
    ),
    # Who is told
    Mutant(
        "of several events in one poll only the last is told",
        "if e.kind is not EventKind.STARTED)",
        "if e.kind is not EventKind.STARTED)[-1:]",
        f"{_AUDITED}[failure-1]",
    ),
    Mutant(
        "nobody is mentioned",
        "if _is_loud(event) for m in mentions",
        "if not _is_loud(event) for m in mentions",
        "test_routes.py::test_a_failure_goes_to_those_on_call_with_a_ping_and_a_link_to_the_card",
    ),
    Mutant(
        "a quiet window holds nothing back",
        "windows if one.is_for(subject.event, rule.name)], now)",
        "windows if not one], now)",
        "test_routes.py::test_a_night_without_a_sound_ends_with_what_still_fails",
    ),
    Mutant(
        "a threshold lets through what has not lasted, and keeps what has",
        "< rule.lasting",
        "> rule.lasting",
        "test_routes.py::test_what_recovers_by_itself_wakes_nobody",
    ),
    Mutant(
        "a group is never closed",
        "group.alert_keys and (has_ended or group.ends_at <= self._now)",
        "group.alert_keys and has_ended and group.ends_at <= self._now",
        "test_bad_nights.py::test_twelve_more_that_fail_one_by_one_are_one_post[release]",
    ),
    Mutant(
        "each failure of what flaps counts twice",
        "book.now)[-rules.after - _FEW :]",
        "book.now, book.now)[-rules.after - _FEW :]",
        "test_bad_nights.py::test_what_fails_and_recovers_three_times_is_told_each_time",
    ),
    # What can be seen at all
    Mutant(
        "a list that is answered says that there is what it is of",
        "            self._missing = str(error)\n",
        "            self._missing = None\n",
        "test_missing_records.py::"
        "test_what_does_not_exist_is_said_once_in_every_place_and_once_when_it_does[app_branch]",
    ),
    Mutant(
        "what was missing is there once its record cannot be asked for",
        "            self._pause = min(\n",
        "            self._missing = None\n            self._pause = min(\n",
        "test_missing_records.py::"
        "test_what_is_missing_stays_so_until_the_record_is_answered[forbidden-install]",
    ),
    Mutant(
        "a feature that is off is an outage of the platform",
        "(Unserved.ROUTE, Unserved.FEATURE)",
        "(Unserved.ROUTE,)",
        "test_unserved.py::"
        "test_a_feature_that_is_off_is_no_outage_of_the_platform[today-app_branch]",
    ),
    Mutant(
        "a branch is missing where an app could not be asked for it",
        "raise doubt or error from None",
        "raise error from None",
        "test_unserved.py::"
        "test_a_branch_is_missing_only_where_every_app_says_so[one app is forbidden-app_branch]",
    ),
    # What reaches Slack
    Mutant(
        "a card is never edited after it was posted",
        "has_card:\n            return ()\n        target =",
        "has_card or not self._has_new_card():\n            return ()\n        target =",
        f"{_LAST_CARD}[approval-thin]",
    ),
    Mutant(
        "what Slack did not take counts as sent",
        "state=DeliveryState.PENDING,\n            attempts=",
        "state=DeliveryState.SENT,\n            attempts=",
        f"{_UNSURE_SLACK}[503]",
    ),
    Mutant(
        "a post that may have arrived is sent again without a look",
        "in_doubt_since=now if step.in_doubt else None",
        "in_doubt_since=None",
        f"{_UNSURE_SLACK}[reset_after]",
    ),
    # Which answer is the newer
    Mutant(
        "what is older by the platform's times is newer",
        "        if now < before:\n            return Order.OLDER",
        "        if now < before:\n            return Order.NEWER",
        _RESTORED,
    ),
    Mutant(
        "times that went back are never believed",
        "    return CONFIRMED_BY << lags",
        "    return CONFIRMED_BY << 60",
        _RESTORED,
    ),
    # What belongs together
    Mutant(
        "the workflows of a run's installs are shown again",
        "for row in rows if not row.ties.app_branch_run_id)",
        "for row in rows)",
        "test_app_today.py::test_the_workflows_of_an_apps_installs_that_belong_to_no_run_are_found",
    ),
    Mutant(
        "a change has ended as soon as its installs have",
        "QUIET_PERIOD: Final = timedelta(minutes=10)",
        "QUIET_PERIOD: Final = timedelta(0)",
        "test_changes.py::test_thirty_deploys_of_one_build_are_one_card",
    ),
    Mutant(
        "an install that comes later is a change of its own",
        "        return its.target if its and _is_close(row.tie, its.last_at, row.created_at)"
        " else None",
        "        return None",
        "test_changes.py::test_a_restart_keeps_what_belongs_together",
    ),
)
