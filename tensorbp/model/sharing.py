"""Parameters that several layers use: finding the layer to which they belong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tensorbp.errors import suggestion
from tensorbp.model.problems import Place, Problems, quoted
from tensorbp.model.scope import Entry, Names, Use
from tensorbp.model.specification import LayerSpecification, Share

__all__ = ["Sharing", "WiredShare"]


@dataclass(frozen=True)
class WiredShare:
    """Parameters of a layer that are those of another one.

    Attributes:
        place: where the file says so.
        parameter: which parameter, None for all.
        layer: the name of the layer that has them.
        source: its parameter, as the file says it: ``W``, or ``W.T`` for the transpose.
        is_of_block: whether it is a block that shares, and the layer as a part of it.
    """

    place: Place
    parameter: str | None
    layer: str
    source: str
    is_of_block: bool = False


class Sharing:
    """Finds what layers share: a name is looked up in the list it stands in, then in the model."""

    def __init__(self, model: Names, problems: Problems) -> None:
        """Remember where to look and what to note.

        Args:
            model: the names of the model's own list.
            problems: where names that stand for nothing are noted.
        """
        self._model = model
        self._problems = problems

    def of(self, use: Use, names: Names, prefix: str = "") -> Iterator[WiredShare]:
        """Yield what an entry of a list shares, noting what cannot be shared.

        Args:
            use: the entry.
            names: the names of its list.
            prefix: what stands before these names in the whole model.
        """
        for share in use.specification.shares:
            local = names.entry(share.source)
            entry = local or self._model.entry(share.source)
            if _is_unknown(use.specification, use.name in names.blocks) or (
                entry and _is_unknown(entry.specification, bool(entry.inside))
            ):
                continue
            reason = self._absence(share, names) if entry is None else _fault(share, use, entry)
            if entry is None or reason:
                self._problems.add(share.place, reason)
                continue
            path = f"{prefix if local else ''}{entry.path}"
            if path != f"{prefix}{use.name}":
                yield WiredShare(share.place, share.parameter, path, entry.rest)
            elif use.specification.repeat is None or share.parameter not in (None, entry.rest):
                message = f"{quoted(use.name)} shares parameters with itself; name another layer"
                self._problems.add(share.place, message)

    def _absence(self, share: Share, names: Names) -> str:
        head = share.source.partition(".")[0]
        known = suggestion(head, [*names.entries, *self._model.entries])
        return f"there is no layer {quoted(head)}{known}"


def _is_unknown(specification: LayerSpecification, is_block: bool) -> bool:
    """Say whether it is of a type that is not there, which has been noted already."""
    return specification.layer is None and not is_block


def _fault(share: Share, use: Use, entry: Entry) -> str:
    """Return why an entry cannot share these parameters, or nothing if it can."""
    mine, theirs = use.specification, entry.specification
    if share.parameter is None:
        if entry.rest and theirs.layer:
            return (
                f"{quoted(share.source)} is no layer; a single parameter is shared as in "
                f"'share: {{W: {share.source}}}'"
            )
        if entry.rest:
            return _absence_inside(entry)
        if mine.type_name != theirs.type_name:
            return (
                f"all parameters are shared by layers of one type, but '{use.name}' is of type "
                f"'{mine.type_name}', and '{entry.path}' of type '{theirs.type_name}'; name "
                "single ones, as in 'share: {W: tokens.W}'"
            )
    elif mine.layer is None:
        return (
            f"'{use.name}' is a block, which shares all of its parameters; name another use of "
            f"'{mine.type_name}', as in 'share: NAME'"
        )
    elif theirs.layer is None:
        return _absence_inside(entry)
    return ""


def _absence_inside(entry: Entry) -> str:
    head = entry.rest.partition(".")[0]
    known = suggestion(head, entry.inside)
    return f"block '{entry.specification.type_name}' has no layer {quoted(head)}{known}"
