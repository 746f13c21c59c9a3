"""Convolutions, and what else moves over space: padding, windows as columns, other sizes."""
