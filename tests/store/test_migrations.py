"""Files of other versions: older ones are brought up to date, newer ones are left alone."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

import monitor
from monitor.errors import StoreError
from monitor.kinds import release
from monitor.model import Entity, Level, Snapshot, Target, TargetState, Transition
from monitor.store import Observation, Store, opening
from monitor.store.tables import HEAD, metadata
from tests.support.clock import NOON

NEXT = f"{int(HEAD) + 1:04}"
RELEASE = Target("release", "rel1")
ROOT = Entity(release.RELEASE, "rel1", "active")
SEEN = Observation(
    Snapshot(RELEASE, NOON, ROOT),
    TargetState(NOON),
    b"",
    (Transition(Level.ROLLOUT, ROOT, None, "x"),),
)

Release = Callable[[str, str], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "monitor.db"


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """Return what makes this a later version, with one more migration."""
    migrations = tmp_path / "migrations"
    shutil.copytree(opening._MIGRATIONS, migrations)
    monkeypatch.setattr(opening, "_MIGRATIONS", migrations)

    newest = HEAD

    def release(revision: str, statements: str) -> None:
        nonlocal newest
        migration = migrations / "versions" / f"{revision}_later.py"
        migration.write_text(
            "import sqlalchemy as sa\n"
            "from alembic import op\n"
            f"revision = {revision!r}\n"
            f"down_revision = {newest!r}\n"
            f"def upgrade():\n    {statements}\n"
        )
        newest = revision
        monkeypatch.setattr(opening, "HEAD", newest)

    return release


def open_store(path: Path) -> Store:
    return Store.open(f"sqlite:///{path}", now=NOON)


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def revision_of(path: Path) -> str:
    return str(query(path, "SELECT version_num FROM alembic_version")[0][0])


def names_of_copies(path: Path) -> list[str]:
    return sorted(copy.name for copy in path.parent.glob(f"{path.name}.before-*"))


def test_the_newest_migration_is_the_one_the_program_asks_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(opening._MIGRATIONS))

    script = ScriptDirectory.from_config(config)

    assert script.get_heads() == [HEAD]
    assert [one.revision for one in script.walk_revisions()] == [
        f"{number:04}" for number in range(int(HEAD), 0, -1)
    ]


def test_the_migrations_make_the_tables_that_the_program_uses(path: Path) -> None:
    with open_store(path) as store, store._database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, metadata) == []


def test_an_up_to_date_file_opens_without_loading_the_migrations(path: Path) -> None:
    open_store(path).close()
    code = (
        "import sys; from datetime import UTC, datetime; from monitor.store import Store;"
        "Store.open(sys.argv[1], now=datetime.now(UTC)).close();"
        "print('alembic' in sys.modules)"
    )

    output = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{path}"],
        cwd=Path(monitor.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert output == "False\n"


def test_a_new_file_needs_no_copy(path: Path) -> None:
    open_store(path).close()

    assert revision_of(path) == HEAD
    assert names_of_copies(path) == []


def test_an_older_file_is_brought_up_to_date_and_a_copy_of_it_is_kept(
    path: Path, release: Release
) -> None:
    with open_store(path) as store:
        store.save(SEEN)
    release(NEXT, "op.add_column('outage', sa.Column('note', sa.Text))")

    with open_store(path) as store:
        assert store.snapshots.load(RELEASE) is not None

    assert revision_of(path) == NEXT
    copy = path.with_name(f"monitor.db.before-{NEXT}")
    assert revision_of(copy) == HEAD
    assert query(copy, "SELECT id FROM target") == [("rel1",)]


def test_the_newest_three_copies_are_kept(path: Path, release: Release) -> None:
    open_store(path).close()
    revisions = [f"{int(HEAD) + number:04}" for number in range(1, 6)]
    for revision in revisions:
        release(revision, f"op.add_column('outage', sa.Column('note{revision}', sa.Text))")
        open_store(path).close()

    assert names_of_copies(path) == [f"monitor.db.before-{revision}" for revision in revisions[-3:]]


def test_a_migration_that_makes_a_table_anew_keeps_what_refers_to_it(
    path: Path, release: Release
) -> None:
    with open_store(path) as store:
        store.save(SEEN)
    release(
        NEXT,
        "with op.batch_alter_table('target', recreate='always') as batch:\n"
        "        batch.alter_column('fingerprint', nullable=True)",
    )

    with open_store(path) as store:
        assert len(store.history.load("rel1")) == 1


def test_a_migration_that_breaks_off_leaves_the_file_as_it_was(
    path: Path, release: Release
) -> None:
    with open_store(path) as store:
        store.save(SEEN)
    release(NEXT, "op.drop_table('transition'); op.execute('no such statement')")

    with pytest.raises(OperationalError, match="syntax error"):
        open_store(path)

    assert revision_of(path) == HEAD
    assert query(path, "SELECT entity_id FROM transition") == [("rel1",)]


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    open_store(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()

    for opened in (open_store, lambda path: Store.open_readonly(f"sqlite:///{path}")):
        with pytest.raises(StoreError, match="made by a newer version"):
            opened(path)

    assert revision_of(path) == "9999"
    assert names_of_copies(path) == []


def test_a_reader_does_not_change_an_older_file(path: Path, release: Release) -> None:
    open_store(path).close()
    release(NEXT, "op.add_column('outage', sa.Column('note', sa.Text))")

    with pytest.raises(StoreError, match="made by an older version"):
        Store.open_readonly(f"sqlite:///{path}")

    assert revision_of(path) == HEAD
