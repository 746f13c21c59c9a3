"""The documentation is true: its code runs, and it names what there is."""

from __future__ import annotations

import doctest
import gc
import re
from pathlib import Path

import pytest

import tensorbp as tb
from tensorbp.planning.cache import forget
from tensorbp.registry import HOOKS

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # a variable that another test made, and a plan remembers, stands before those of the page
    forget()
    gc.collect()
    failed, attempted = doctest.testfile(str(page), module_relative=False)
    assert not failed
    assert attempted == page.read_text().count("\n>>> ") + page.read_text().count("   >>> ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_hook_is_documented() -> None:
    page = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text()
    for hook in HOOKS.values():
        assert hook in page


def test_the_readme_names_every_command() -> None:
    from typer.main import get_command

    from tensorbp.cli.app import app

    readme = (ROOT / "README.md").read_text()
    for command in get_command(app).commands:  # type: ignore[attr-defined]
        assert f"`tensorbp {command}" in readme


def test_the_version_is_that_of_the_changelog() -> None:
    assert f"## {tb.__version__}" in (ROOT / "CHANGELOG.md").read_text()
