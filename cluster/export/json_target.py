"""Strategies as the JSON that Studbook itself reads."""

import json
from collections.abc import Mapping
from typing import Any

from strategies.strategy import Strategy


def json_text(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the strategy's JSON, indented; the record is left out, since an id is the hash of the rules alone."""
    del record
    return json.dumps(strategy.to_dict(), sort_keys=True, indent=2, allow_nan=False) + "\n"
