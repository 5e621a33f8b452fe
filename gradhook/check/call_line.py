"""The line of code that repeats a check, in the names of whoever asked for it.

A name is read where the check was called: a variable there that *is* what was passed, an entry or
an attribute of one (``data["X"]``, ``self.net``), or a method of one (``net.loss``).  What has no
such name (a slice, a lambda) is left to be filled in: ``batch=<batch>``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import re
import sys
import traceback
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gradhook.errors import PACKAGE
from gradhook.guard.reach import is_library
from gradhook.options import Options, code_of, code_of_items

__all__ = ["CallLine", "Scope"]

KEYWORD_ONLY = ("batch", "gradients")
"""Arguments of gradhook's functions, beside the options, that are passed by name."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that are visible where a check was called, and what each stands for."""

    names: Mapping[str, Any]

    @classmethod
    def of_caller(cls) -> Scope:
        """The innermost frame outside the package, its integrations and installed libraries."""
        frames = [frame for frame, _ in traceback.walk_stack(sys._getframe(1))]
        foreign = [frame for frame in frames if not _is_own(frame)]
        users = (frame for frame in foreign if not is_library(frame.f_code.co_filename))
        frame = next(users, None) or next(iter(foreign), frames[-1])
        local = frame.f_locals
        names = {**frame.f_globals, **local}
        if frame.f_code.co_flags & inspect.CO_OPTIMIZED and type(local) is dict:
            # A function's frame keeps this copy of its variables, and would keep alive what they
            # were long after the function has let go of it.
            local.clear()
        return cls(names)

    def name_of(self, thing: Any) -> str | None:
        """An expression that gives a thing, ``None`` if none was found."""
        if thing is None or type(thing) in (bool, int, float, str):
            return code_of(thing)
        return self._variable(thing) or self._made_of_named(thing)

    def shows(self, code: str) -> bool:
        """Whether the name that an expression begins with stands for something here."""
        return re.split(r"\W", code, maxsplit=1)[0] in self.names

    def call(self, function: str, arguments: Mapping[str, str | None], options: Options) -> str:
        """A call of one of gradhook's functions, as it is imported there.

        What has no expression is left to be filled in; options as by default are left out.
        """
        own = getattr(self.names.get(function), "__module__", "") or ""
        package = "" if own.startswith("gradhook.") else "gradhook."
        given = [
            f"{name}=" * (name in KEYWORD_ONLY) + (code or f"<{name}>")
            for name, code in arguments.items()
        ]
        for option in dataclasses.fields(options):
            name, value, default = option.name, getattr(options, option.name), option.default
            usual = value is default or (type(value) is type(default) and value == default)
            if not usual and name not in ("seed", "workers", "progress"):
                given.append(f"{name}={code_of(value) or self.name_of(value) or f'<{name}>'}")
        return f"{package}{function}({', '.join([*given, f'seed={options.seed}'])})"

    def _variable(self, thing: Any) -> str | None:
        found = (n for n, value in self.names.items() if value is thing and n.isidentifier())
        # A name for the use of others goes before one that is not.
        named = min(found, key=lambda name: name.startswith("_"), default=None)
        return named or next((path for path, item in self._entries() if item is thing), None)

    def _made_of_named(self, thing: Any) -> str | None:
        if isinstance(thing, types.MethodType):
            owner, name = self._variable(thing.__self__), thing.__name__
            return f"{owner}.{name}" if owner and hasattr(thing.__self__, name) else None
        if isinstance(thing, types.FunctionType) and "<" not in thing.__qualname__:
            return None if thing.__qualname__ in self.names else thing.__qualname__
        return code_of_items(thing, self.name_of)

    def _entries(self) -> Iterator[tuple[str, Any]]:
        """Attributes and entries of what has a name."""
        for name, value in self.names.items():
            if not name.isidentifier() or name.startswith("__") or inspect.ismodule(value):
                continue
            if type(value) is dict:
                yield from ((f"{name}[{k!r}]", v) for k, v in value.items() if type(k) is str)
            elif not (isinstance(value, type) or inspect.isroutine(value)):
                with contextlib.suppress(Exception):  # not every object lets itself be looked into
                    held = vars(value).items()
                    yield from ((f"{name}.{k}", v) for k, v in held if not k.startswith("_"))


@dataclass(frozen=True, slots=True)
class CallLine:
    """What a check was asked for, and where.

    ``known`` are names that were found before, by argument, for what is visible no more.
    """

    objective: Any
    parameters: Any
    batch: Any
    scope: Scope
    known: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> dict[str, str]:
        """What could be named, by argument."""
        given = {"objective": self.objective, "parameters": self.parameters, "batch": self.batch}
        found = {n: self.scope.name_of(thing) for n, thing in given.items() if thing is not None}
        # A name that is visible here, and gives another thing, stands for what was checked no more.
        known = {n: code for n, code in self.known.items() if not self.scope.shows(code)}
        return {**known, **{name: code for name, code in found.items() if code is not None}}

    @property
    def redefined(self) -> str:
        """The name of the function that is checked, where another has taken its place."""
        then, kind = self.objective, types.FunctionType
        now = self.scope.names.get(then.__name__) if isinstance(then, kind) else None
        if now is then or not isinstance(now, kind):
            return ""
        same = (now.__module__, now.__qualname__) == (then.__module__, then.__qualname__)
        return now.__name__ if same else ""

    def __call__(self, options: Options) -> str:
        """The line for a check with these options."""
        names = self.names()
        given = {"objective": True, "parameters": self.parameters is not None}
        given["batch"] = type(self.batch) is not tuple or len(self.batch) > 0
        arguments = {name: names.get(name) for name, there in given.items() if there}
        return self.scope.call("check_gradients", arguments, options)


def _is_own(frame: types.FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return frame.f_code.co_filename.startswith(PACKAGE) or module.startswith("gradhook.")
