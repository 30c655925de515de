"""The shell scripts: what shellcheck says of them, and that a missing test tool stops nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci" / "run"]
SHELLCHECK = Path(sys.executable).with_name("shellcheck")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(ROOT)))
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    done = subprocess.run([SHELLCHECK, script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_shellcheck_would_say_so(tmp_path: Path) -> None:
    (tmp_path / "bad.sh").write_text("rm $1\n")
    shutil.copy(ROOT / ".shellcheckrc", tmp_path)
    done = subprocess.run([SHELLCHECK, "bad.sh"], cwd=tmp_path, capture_output=True, text=True)
    assert "SC2086" in done.stdout


@pytest.mark.parametrize("present", [set(), {"chromium", "chromedriver"}, {"chromium", "chromedriver", "redis-server"}])
def test_each_missing_tool_is_asked_for_by_itself(tmp_path: Path, present: set[str]) -> None:
    """With a package manager that installs nothing: the script asks for what is missing, says so, and goes on."""
    asked = tmp_path / "asked"
    for name in ("bash", "id"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    for name, line in {"apt-get": f'echo "$@" >>"{asked}"; exit 1', "sudo": 'shift; exec "$@"', "true": ""}.items():
        (tmp_path / name).write_text(f"#!{shutil.which('bash')}\n{line}\n")
        (tmp_path / name).chmod(0o755)
    for name in present:
        (tmp_path / name).symlink_to("/bin/true")
    script = ROOT / "scripts" / "install-test-tools.sh"
    done = subprocess.run([script], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    packages = {"chromium": "chromium", "chromedriver": "chromium-driver", "redis-server": "redis-server"}
    missing = [package for program, package in packages.items() if program not in present]
    requests = asked.read_text().splitlines() if asked.exists() else []
    assert [line.split()[-1] for line in requests if line.startswith("install")] == missing
    assert [line for line in done.stderr.splitlines() if "skipped" in line] == [
        f"the tests that need {package} will be skipped (on Debian: apt-get install {package})" for package in missing
    ]
