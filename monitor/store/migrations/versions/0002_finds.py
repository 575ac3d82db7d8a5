"""What was found by lists, since when each list is watched, and facts that changed."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("transition", sa.Column("fact", sa.Text, nullable=False, server_default=""))
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
