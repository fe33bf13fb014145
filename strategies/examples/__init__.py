"""Strategies written by hand, to copy from: `studbook backtest --module strategies.examples.sma_cross -s SPX`.

A file with a class that has `decide(self, bars) -> Decisions` is all it takes; see strategies/contract.py.
"""
