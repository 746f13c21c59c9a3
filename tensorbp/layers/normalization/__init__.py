"""Normalisation: of features, of channels, of vectors, of weights."""
