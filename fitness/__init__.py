"""Bars to numbers: shards, folds, kernel, measures, statistics, gates."""
