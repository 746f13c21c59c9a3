"""What YAML is read as, what of it is refused, and where the fault is said to be."""

from __future__ import annotations

import io
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.errors import ModelError
from tensorbp.model import document
from tensorbp.model.document import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    UnreadableNode,
    parse,
    read_text,
)
from tensorbp.model.problems import Place, Problems, quoted


def plain(node: Node) -> Any:
    """Return the tree without places."""
    match node:
        case MappingNode():
            return {key: plain(value) for key, value in node.entries.items()}
        case SequenceNode():
            return [plain(item) for item in node.items]
        case ScalarNode():
            return node.value
        case UnreadableNode():
            return ...


def read(text: str) -> Any:
    problems = Problems("model.yaml")
    node = parse(text, problems)
    problems.check()
    return plain(node)


def complaint(text: str) -> str:
    with pytest.raises(ModelError) as error:
        read(text)
    return str(error.value)


def test_everything_knows_its_place() -> None:
    root = parse("a: 1\nb:\n  - {c: x}\n", Problems("model.yaml"))
    assert isinstance(root, MappingNode)
    assert root.keys == {"a": Place(1, 1), "b": Place(2, 1)}
    (item,) = root.entries["b"].items  # type: ignore[union-attr]
    assert item.place == Place(3, 5)
    assert item.entries["c"] == ScalarNode(Place(3, 9), "x")


def test_an_empty_file_is_nothing() -> None:
    assert read("") is None
    assert read("# only a comment\n") is None


def test_quotes_make_texts() -> None:
    assert read("[1, '1', \"true\", null, 'null']") == [1, "1", "true", None, "null"]


REFUSED = {
    "a: 1\nb: 2\na: 3": "model.yaml:3:1: the key 'a' is there twice, first on line 1",
    "a: &x 1": "model.yaml:1:4: the anchor 'x' is not read; remove it",
    "a: *x": "model.yaml:1:4: the alias 'x' is not read; write it out",
    "a: {<<: {b: 1}}": "model.yaml:1:5: merge keys are not read; write the keys out",
    "a: !!python/object/apply:os.system [ls]": (
        "model.yaml:1:4: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not read; "
        "remove it"
    ),
    "a: !!str 1": "model.yaml:1:4: the tag 'tag:yaml.org,2002:str' is not read; remove it",
    "a: !mine 1": "model.yaml:1:4: the tag '!mine' is not read; remove it",
    "a: 1\n---\nb: 2": ("model.yaml:2:1: a second document starts here; use one file for each"),
    "1: a": "model.yaml:1:1: a key must be a name; put quotes around it",
    "? [a]\n: b": "model.yaml:1:3: a key must be a name; put quotes around it",
    "a: 9223372036854775808": (
        "model.yaml:1:4: '9223372036854775808' is too large: the largest integer is "
        "9223372036854775807"
    ),
    "a: [1": ("model.yaml:2:1: while parsing a flow sequence did not find expected ',' or ']'"),
    "a: 'x": "model.yaml:1:6: while scanning a quoted scalar found unexpected end of stream",
    "a: \0": "model.yaml:1:4: the character U+0000 is not allowed",
    "a: b\nc: \x1b[31m": "model.yaml:2:4: the character U+001B is not allowed",
    "a: \ufeffb": "model.yaml:1:4: the character U+FEFF is not allowed",
    'a: "\\e[31mred"': (
        "model.yaml:1:4: '\ufffd[31mred' contains line breaks or control characters"
    ),
    "a: |\n  b\n  c": ("model.yaml:1:4: 'b\ufffdc' contains line breaks or control characters"),
    "a: \ud800": "model.yaml:1:4: the character U+D800 is not allowed",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_what_is_refused(text: str, message: str) -> None:
    assert complaint(text).splitlines()[-1] == message


def test_both_parsers_say_the_same_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_LOADER", yaml.SafeLoader)
    assert complaint("a: 1\nb: *x").startswith("model.yaml:2:4: ")
    assert complaint("a: 1\n b: 2: 3").startswith("model.yaml:2:")
    assert read("a: [1, {b: no}]") == {"a": [1, {"b": "no"}]}


def test_all_problems_are_reported_in_the_order_of_the_file() -> None:
    assert [line.split(": ")[0] for line in complaint("a: *x\nb: &y 1\na: 2").splitlines()] == [
        "model.yaml:1:4",
        "model.yaml:2:4",
        "model.yaml:3:1",
    ]


def test_a_hundred_problems_are_enough() -> None:
    lines = complaint("[" + "*x, " * 100_000 + "]").splitlines()
    assert len(lines) == 101
    assert lines[-1].endswith(": too many problems, stopped here")


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 100_000, "- " * 100_000])
def test_deep_nesting_is_refused_at_once(text: str) -> None:
    start = perf_counter()
    assert complaint(text).endswith(": the file is nested more than 64 levels deep")
    assert perf_counter() - start < 2.0


def test_bombs_do_not_go_off() -> None:
    bomb = "a0: &a0 [x, x]\n"
    bomb += "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 40))
    start = perf_counter()
    assert "the alias 'a0' is not read" in complaint(bomb)
    assert perf_counter() - start < 2.0


def text_of(source: Any) -> str:
    problems = Problems("model.yaml")
    return read_text(source, problems)


def test_files_and_streams(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes("\ufeffname: β".encode())
    assert text_of(path) == text_of(str(path)) == "name: β"
    assert text_of(io.StringIO("\ufeffname: β")) == "name: β"
    assert text_of(io.BytesIO("name: β".encode())) == "name: β"


def test_only_utf_8_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(b"a: 1\nb: \xff")
    with pytest.raises(ModelError) as error:
        text_of(path)
    assert str(error.value) == "model.yaml:2:4: byte 0xff is not valid UTF-8"


def test_large_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(b"#" * (document.LARGEST_FILE + 1))
    for source in (path, io.StringIO(path.read_text())):
        with pytest.raises(ModelError) as error:
            text_of(source)
        assert str(error.value) == "model.yaml:1:1: the file is larger than 4194304 bytes"


def test_long_and_strange_texts_are_shown_short() -> None:
    assert quoted("abc") == "'abc'"
    assert quoted("a" * 100) == "'" + "a" * 57 + "...'"
    assert quoted("a\x1b[31m\n") == "'a\ufffd[31m\ufffd'"


@given(st.text(max_size=60) | st.text("[]{}:,-?&*!|>'\"%@`#\n ab1", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except ModelError as error:
        assert all(line.startswith("model.yaml:") for line in str(error).splitlines())


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63) + 1, 2**63 - 1)
        | st.floats(-1e300, 1e300)
        | st.text(st.characters(categories=["L", "N", "P"])),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.from_regex("[a-z]+", fullmatch=True), inner)
        ),
        max_leaves=20,
    )
)
def test_what_yaml_writes_is_read_back(value: Any) -> None:
    assert (
        read(yaml.safe_dump(value, default_style='"' if isinstance(value, str) else None)) == value
    )
