"""A backup of SQLite reports its pages and contains one state of the database, also while another process writes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pmmds_core.config.settings import Settings
from pmmds_core.stores.database.backup import back_up
from pmmds_core.stores.database.engine import open_database


def test_backup_reports_its_pages_and_ignores_concurrent_writes(tmp_path: Path) -> None:
    database = open_database(Settings(home=str(tmp_path)))
    file, seen = database.file, list[tuple[int, int]]()
    assert file is not None
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE big (text TEXT)")
        writer.executemany("INSERT INTO big VALUES (?)", [("x" * 4000,)] * 2500)
        writer.commit()

        def write_and_note(done: int, total: int) -> None:
            writer.execute("INSERT INTO big VALUES ('late')")
            writer.commit()
            seen.append((done, total))

        back_up(database, tmp_path / "copy.backup", write_and_note)
    database.close()
    assert len(seen) >= 3, "2,500 rows of 4,000 bytes take more than two steps of 1,000 pages"
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    with closing(sqlite3.connect(tmp_path / "copy.backup")) as copy:
        assert copy.execute("SELECT count(*), sum(text = 'late') FROM big").fetchone() == (2500, 0)
