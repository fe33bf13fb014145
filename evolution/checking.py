"""The two checks that settings of evolution need, with one wording."""

from strategies.errors import ConfigError


def check_whole(name: str, value: int, low: int, high: int) -> None:
    """Raise a `ConfigError` unless `value` is a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"`{name}` must be a whole number, but was {value!r} (evolution). Write it without a point.")
    if value < low:
        raise ConfigError(f"`{name}` must be at least {low}, but was {value} (evolution). Raise it to {low} or more.")
    if value > high:
        raise ConfigError(f"`{name}` must be at most {high}, but was {value} (evolution). Lower it to {high} or less.")


def check_share(name: str, value: float) -> None:
    """Raise a `ConfigError` unless `value` is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ConfigError(f"`{name}` must be between 0 and 1, but was {value!r} (evolution). Write it as a fraction.")
