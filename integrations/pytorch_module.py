"""PyTorch: ``autograd.Function``s with a backward pass of your own, checked inside their module.

    from gradhook.integrations import pytorch_module

    criterion = torch.nn.CrossEntropyLoss()
    check = pytorch_module.attach(module, criterion=criterion, enabled=True)
    for step, (X, y) in enumerate(loader, start=1):
        optimiser.zero_grad()
        criterion(module(X), y).backward()
        check.on_step_end(step, batch=(X, y))  # before or after the optimiser's step
        optimiser.step()

- *Hook.* A plain loop calls ``on_step_end``; its first call also makes the check at the start,
  unless ``on_train_begin`` did.
- *Parameters.* Those with ``requires_grad``, by name.  ``torch.func.functional_call`` runs the
  module on float64 copies of parameters, buffers and batch, with float64 as default dtype; tensors
  in plain attributes stay as they are (make them buffers).
- *Dropout.* Dropout modules are switched to evaluation, then back with their masks replayed, while
  batch normalisation trains on.  Other dropout (functional, recurrent, attention) is replayed only.
- *Penalty.* What module or criterion add to the loss; ``weight_decay`` is in no gradient.
- *Untouched.* Parameters with their version counters, ``.grad``, buffers.  *Put back.* The mode of
  every submodule, PyTorch's random state.
- *Not seen.* The optimiser, mixed precision, compiled or distributed wrappers, second derivatives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from gradhook import GradCheckCallback, Objective, Switch

__all__ = ["attach"]

DROPOUTS = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")


def attach(module: Any, *, criterion: Any = None, **callback_keywords: Any) -> GradCheckCallback:
    """Check the gradients that PyTorch computes for a module.

    Args:
        module: A ``torch.nn.Module``.
        criterion: ``criterion(module(*inputs), target)`` is the loss of a batch ``(*inputs,
            target)``; ``None`` where ``module(*batch)`` is the loss itself.
        **callback_keywords: Keywords of ``GradCheckCallback``.

    Example:
        >>> import torch
        >>> from gradhook.integrations import pytorch_module
        >>> module, criterion = torch.nn.Linear(4, 3), torch.nn.MSELoss()
        >>> check = pytorch_module.attach(module, criterion=criterion, enabled=True)
        >>> check.on_train_begin(batch=(torch.ones(9, 4), torch.zeros(9, 3))).verdict
        <Verdict.PASS: 'PASS'>
    """
    import torch

    def call(part: Any, given: dict[str, Any], *inputs: Any) -> Any:
        if not isinstance(part, torch.nn.Module):
            return part(*inputs)
        own = {n: _float64(t) for n, t in (*part.named_parameters(), *part.named_buffers())}
        return torch.func.functional_call(part, {**own, **given}, inputs)

    def run(values: dict[str, Any], batch: Any, use_dropout: bool, back: bool) -> Any:
        device = next(module.parameters()).device
        moved = {n: torch.tensor(v, device=device).requires_grad_() for n, v in values.items()}
        with _replayed(module, use_dropout):
            *inputs, last = map(_float64, batch)
            if criterion is None:
                loss = call(module, moved, *inputs, last)
            else:
                loss = call(criterion, {}, call(module, moved, *inputs), last)
            found = torch.autograd.grad(loss, [*moved.values()], allow_unused=True) if back else ()
        return loss.item(), {
            name: (torch.zeros_like(tensor) if gradient is None else gradient).cpu().numpy()
            for (name, tensor), gradient in zip(moved.items(), found, strict=back)
        }

    if any(isinstance(m, tuple(getattr(torch.nn, n) for n in DROPOUTS)) for m in module.modules()):
        callback_keywords.setdefault("dropout", Switch("use_dropout", off=False))
    objective = Objective(
        parameters=lambda: {
            n: _float64(p).cpu().numpy() for n, p in module.named_parameters() if p.requires_grad
        },
        loss=lambda v, *batch, use_dropout=True: run(v, batch, use_dropout, False)[0],
        loss_and_gradients=lambda v, *batch, use_dropout=True: run(v, batch, use_dropout, True),
        form="functional",
    )
    return GradCheckCallback(objective, **callback_keywords)


@contextlib.contextmanager
def _replayed(module: Any, use_dropout: bool) -> Iterator[None]:
    """The same random numbers each time, float64 by default, dropout modules as asked."""
    import torch

    kinds = () if use_dropout else tuple(getattr(torch.nn, name) for name in DROPOUTS)
    modes = [(part, part.training) for part in module.modules() if isinstance(part, kinds)]
    dtype = torch.get_default_dtype()
    devices = {p.device for p in module.parameters() if p.is_cuda}
    with torch.random.fork_rng(devices), torch.enable_grad():
        try:
            torch.set_default_dtype(torch.float64)
            for part, _ in modes:
                part.training = False
            yield
        finally:
            torch.set_default_dtype(dtype)
            for part, mode in modes:
                part.training = mode


def _float64(item: Any) -> Any:
    """A copy of a tensor, in float64 if it holds real numbers; anything else as it is."""
    if isinstance(item, dict):
        return {name: _float64(value) for name, value in item.items()}
    if not hasattr(item, "is_floating_point"):
        return item
    copy = item.detach().clone()
    return copy.double() if copy.is_floating_point() else copy
