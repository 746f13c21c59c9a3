"""The arena: buffers that are alive together never overlap, and it is no larger than need be."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tensorbp.planning.arena import ALIGNMENT, Lifetime, place

lifetimes = st.lists(
    st.builds(
        lambda size, first, length: Lifetime(size, first, first + length),
        st.integers(0, 1000),
        st.integers(0, 12),
        st.integers(0, 5),
    ),
    max_size=25,
)


def alive_at(buffers: list[Lifetime], step: int) -> list[int]:
    return [k for k, each in enumerate(buffers) if each.first <= step <= each.last]


@given(lifetimes)
def test_buffers_that_are_alive_together_do_not_overlap(buffers: list[Lifetime]) -> None:
    offsets, total = place(buffers)
    for step in range(20):
        alive = sorted(alive_at(buffers, step), key=lambda k: (offsets[k], buffers[k].size))
        ends = [offsets[k] + buffers[k].size for k in alive]
        for end, following in zip(ends, alive[1:], strict=False):
            assert end <= offsets[following]
        assert max(ends, default=0) <= total
    assert all(offset % ALIGNMENT == 0 for offset in offsets)


@given(lifetimes)
def test_the_arena_holds_what_is_alive_and_never_more_than_everything(
    buffers: list[Lifetime],
) -> None:
    _, total = place(buffers)
    sizes = [-(-each.size // ALIGNMENT) * ALIGNMENT for each in buffers]
    most = max(sum(sizes[k] for k in alive_at(buffers, step)) for step in range(20))
    assert most <= total <= sum(sizes)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=12))
def test_a_chain_needs_its_two_largest_neighbours(sizes: list[int]) -> None:
    """Buffers of which each lives until the next is made: two of them at a time."""
    chain = [Lifetime(size * ALIGNMENT, k, k + 1) for k, size in enumerate(sizes)]
    _, total = place(chain)
    most = max(a + b for a, b in zip(sizes, [*sizes[1:], 0], strict=True))
    assert total <= 2 * most * ALIGNMENT


@given(lifetimes, st.integers(0, 80))
def test_sizes_may_be_as_large_as_they_like(drawn: list[Lifetime], power: int) -> None:
    """What a plan could never be given memory for is laid out like anything else."""
    buffers = [replace(each, size=each.size * ALIGNMENT) for each in drawn]
    offsets, total = place(buffers)
    factor = 2**power
    large = [replace(each, size=each.size * factor) for each in buffers]
    assert place(large) == ([each * factor for each in offsets], total * factor)


def test_what_is_needed_in_turn_takes_no_more_than_what_is_alive() -> None:
    """Forward values that are given back in reverse, as derivatives need them: one stack."""
    count = 2000
    stack = [Lifetime((1 + k % 7) * ALIGNMENT, k, 2 * count - k) for k in range(count)]
    assert place(stack)[1] == sum(each.size for each in stack)


def test_what_lives_long_lies_below_where_that_leaves_no_gap() -> None:
    """By size alone 2 lines that stay lie above 4 and 3 that come and go, and 8 are needed."""
    drawn = [(2, 0, 2), (3, 0, 0), (4, 1, 2), (2, 0, 0)]
    buffers = [Lifetime(size * ALIGNMENT, first, last) for size, first, last in drawn]
    most = max(sum(buffers[k].lines for k in alive_at(buffers, step)) for step in range(3))
    assert place(buffers)[1] == most * ALIGNMENT == 7 * ALIGNMENT
