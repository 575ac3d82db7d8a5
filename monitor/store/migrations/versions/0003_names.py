"""What else is known of what has a name: its app, and of a build its commit."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("name", sa.Column("app_id", sa.Text))
    op.add_column("name", sa.Column("message", sa.Text, nullable=False, server_default=""))
    op.add_column("name", sa.Column("author", sa.Text, nullable=False, server_default=""))
