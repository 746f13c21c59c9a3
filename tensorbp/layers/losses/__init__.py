"""Losses: one number for each sample, the mean over whatever axes a sample has."""
