"""The first shape of the store."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_OF_TARGET = (["target_kind", "target_id"], ["target.kind", "target.id"])


def upgrade() -> None:
    op.create_table(
        "target",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("snapshot", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("taken_at", sa.BigInteger, nullable=False),
        sa.Column("polled_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "transition",
        sa.Column("id", _ROW_NUMBER, primary_key=True),
        sa.Column("target_kind", sa.Text, nullable=False),
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("entity_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("fact", sa.Text, nullable=False, server_default=""),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("platform_at", sa.BigInteger),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(*_OF_TARGET, ondelete="CASCADE"),
    )
    op.create_table(
        "card",
        sa.Column("target_kind", sa.Text, primary_key=True),
        sa.Column("target_id", sa.Text, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("form", sa.Text, primary_key=True),
        sa.Column("channel_id", sa.Text),
        sa.Column("ts", sa.Text),
        sa.Column("wanted", sa.LargeBinary, nullable=False),
        sa.Column("wanted_fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("shown_fingerprint", sa.LargeBinary),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("posted_count", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.BigInteger),
        sa.Column("error", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(*_OF_TARGET, ondelete="CASCADE"),
    )
    op.create_table(
        "notification",
        sa.Column("id", _ROW_NUMBER, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("form", sa.Text, nullable=False),
        sa.Column("target_kind", sa.Text),
        sa.Column("target_id", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("events", sa.LargeBinary, nullable=False),
        sa.Column("is_broadcast", sa.Boolean, nullable=False),
        sa.Column("headline", sa.Text, nullable=False),
        sa.Column("mentions", sa.LargeBinary, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.BigInteger),
        sa.Column("in_doubt", sa.Boolean, nullable=False),
        sa.Column("attempted_at", sa.BigInteger),
        sa.Column("first_attempted_at", sa.BigInteger),
        sa.Column("look_again_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("happened_at", sa.BigInteger),
        sa.Column("done_at", sa.BigInteger),
        sa.Column("folded_into", sa.BigInteger),
        sa.Column("folded_count", sa.Integer, nullable=False),
        sa.Column("channel_id", sa.Text),
        sa.Column("ts", sa.Text),
        sa.Column("error", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outage",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("is_flapping", sa.Boolean, nullable=False),
        sa.Column("reported_at", sa.LargeBinary, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_table(
        "name",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("fetched_at", sa.BigInteger, nullable=False),
        sa.Column("app_id", sa.Text),
        sa.Column("message", sa.Text, nullable=False, server_default=""),
        sa.Column("author", sa.Text, nullable=False, server_default=""),
    )
    op.create_table(
        "listing",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("began_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "find",
        sa.Column("target_kind", sa.Text, primary_key=True),
        sa.Column("target_id", sa.Text, primary_key=True),
        sa.Column("listing_kind", sa.Text, primary_key=True),
        sa.Column("listing_id", sa.Text, primary_key=True),
        sa.Column("found_at", sa.BigInteger, nullable=False),
        sa.Column("is_new", sa.Boolean, nullable=False),
        sa.Column("is_followed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "held",
        sa.Column("id", _ROW_NUMBER, primary_key=True),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("window", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("target_kind", sa.Text, nullable=False),
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("alert_key", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("held_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "silence",
        sa.Column("id", _ROW_NUMBER, primary_key=True),
        sa.Column("patterns", sa.LargeBinary, nullable=False),
        sa.Column("begins", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "digest",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("issued_until", sa.BigInteger, nullable=False),
    )

    op.create_table(
        "leads_to",
        sa.Column("entry", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("destination", sa.Text, nullable=False),
    )

    op.create_index("transition_target", "transition", ["target_id", "target_kind"])
    op.create_index("notification_target", "notification", ["target_id", "target_kind"])
    op.create_index(
        "notification_unsent",
        "notification",
        ["destination", "id", "state"],
        sqlite_where=sa.text("state NOT IN ('sent', 'folded')"),
        postgresql_where=sa.text("state NOT IN ('sent', 'folded')"),
    )
    op.create_index(
        "notification_next",
        "notification",
        [
            "destination",
            "urgency",
            "form",
            "id",
            "in_doubt",
            "next_try_at",
            "target_id",
            "target_kind",
            "done_at",
        ],
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_index(
        "notification_later",
        "notification",
        ["next_try_at"],
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_index(
        "notification_of_rollout",
        "notification",
        ["destination", "target_id", "target_kind", "id", "done_at"],
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_index(
        "notification_folded",
        "notification",
        ["folded_into"],
        sqlite_where=sa.text("folded_into IS NOT NULL"),
        postgresql_where=sa.text("folded_into IS NOT NULL"),
    )
    op.create_index(
        "notification_in_doubt",
        "notification",
        ["next_try_at"],
        sqlite_where=sa.text("done_at IS NULL AND in_doubt"),
        postgresql_where=sa.text("done_at IS NULL AND in_doubt"),
    )
    op.create_index(
        "notification_look_again",
        "notification",
        ["look_again_at"],
        sqlite_where=sa.text("look_again_at IS NOT NULL"),
        postgresql_where=sa.text("look_again_at IS NOT NULL"),
    )
    op.create_index(
        "card_edit_wanted",
        "card",
        ["destination", "urgency", "changed_at", "next_try_at"],
        sqlite_where=sa.text("ts IS NOT NULL AND wanted_fingerprint IS NOT shown_fingerprint"),
        postgresql_where=sa.text(
            "ts IS NOT NULL AND wanted_fingerprint IS DISTINCT FROM shown_fingerprint"
        ),
    )
