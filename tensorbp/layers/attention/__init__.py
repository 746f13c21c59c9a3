"""Attention and transformers: masks, positions, heads, blocks, experts."""
