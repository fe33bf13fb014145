"""Back-tests exported files with freqtrade's own backtester, offline: run by the engines' Python, not by ours.

Usage: python freqtrade_backtests.py JOB.json ANSWER.json

A job is a list of markets: `bars` (columns by name, `time` in microseconds), `fee`, `cash`, and `files`: name, path of
an exported file, class, whether it needs futures, `signals` to trade instead of its own, `cuts` to look at causality.
The answer has the trades of each file, by name, and under `causal` the files whose cut candles say the same.
"""

import copy
import json
import logging
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from freqtrade.data.history import get_timerange
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.exchange import Exchange
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.persistence import LocalTrade
from freqtrade.resolvers import StrategyResolver

SPOT, FUTURES = "STUD/USDT", "STUD/USDT:USDT"


def configuration(*, futures, fee, cash, first):
    """What `freqtrade backtesting` would read from its configuration, options and data folder."""
    pair = FUTURES if futures else SPOT
    return {
        "dry_run": True,
        "dry_run_wallet": cash,
        "runmode": RunMode.BACKTEST,
        "exchange": {"name": "binance", "pair_whitelist": [pair], "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}],
        "stake_currency": "USDT",
        "stake_amount": "unlimited",
        "tradable_balance_ratio": 1.0,
        "amend_last_stake_amount": False,
        "last_stake_amount_min_ratio": 0.5,
        "max_open_trades": 1,
        "trading_mode": "futures" if futures else "spot",
        "margin_mode": "isolated" if futures else "",
        "liquidation_buffer": 0.0,
        "timeframe": "1d",
        "fee": fee,
        "entry_pricing": {"price_side": "other"},
        "exit_pricing": {"price_side": "other"},
        "user_data_dir": Path(first["path"]).parent,
        "datadir": Path(first["path"]).parent,
        "dataformat_ohlcv": "feather",
        "strategy": first["class"],
        "strategy_path": str(Path(first["path"]).parent),
    }


class OfflineExchange(Exchange):
    """freqtrade's exchange, which never calls a margin: Studbook's market rules have none."""

    def dry_run_liquidation_price(self, **_):
        """No price at which a position is taken away."""


def offline_exchange(config, *, futures, fee):
    """freqtrade's exchange with one market that was never asked for, without steps of price or amount."""
    exchange = OfflineExchange(config, validate=False)
    pair = FUTURES if futures else SPOT
    nothing = {"min": None, "max": None}
    exchange._markets = {
        pair: {
            "id": "STUDUSDT",
            "symbol": pair,
            "base": "STUD",
            "quote": "USDT",
            "settle": "USDT" if futures else None,
            "type": "swap" if futures else "spot",
            "spot": not futures,
            "swap": futures,
            "linear": futures,
            "inverse": False,
            "active": True,
            "contractSize": 1.0,
            "taker": fee,
            "maker": fee,
            "precision": {"amount": None, "price": None},
            "limits": {"amount": nothing, "cost": nothing, "price": nothing, "leverage": nothing},
            "info": {},
        }
    }
    exchange._leverage_tiers = {
        pair: [
            {"minNotional": 0.0, "maxNotional": 1e18, "maintenanceMarginRate": 0.0, "maxLeverage": 1.0, "maintAmt": 0.0}
        ]
    }
    return exchange


def frame_of(bars):
    """The candles, and one flat one after them, at whose open freqtrade closes what is left: the last close."""
    frame = pd.DataFrame({name: bars[name] for name in ("open", "high", "low", "close", "volume")})
    frame.insert(0, "date", pd.to_datetime(np.array(bars["time"]), unit="us", utc=True))
    last = frame.iloc[-1].copy()
    last[["open", "high", "low"]] = last["close"]
    last["date"] = last["date"] + timedelta(days=1)
    return pd.concat([frame, last.to_frame().T.astype(frame.dtypes)], ignore_index=True)


class Tester:
    """One mode's backtester, used for one file after another."""

    def __init__(self, *, futures, fee, cash, first):
        self.config = configuration(futures=futures, fee=fee, cash=cash, first=first)
        self.pair = FUTURES if futures else SPOT
        self.engine = Backtesting(self.config, offline_exchange(self.config, futures=futures, fee=fee))
        self.engine.required_startup = 0  # bars before the first are unknown to us, too
        self.engine.futures_data = {self.pair: pd.DataFrame()}  # no funding
        self.engine.funding_fee_timeframe_secs = 8 * 3600

    def strategy(self, file):
        """The strategy of an exported file, as freqtrade loads it."""
        strategy = StrategyResolver.load_strategy(
            {**self.config, "strategy": file["class"], "strategy_path": str(Path(file["path"]).parent)}
        )
        if "signals" in file:
            given = {name: np.array(column) for name, column in file["signals"].items()}
            after = {name: np.append(column, column[-1:] * 0) for name, column in given.items()}
            strategy.populate_indicators.__func__.__globals__["signals"] = lambda *_: after
        return strategy

    def trades(self, file, frame):
        """The trades of one file."""
        strategy = self.strategy(file)
        self.engine._set_strategy(strategy)
        candles = strategy.advise_all_indicators({self.pair: frame})
        first, last = get_timerange(candles)
        found = self.engine.backtest(processed=candles, start_date=first, end_date=last)
        return [
            {
                "side": -1 if row.is_short else 1,
                "entry": int(row.open_date.timestamp() * 1e6),
                "exit": int(row.close_date.timestamp() * 1e6),
                "entry_price": row.open_rate,
                "exit_price": row.close_rate,
                "units": row.amount,
                "profit": row.profit_abs,
                "reason": row.exit_reason,
            }
            for row in found["results"].itertuples()
        ]

    def refusal(self, file, frame):
        """What a file says of candles that are not of its width."""
        strategy = self.strategy(file)
        strategy.timeframe = "1h"
        try:
            strategy.populate_indicators(frame.copy(), {"pair": self.pair})
        except OperationalException as error:
            return str(error)
        return "nothing"

    def is_causal(self, file, frame):
        """Whether candles that are cut off change nothing of what is said before."""
        strategy, tags = self.strategy(file), {"pair": self.pair}
        whole = strategy.ft_advise_signals(strategy.advise_indicators(frame.copy(), tags), tags)
        for cut in file["cuts"]:
            part = strategy.ft_advise_signals(strategy.advise_indicators(frame.iloc[:cut].copy(), tags), tags)
            if not part.equals(whole.iloc[:cut]):
                return False
        return True


def main():
    """Runs the job."""
    logging.disable(logging.CRITICAL)
    # Callbacks get copies of trades, so that they can't change them; deep ones take three fifths of the time.
    LocalTrade.__deepcopy__ = lambda self, _: copy.copy(self)
    testers, answer = {}, {"causal": []}
    for market in json.loads(Path(sys.argv[1]).read_text()):
        frame, fee = frame_of(market["bars"]), market["fee"]
        for file in market["files"]:
            key = file["futures"], fee
            if key not in testers:
                testers[key] = Tester(futures=file["futures"], fee=fee, cash=market["cash"], first=file)
            answer[file["name"]] = testers[key].trades(file, frame)
            answer["refusal"] = testers[key].refusal(file, frame)
            if "cuts" in file and testers[key].is_causal(file, frame):
                answer["causal"].append(file["name"])
    Path(sys.argv[2]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
