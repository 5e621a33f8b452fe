"""What a check may turn off and on: dropout, a penalty, anything with a name.

A switch is either a keyword argument of the objective's functions (``dropout=0.0``, passed to the
loss *and* to the gradients) or a path on the model (``"dropout_param.p"``,
``"layers.*.dropout_ratio"``).  Its off-value is given, or inferred from the name and the value
found: ``keep_prob`` is off at 1, ``reg`` at 0, ``use_dropout`` at False, and a bare ``p`` at
whichever of 0 and 1 gives a finite, repeatable loss (CS231n's ``p`` is the probability of
*keeping*).

``train`` is refused: it would also turn batch normalisation to evaluation, which is another
function.
"""

from __future__ import annotations

import numbers
from collections.abc import MutableMapping, MutableSequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gradhook.errors import OptionError

__all__ = ["BoundSwitch", "Role", "Switch", "SwitchState", "Target", "refuse_name"]

BATCH_NORMALISATION = ("train", "is_train")
"""How names begin that turn batch normalisation along with dropout."""

Role = Literal["dropout", "penalty"]
SwitchState = float | Literal["off", "on"]
"""Off, on, or on with its value multiplied."""


@dataclass(frozen=True, slots=True)
class Switch:
    """Something that a check may turn off and on.

    Args:
        name: A keyword argument of the objective's functions, or a dotted path on the model; ``*``
            in a path stands for every element.
        off: The value that turns it off.
        on: The value that turns it on; ``None`` is the value found there, or the signature's
            default.

    Raises:
        OptionError: The name is empty, or begins with ``train``.

    Example:
        >>> from gradhook import Switch
        >>> Switch("keep_prob", off=1.0)
        Switch(name='keep_prob', off=1.0, on=None)
    """

    name: str
    off: Any
    on: Any = None

    def __post_init__(self) -> None:
        refuse_name(self.name)


@dataclass(slots=True)
class BoundSwitch:
    """A switch tied to the functions or the model that it turns.

    Args:
        name: Its name.
        role: What it switches.
        on: Value while on.
        off_values: Candidates for the off-value, best first; more than one where the name leaves it
            open.
        targets: Places on the model, empty for a keyword argument.
    """

    name: str
    role: Role
    on: Any
    off_values: tuple[Any, ...]
    targets: tuple[Target, ...] = ()
    off: Any = field(init=False)

    def __post_init__(self) -> None:
        self.off = self.off_values[0]

    @property
    def always_off(self) -> bool:
        """Whether its on-value is its off-value, so that turning it changes nothing."""
        return all(np.array_equal(value, self.off) for value in self._found())

    @property
    def scalable(self) -> bool:
        """Whether every on-value is a number that can be multiplied."""
        return all(
            isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
            for value in self._found()
        )

    def turn(self, to: SwitchState) -> dict[str, Any]:
        """Turn off, on, or on with the value found multiplied by a number.

        Returns:
            Keyword arguments for the functions; empty for a path, whose places are written.
        """

        def value(on: Any) -> Any:
            return self.off if to == "off" else on if to == "on" else on * to

        if not self.targets:
            return {self.name: value(self.on)}
        for target in self.targets:
            target.write(value(target.original if self.on is None else self.on))
        return {}

    def restore(self) -> None:
        """Write back what was found on the model."""
        for target in self.targets:
            target.restore()

    def _found(self) -> list[Any]:
        """The values while on, one for each place."""
        if self.on is None and self.targets:
            return [target.original for target in self.targets]
        return [self.on]


@dataclass(frozen=True, slots=True)
class Target:
    """A place on the model.

    Args:
        holder: The object, mapping or list that holds the value.
        key: Its attribute, key or index there.
        original: The value found.
        inherited: Whether the holder has it from its class alone.
    """

    holder: Any
    key: Any
    original: Any
    inherited: bool = False

    def write(self, value: Any) -> None:
        """Set the value."""
        if isinstance(self.holder, (MutableMapping, MutableSequence)):
            self.holder[self.key] = value
        else:
            setattr(self.holder, self.key, value)

    def restore(self) -> None:
        """Leave the place as it was found."""
        if self.inherited:
            vars(self.holder).pop(self.key, None)
        else:
            self.write(self.original)


def refuse_name(name: object) -> None:
    """Refuse what is no name, or names more than dropout or a penalty."""
    if not isinstance(name, str) or not name:
        raise OptionError(
            f"a switch needs the name of a keyword argument or of a path on the model, got {name!r}"
        )
    if name.rpartition(".")[2].lower().startswith(BATCH_NORMALISATION):
        raise OptionError(
            f"the switch {name!r} is refused: it would turn batch normalisation to evaluation, "
            "which is another function; name the dropout itself, such as "
            "Switch('dropout_ratio', off=0.0)"
        )
