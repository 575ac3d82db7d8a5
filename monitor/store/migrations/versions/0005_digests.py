"""Until when each digest has told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "digest",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("told_until", sa.BigInteger, nullable=False),
    )
