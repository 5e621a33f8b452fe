"""Classes of false alarm: situations in which a textbook check condemns right code."""

from __future__ import annotations

from collections.abc import Mapping

from tests.catalogue.alarms import (
    flatness,
    meanings,
    precision,
    randomness,
    robust,
    ties,
)
from tests.catalogue.alarms.alarm import Alarm

__all__ = ["ALARMS", "Alarm"]

ALARMS: Mapping[str, Alarm] = {
    alarm.name: alarm
    for module in (ties, robust, precision, flatness, randomness, meanings)
    for alarm in module.ALARMS
}
"""Every false alarm by name."""
