"""Back-tests exported files with NautilusTrader's own engine: run by the engines' Python, not by ours.

Usage: python nautilus_backtests.py JOB.json ANSWER.json

A job is a list of markets: `bars` (columns by name, `time` in microseconds), `fee`, `cash`, and `files`: name, path of
an exported file, class, `signals` to trade instead of its own, or how many bars of `history` a strategy gets that is
live, which computes its signals anew at each bar. The answer has the trades of each file, by name.
"""

import importlib.util
import json
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, CurrencyType, OmsType
from nautilus_trader.model.events import PositionClosed
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TraderId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Currency, Money, Price, Quantity

PRECISION, LOTS = 12, 8  # of prices, of sizes: NautilusTrader sums positions as doubles
VENUE = Venue("STUD")
MONEY = Currency("SUSD", PRECISION, 0, "money in fine steps", CurrencyType.CRYPTO)
SHARE = Currency("SHARE", LOTS, 0, "what is traded", CurrencyType.CRYPTO)


def venue_market(fee):
    """An instrument with steps that are finer than doubles need."""
    return CurrencyPair(
        instrument_id=InstrumentId(Symbol("SHARE/SUSD"), VENUE),
        raw_symbol=Symbol("SHARESUSD"),
        base_currency=SHARE,
        quote_currency=MONEY,
        price_precision=PRECISION,
        size_precision=LOTS,
        price_increment=Price(Decimal(1).scaleb(-PRECISION), PRECISION),
        size_increment=Quantity(Decimal(1).scaleb(-LOTS), LOTS),
        ts_event=0,
        ts_init=0,
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
        maker_fee=Decimal(str(fee)),
        taker_fee=Decimal(str(fee)),
    )


def loaded(path):
    """The module of an exported file."""
    spec = importlib.util.spec_from_file_location(f"exported_{Path(path).parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def engine_of(instrument, cash):
    """An engine with one venue and its market."""
    quiet = LoggingConfig(bypass_logging=True)
    config = BacktestEngineConfig(trader_id=TraderId("STUDBOOK-001"), logging=quiet, run_analysis=False)
    engine = BacktestEngine(config=config)
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=MONEY,
        starting_balances=[Money(cash, MONEY)],
        trade_execution=True,
        bar_execution=False,
    )
    engine.add_instrument(instrument)
    return engine


def trade(event, cache):
    """A position that was closed, as plain values."""
    return {
        "side": 1 if event.entry.name == "BUY" else -1,
        "entry": event.ts_opened // 1000,
        "exit": event.ts_closed // 1000,
        "entry_price": event.avg_px_open,
        "exit_price": event.avg_px_close,
        "units": event.peak_qty.as_double(),
        "profit": event.realized_pnl.as_double(),
        "reason": cache.order(event.closing_order_id).tags[0],
    }


def strategy_of(file, module, instrument, bar_type):
    """The strategy of an exported file."""
    if "signals" in file:
        given = {name: np.array(column) for name, column in file["signals"].items()}
        module.signals = lambda *_: given
    config = module.StudbookConfig(instrument_id=instrument.id, bar_type=bar_type)
    return getattr(module, file["class"])(config)


def refusal(file, instrument):
    """What a file says of bars that are not of its width."""
    try:
        strategy_of(file, loaded(file["path"]), instrument, BarType.from_str(f"{instrument.id}-1-HOUR-LAST-EXTERNAL"))
    except ValueError as error:
        return str(error)
    return "nothing"


def trades(engine, file, market, data):
    """The trades of one file."""
    instrument, bar_type = market["instrument"], market["bar_type"]
    strategy = strategy_of(file, loaded(file["path"]), instrument, bar_type)
    if "history" in file:
        for item in [item for item in data if isinstance(item, Bar)][: file["history"]]:
            strategy.on_historical_data(item)
    else:
        strategy.prepare(market["columns"])
    events = []
    engine.add_strategy(strategy)
    engine.kernel.msgbus.subscribe("events.position.*", events.append)
    engine.run(start=market["columns"]["time"][file.get("history", 0)] * 1000)
    found = [trade(event, engine.cache) for event in events if isinstance(event, PositionClosed)]
    engine.reset()
    engine.clear_strategies()
    return found


def main():
    """Runs the job."""
    answer = {}
    for market in json.loads(Path(sys.argv[1]).read_text()):
        instrument = venue_market(market["fee"])
        bar_type = BarType.from_str(f"{instrument.id}-1-DAY-LAST-EXTERNAL")
        columns = {**market["bars"], "timestamp": market["bars"]["time"]}
        market |= {"instrument": instrument, "bar_type": bar_type, "columns": columns}
        engine = engine_of(instrument, market["cash"])
        answer["refusal"] = refusal(market["files"][0], instrument)
        data = loaded(market["files"][0]["path"]).market_data(instrument, bar_type, columns)
        engine.add_data(data)
        for file in market["files"]:
            answer[file["name"]] = trades(engine, file, market, data)
        engine.dispose()
    Path(sys.argv[2]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
