"""Files: replaced in one act, by names that nobody foresees, with errors that name them."""

import errno
import fcntl
import os
import re
from pathlib import Path
from typing import Any

import pytest
from training_helpers import assert_same_weights, make_data, make_model

from symgen import TVAE
from symgen._files import naming, read_json, remove_stale, write_atomically, write_json
from symgen.training import fit, hold


def seen_names(folder: Path, times: int = 1) -> list[str]:
    """Return the names that files are written under before they are replaced."""
    names: list[str] = []
    for _ in range(times):
        write_atomically(folder / "o.png", lambda p: names.append(p.name) or p.write_text("new"))
    return names


def test_temporary_names_are_never_the_same_and_keep_the_suffix(tmp_path: Path) -> None:
    names = seen_names(tmp_path, times=20)
    assert len(set(names)) == 20
    assert all(re.fullmatch(r"\.partial\.[0-9a-f]{16}\.png", n) for n in names)
    assert os.listdir(tmp_path) == ["o.png"]


def test_a_link_that_was_planted_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 16)
    (target := tmp_path / "target").write_text("mine")
    (tmp_path / f".partial.{'0' * 16}.png").symlink_to(target)
    with pytest.raises(FileExistsError, match=r"o\.png"):
        seen_names(tmp_path)
    assert target.read_text() == "mine" and not (tmp_path / "o.png").exists()


def test_the_lock_is_no_link_to_a_file_that_is_emptied(tmp_path: Path) -> None:
    (target := tmp_path / "target").write_text("mine")
    (tmp_path / "lock").symlink_to(target)
    with pytest.raises(OSError), hold(tmp_path):
        pass
    assert target.read_text() == "mine"


def test_what_a_killed_process_left_goes_with_the_next_write_and_nothing_else(
    tmp_path: Path,
) -> None:
    stale, writing = (f".partial.{letter * 16}.png" for letter in "0a")
    kept = [writing, ".partial.1.x", ".partial.notes.txt", ".partial.", "partial.1.x"]
    for name in (stale, *kept):
        (tmp_path / name).touch()
    (tmp_path / f".partial.{'1' * 16}.link").symlink_to(tmp_path / "partial.1.x")
    with (tmp_path / writing).open() as file:  # as another process does
        fcntl.flock(file, fcntl.LOCK_EX)
        seen_names(tmp_path)
    assert set(os.listdir(tmp_path)) == {*kept, f".partial.{'1' * 16}.link", "o.png"}
    remove_stale(tmp_path / "nothing")


def test_a_file_that_is_taken_for_stale_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, removed = fcntl.flock, list[Path]()

    def late(descriptor: int, operation: int) -> None:
        if not removed and operation == fcntl.LOCK_EX:
            removed.extend(tmp_path.glob(".partial.*"))
            remove_stale(tmp_path)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    (name,) = seen_names(tmp_path)
    assert len(removed) == 1 and removed[0].name != name
    assert os.listdir(tmp_path) == ["o.png"]


def test_resuming_cleans_the_run_folder(tmp_path: Path) -> None:
    fit(make_model(), make_data(), examples=16, folder=tmp_path)
    for folder in (tmp_path, tmp_path / "state"):
        (folder / f".partial.{'0' * 16}.safetensors").touch()
    fit(make_model(), make_data(), examples=16, folder=tmp_path, resume=True)
    assert not list(tmp_path.rglob(".partial*"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_an_error_of_the_disk_names_the_file_and_the_free_space(
    tmp_path: Path, number: int
) -> None:
    def full(partial: Path) -> None:
        raise OSError(number, os.strerror(number))

    (path := tmp_path / "file").write_text("old")
    with pytest.raises(OSError, match=r"cannot be written: .*MB free.*file") as caught:
        write_atomically(path, full)
    assert (caught.value.errno, caught.value.filename) == (number, str(path))
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_an_error_that_names_another_file_or_has_no_number_is_left_alone(tmp_path: Path) -> None:
    for error in (FileNotFoundError(errno.ENOENT, "No such file", "film.mp4"), OSError("torn")):
        with pytest.raises(OSError) as caught, naming(tmp_path / "cache.npy"):
            raise error
        assert caught.value is error


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 99_999])
def test_a_file_that_is_not_json_is_named(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json is not JSON in UTF-8"):
        read_json(path)
    write_json(path, {"ä": [1, None]})
    assert read_json(path) == {"ä": [1, None]}


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("count", range(1, 12, 2))
def test_a_disk_that_fails_at_any_write_leaves_a_run_that_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, count: int
) -> None:
    given: dict[str, Any] = {"examples": 64, "checkpoint_every": 0.0, "log_every": 1}
    whole = fit(make_model(), make_data(), **given)
    real, left = getattr(os, call), 6 + count  # the folder exists by then

    def failing(*arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        with pytest.raises(OSError, match=f"cannot be written: No space.*{tmp_path}"):
            fit(make_model(), make_data(), folder=tmp_path, **given)
    fit(make_model(seed=9), make_data(), folder=tmp_path, resume=True, **given)
    assert_same_weights(TVAE.from_pretrained(tmp_path), whole.model)
    assert not list(tmp_path.rglob(".partial*"))


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((tmp_path / "pipe", "is no regular file"), (tmp_path, "is a folder")):
        with pytest.raises(ValueError, match=f"{re.escape(str(path))} {what}"):
            write_atomically(path, lambda partial: partial.write_text("new"))
    assert os.listdir(tmp_path) == ["pipe"] and (tmp_path / "pipe").is_fifo()
