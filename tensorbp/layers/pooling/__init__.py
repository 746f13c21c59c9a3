"""Pools: of windows, of all of space, of sets."""
