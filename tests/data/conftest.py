"""Fixtures of the tests of data."""

from pathlib import Path

import pooch
import pytest


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No SYMGEN_DATA and an empty cache."""
    monkeypatch.delenv("SYMGEN_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return tmp_path
