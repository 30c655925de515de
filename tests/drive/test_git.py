"""A ref's files are those that git itself would put into a worktree, and the repository doesn't notice."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from perflab.drive.git import open_checkout
from perflab.errors import UsageError

ATTRIBUTES = """
left-out.txt export-ignore
substituted.txt export-subst
dos.txt text eol=crlf
identified.txt ident
filtered.txt filter=loud
"""


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True)
    return done.stdout


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Each file's mode and content, without git's own."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = path.lstat().st_mode, os.fsencode(path.readlink())
        elif path.is_file() and not name.startswith(".git/") and name != ".git":
            found[name] = path.stat().st_mode, path.read_bytes()
    return found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = tmp_path / "re,po {port} \n "
    (top / "inner").mkdir(parents=True)
    git(top, "init", "-q")
    for name, value in {
        "filter.loud.smudge": "tr a-z A-Z",
        "filter.loud.clean": "cat",
        "core.splitIndex": "true",
    }.items():
        git(top, "config", name, value)
    (top / ".gitattributes").write_text(ATTRIBUTES)
    (top / "substituted.txt").write_text("$Format:%H$\n")
    (top / "identified.txt").write_text("$Id$\n")
    for name in ("left-out.txt", "dos.txt", "filtered.txt", "inner/server.py", "odd\nname é"):
        (top / name).write_text("one\ntwo\n")
    (top / "inner" / "run").write_text("#!/bin/sh\n")
    (top / "inner" / "run").chmod(0o755)
    (top / "link").symlink_to("inner/server.py")
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "one")
    (top / "inner" / "server.py").write_text("not committed")
    (top / "untracked").touch()
    return top


def test_the_files_are_those_of_a_worktree(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / "worktree"), "HEAD")
    expected = files(tmp_path / "worktree")
    git(repository, "worktree", "remove", "--force", str(tmp_path / "worktree"))
    assert {"left-out.txt", "odd\nname é"} <= expected.keys()
    assert expected["filtered.txt"][1] == b"ONE\nTWO\n"
    # As a hook of another repository would have it.
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    with open_checkout("HEAD", repository / "inner") as checkout:
        assert checkout.folder.name == "inner"
        assert files(checkout.folder.parent) == expected
    assert not checkout.folder.exists()
    assert {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()} == before


def test_a_worktree_of_the_repository_will_do_too(repository: Path, tmp_path: Path) -> None:
    worktree = tmp_path / "worktree"
    git(repository, "worktree", "add", "-q", "--detach", str(worktree), "HEAD")
    with open_checkout("HEAD", worktree) as checkout:
        assert files(checkout.folder) == files(worktree)
        assert checkout.commit == git(repository, "rev-parse", "HEAD").strip()


@pytest.mark.parametrize(
    ("ref", "words"), [("nope", "is not known"), ("--help", "is not known"), ("HEAD", "has no folder")]
)
def test_what_can_not_be_checked_out_is_told(repository: Path, ref: str, words: str) -> None:
    (repository / "new").mkdir()
    with pytest.raises(UsageError, match=words), open_checkout(ref, repository / "new"):
        pass
    with pytest.raises(UsageError, match="not a git repository"), open_checkout(ref, Path("/")):
        pass


def test_why_git_refuses_a_repository_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As where it belongs to somebody else, in a container say.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(UsageError, match=r"dubious ownership .* safe\.directory"), open_checkout("HEAD", repository):
        pass
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(UsageError, match="No such file or directory: 'git'"), open_checkout("HEAD", repository):
        pass


def test_a_filter_that_fails_is_told(repository: Path) -> None:
    git(repository, "config", "filter.loud.smudge", "false")
    git(repository, "config", "filter.loud.required", "true")
    with pytest.raises(UsageError, match=r"can't be checked out: .*filtered"), open_checkout("HEAD", repository):
        pass
