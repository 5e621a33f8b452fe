"""The catalogue's layers one at a time: right ones pass, and a bug fails where its formula is."""

import numpy as np
import pytest

from gradhook import layer_check
from tests.catalogue.layers.activations import Activation, Maxout
from tests.catalogue.layers.affine import Affine
from tests.catalogue.layers.attention import Attention
from tests.catalogue.layers.convolution import Convolution, MaxPool
from tests.catalogue.layers.norms import BatchNorm, LayerNorm
from tests.catalogue.layers.plumbing import Dropout, Residual
from tests.catalogue.layers.recurrent import Embedding, Recurrent
from tests.catalogue.layers.run import Run

ROWS, IMAGES, SERIES = (7, 5), (3, 2, 6, 6), (3, 4, 5)

LAYERS = {
    "affine": (Affine("a", "1", 5, 5), ROWS),
    "relu": (Activation("relu", "relu"), ROWS),
    "leaky": (Activation("leaky", "leaky"), ROWS),
    "elu": (Activation("elu", "elu"), ROWS),
    "tanh": (Activation("tanh", "tanh"), ROWS),
    "maxout": (Maxout("maxout", 3), (7, 6)),
    "batchnorm": (BatchNorm("norm", "1", 5), ROWS),
    "layernorm": (LayerNorm("norm", "1", 5), ROWS),
    "convolution": (Convolution("conv", "1", 2, 2, stride=2), IMAGES),
    "maxpool": (MaxPool("pool"), IMAGES),
    "recurrent": (Recurrent("rnn", 5, 4), SERIES),
    "attention": (Attention("attention", 5), SERIES),
    "embedding": (Embedding("embedding", 6, 3), (4, 5)),
    "dropout": (Dropout("dropout"), ROWS),
    "residual": (Residual("skip", (Affine("a", "1", 5, 5),)), ROWS),
}

BUGS = {
    ("affine", "W_not_transposed"): {"x"},
    ("affine", "dW_transposed"): {"W1"},
    ("affine", "last_row_missing"): {"W1"},
    ("affine", "bias_mean"): {"b1"},
    ("affine", "early_return"): {"W1", "b1"},
    ("relu", "act_deriv_missing"): {"x"},
    ("relu", "relu_mask_on_grad"): {"x"},
    ("leaky", "leaky_slope_ignored"): {"x"},
    ("elu", "elu_wrong"): {"x"},
    ("tanh", "act_deriv_uses_z"): {"x"},
    ("batchnorm", "bn_swapped"): {"gamma1", "beta1"},
    ("batchnorm", "bn_gamma_missing"): {"x"},
    ("batchnorm", "bn_no_var"): {"x"},
    ("batchnorm", "bn_stats_const"): {"x"},
    ("layernorm", "layernorm_mean_only"): {"x"},
    ("convolution", "conv_channel_swap"): {"K1"},
    ("convolution", "conv_bias_nospatial"): {"c1"},
    ("convolution", "conv_no_flip"): {"x"},
    ("maxpool", "pool_first_wins"): {"x"},
    ("maxpool", "pool_as_mean"): {"x"},
    ("maxpool", "pool_overlap_overwrite"): {"x"},
    ("recurrent", "bptt_no_dhnext"): {"x", "Wx", "Wh", "bh"},
    ("recurrent", "rnn_wrong_h"): {"Wh"},
    ("attention", "attention_scale_missing"): {"x", "Wq", "Wk"},
    ("embedding", "emb_fancy_iadd"): {"E"},
    ("dropout", "dropout_mask_missing"): {"x"},
    ("dropout", "dropout_scale_missing"): {"x"},
    ("dropout", "dropout_new_mask"): {"x"},
    ("residual", "skip_missing"): {"x"},
}


def report_of(name, bug=""):
    layer, shape = LAYERS[name]
    random = np.random.default_rng(0)
    parameters = {
        block.name: random.normal(size=block.shape) / np.sqrt(block.fan_in)
        + (block.role in ("gain", "shift"))
        for block in layer.blocks()
    }
    x = random.integers(0, 6, shape) if name == "embedding" else random.normal(size=shape)
    masks, memory = np.random.default_rng(1), {}

    def forward(x, parameters):
        run = Run(parameters, masks, memory, keep_prob=0.6, bug=bug)
        return layer.forward(x, run), run

    def backward(dy, run):
        return layer.backward(dy, run), run.gradients

    state = masks.bit_generator.state
    report = layer_check(forward, backward, x, parameters)
    assert masks.bit_generator.state == state
    assert memory == {}
    return report


@pytest.mark.parametrize("name", LAYERS)
def test_a_right_layer_passes(name):
    report = report_of(name)
    assert {str(block.verdict) for block in report.blocks.values()} == {"PASS"}
    assert report.causes == ()


@pytest.mark.parametrize(("name", "bug"), BUGS)
def test_a_bug_fails_in_the_blocks_whose_formula_it_is_in(name, bug):
    report = report_of(name, bug)
    assert set(report.failing) == BUGS[name, bug]
    assert "upstream_ignored" not in [cause.kind for cause in report.causes]
