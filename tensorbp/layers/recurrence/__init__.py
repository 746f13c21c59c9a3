"""Recurrent networks: cells, and cells unrolled over sequences."""
