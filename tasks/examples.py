"""Two tasks of the kind that people write, small and complete. Nothing is charged and nothing is stored by them."""

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from statistics import fmean
from typing import Any

from tasks.app import app

MINOR_DIGITS = {"JPY": 0, "KRW": 0, "KWD": 3}
"""Digits after the point, where they are not two."""


@app.task(name="process_payment")
def process_payment(order_id: int | str, *, currency: str, amount: float | str) -> dict[str, Any]:
    """The amount as a payment provider wants it: rounded to what the currency has, and in its smallest unit."""
    currency = currency.upper()
    unit = Decimal(1).scaleb(-MINOR_DIGITS.get(currency, 2))
    rounded = Decimal(str(amount)).quantize(unit, ROUND_HALF_UP)
    if rounded <= 0:
        raise ValueError(f"Order {order_id}: the amount must be positive.")
    return {"order_id": order_id, "currency": currency, "amount": str(rounded), "minor_units": int(rounded / unit)}


@app.task(name="process_data")
def process_data(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Count, least, greatest and mean of every numeric column: `{"rows": n, "columns": {name: {...}}}`."""
    columns: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                columns[name].append(value)
    return {"rows": len(rows), "columns": {name: _summary(values) for name, values in columns.items()}}


def _summary(values: list[float]) -> dict[str, float]:
    return {"count": len(values), "min": min(values), "max": max(values), "mean": fmean(values)}
