"""Adapters that attach a gradient check to trainers that exist already.

One module per hook of one framework, named ``framework_hook``, imported from
``gradhook.integrations``; each exports ``attach(trainer, **callback_keywords) ->
GradCheckCallback``.  A module imports its framework only when it is used, so importing the module
needs nothing but gradhook.
"""

__all__: list[str] = []
