"""The table of operators: every known way to get a backward pass wrong, as one edit each.

Collected from public issue threads, pull requests and questions about hand-written gradients.  An
operator is planted in the backward pass alone, so the loss stays what it was.  ``needs`` says what
a network must contain for the edit to run; where in the network it is planted, everywhere or in one
layer, is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tests.catalogue.networks.architectures import ARCHITECTURES

__all__ = ["Operator", "Scope", "architectures_for", "operator", "operators"]

Scope: TypeAlias = Literal["loss", "layer", "block", "one block"]
"""Where an operator can be planted: the loss, one layer or all, one block or all, one block."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One edit to a right backward pass.

    Args:
        name: Its name.
        family: Letter of its class: A accumulation, B bias reduction, C order and state, D
            disconnected, G sign, J coupled Jacobian terms, K ties, L local derivative, M gradient
            of another function, R regulariser, S scale, W wiring.
        edit: What is done, in a few words.
        needs: What a network must contain.
        scope: Where it can be planted.
        second_call: Whether the first call is right, and only later ones are wrong.

    Example:
        >>> from tests import catalogue
        >>> bug = catalogue.operator("bias_mean")
        >>> bug.family, bug.edit, bug.scope
        ('B', 'db = dz.mean(0)', 'layer')
    """

    name: str
    family: str
    edit: str
    needs: tuple[str, ...] = ()
    scope: Scope = "layer"
    second_call: bool = False


_OPERATORS: Mapping[str, Operator] = {
    each.name: each
    for each in (
        # Scale.
        Operator(
            "no_1_over_N", "S", "the loss is a mean over samples, the gradient a sum", (), "loss"
        ),
        Operator("extra_1_over_N", "S", "divided by N twice", (), "loss"),
        Operator("factor_two", "S", "dW *= 2 in one block", (), "one block"),
        Operator("mse_no_two", "S", "the 2 of the square is missing", ("mse",), "loss"),
        Operator("mse_mean_outputs", "S", "loss sums outputs, gradient averages", ("mse",), "loss"),
        Operator("sample_weight_ignored", "S", "weights in the loss only", ("weights",), "loss"),
        Operator("mask_denominator", "S", "divided by N for N_valid", ("mask",), "loss"),
        Operator(
            "attention_scale_missing", "S", "1/sqrt(d) in the forward pass only", ("attention",)
        ),
        # Regulariser.
        Operator("reg_missing", "R", "lam W absent", ("l2",), "block"),
        Operator("reg_half", "R", "lam W / 2", ("l2",), "block"),
        Operator("reg_double", "R", "2 lam W", ("l2",), "block"),
        Operator("reg_over_N", "R", "lam W / N", ("l2",), "block"),
        Operator("reg_sign", "R", "-lam W", ("l2",), "block"),
        Operator("reg_square", "R", "lam W**2", ("l2",), "block"),
        Operator("reg_unsquared", "R", "lam W / norm(W)", ("l2",), "block"),
        Operator("reg_l1_form", "R", "lam sign(W)", ("l2",), "block"),
        Operator("reg_on_bias", "R", "lam b, though the loss leaves b out", ("affine",), "block"),
        Operator("reg_ones_on_bias", "R", "+lam on every bias", ("affine",), "block"),
        # Bias and broadcast reduction.
        Operator("bias_mean", "B", "db = dz.mean(0)", ("affine",)),
        Operator("bias_first_sample", "B", "db = dz[0]", ("affine",)),
        Operator("bias_oversum", "B", "db = dz.sum()", ("affine",)),
        Operator("bias_wrong_axis", "B", "db = dz.sum(1)", ("affine",)),
        Operator("conv_bias_nospatial", "B", "dc sums samples, not pixels", ("convolution",)),
        # Local derivative.
        Operator("act_deriv_missing", "L", "dz = da", ("activation",)),
        Operator("upstream_not_local", "L", "dW, db from da, but dz passed on", ("dense",)),
        Operator("act_deriv_at_output", "L", "f'(a) for f'(z)", ("saturating",)),
        Operator("act_deriv_uses_z", "L", "1 - z**2 for 1 - a**2", ("saturating",)),
        Operator("leaky_slope_ignored", "L", "slope 0 backward", ("leaky",)),
        Operator("elu_wrong", "L", "f(z) for f'(z)", ("elu",)),
        Operator("relu_mask_on_grad", "L", "mask from da > 0", ("relu",)),
        Operator("wrong_layer_act", "L", "f' of another layer's activation", ("mixed",)),
        Operator("pool_as_mean", "L", "the maximum's gradient shared evenly", ("pool",)),
        # Coupled Jacobian terms, and gradients of another function.
        Operator(
            "softmax_diag_only", "J", "diagonal of the softmax's Jacobian", ("softmax",), "loss"
        ),
        Operator("ce_forgot_minus1", "M", "p for p - onehot", ("softmax",), "loss"),
        Operator("hinge_no_correct", "J", "nothing for the right class", ("hinge",), "loss"),
        Operator("hinge_count1", "J", "-1 for minus the number of margins", ("hinge",), "loss"),
        Operator("bn_stats_const", "J", "batch statistics as constants", ("batchnorm",)),
        Operator("bn_no_mean", "J", "the path through the mean missing", ("batchnorm",)),
        Operator("bn_no_var", "J", "the path through the variance missing", ("batchnorm",)),
        Operator("bn_gamma_missing", "J", "gamma missing in dx", ("batchnorm",)),
        Operator("layernorm_mean_only", "J", "no path through the variance", ("layernorm",)),
        Operator("attention_softmax_diag", "J", "A (1 - A) for the Jacobian", ("attention",)),
        Operator("clipped", "M", "every entry clipped", (), "block"),
        # Wiring, layout, mask.
        Operator("bn_swapped", "W", "dgamma and dbeta exchanged", ("batchnorm",)),
        Operator("dropout_mask_missing", "W", "no mask backward", ("dropout",)),
        Operator("dropout_scale_missing", "W", "no 1/keep_prob backward", ("dropout",)),
        Operator("dropout_new_mask", "W", "another mask backward", ("dropout",)),
        Operator("mask_ignored", "W", "ignored labels get gradient", ("mask",), "loss"),
        Operator("W_not_transposed", "W", "dx = dz @ W", ("square",)),
        Operator("dW_transposed", "W", "dW = dz.T @ x", ("square",)),
        Operator("rolled_rows", "W", "rows of dW off by one", ("affine",)),
        Operator("last_row_missing", "W", "loop to n - 1", ("affine",)),
        Operator("wrong_cached_input", "W", "input of another layer", ("stacked",)),
        Operator("rnn_wrong_h", "W", "h[t] for h[t-1] in dWh", ("recurrent",)),
        Operator("conv_no_flip", "W", "kernel not flipped in dx", ("convolution",)),
        Operator("conv_stride_missing", "W", "stride 1 in dx", ("strided",)),
        Operator("conv_pad_offset", "W", "padding not cut off dx", ("convolution",)),
        Operator("conv_channel_swap", "W", "channels of dK exchanged", ("convolution",)),
        # Accumulation.
        Operator("loop_overwrite", "A", "dW = in the sample loop", ("affine",)),
        Operator("early_return", "A", "return inside the sample loop", ("affine",)),
        Operator("skip_missing", "A", "the identity's gradient lost", ("residual",)),
        Operator("skip_overwrite", "A", "the branch's gradient overwritten", ("residual",)),
        Operator("double_count", "A", "the identity counted twice", ("residual",)),
        Operator("accumulated", "A", "not zeroed between calls", (), "block", second_call=True),
        Operator("bptt_no_dhnext", "A", "nothing from the next step", ("recurrent",)),
        Operator("bptt_truncated", "A", "the first half of the steps left out", ("recurrent",)),
        Operator("rnn_overwrite_t", "A", "dWh = in the time loop", ("recurrent",)),
        Operator("emb_fancy_iadd", "A", "dE[idx] += g with repeats", ("embedding",)),
        Operator("pool_overlap_overwrite", "A", "= where windows overlap", ("pool",)),
        # Order and state.
        Operator("stale_cache", "C", "the previous call's input", ("affine",), second_call=True),
        Operator("uses_updated_W", "C", "dx from W after its update", ("deep",)),
        # Disconnected, sign.
        Operator("disconnected", "D", "zero for one block", (), "one block"),
        Operator("integer_buffer", "D", "written into an integer array", (), "block"),
        Operator("sign_one", "G", "-dW in one block", (), "one block"),
        Operator("ce_sign", "G", "onehot - p", ("softmax",), "loss"),
        # Ties.
        # A ReLU would hide the ties of a channel whose bias is negative; a leaky one hides none.
        Operator("pool_all_ties", "K", "every tied pixel gets it all", ("pool", "leaky")),
        Operator("pool_first_wins", "K", "the window's first pixel gets it", ("pool",)),
    )
}


def operators() -> tuple[Operator, ...]:
    """Return every operator, by family.

    Example:
        >>> from tests import catalogue
        >>> len(catalogue.operators()), catalogue.operators()[0].name
        (77, 'no_1_over_N')
    """
    return tuple(_OPERATORS.values())


def operator(name: str) -> Operator:
    """Return an operator by name.

    Raises:
        KeyError: There is none of that name.

    Example:
        >>> from tests import catalogue
        >>> catalogue.operator("ce_sign").edit
        'onehot - p'
    """
    if name not in _OPERATORS:
        raise KeyError(f"no operator {name!r}; catalogue.operators() lists them")
    return _OPERATORS[name]


def architectures_for(name: str) -> tuple[str, ...]:
    """Return the names of the architectures in which an operator can be planted.

    Example:
        >>> from tests import catalogue
        >>> catalogue.architectures_for("hinge_count1")
        ('mlp', 'cnn', 'svm', 'maxout')
    """
    needs = set(operator(name).needs)
    return tuple(each.name for each in ARCHITECTURES.values() if needs <= each.offers)
