"""Times as plotly reads them."""

from datetime import datetime


def moment_text(moment: object) -> str:
    """Return a time as ISO text without its zone, which is UTC; midnights as dates.

    >>> moment_text(datetime(2001, 5, 3)), moment_text(datetime(2001, 5, 3, 9, 30))
    ('2001-05-03', '2001-05-03T09:30:00')
    """
    text = moment.isoformat() if isinstance(moment, datetime) else str(moment)
    return text.replace("+00:00", "").removesuffix("T00:00:00")
