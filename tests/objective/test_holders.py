"""Where weights hang, and what is called their gradient."""

from collections import OrderedDict

import numpy as np
import pytest

from gradhook.objective.holders import find_pairs


class Thing:
    """An object with attributes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


W, G = np.ones((2, 3)), np.zeros((2, 3))


def named(root):
    return {pair.weight.name: pair.gradient.name for pair in find_pairs(root)}


@pytest.mark.parametrize(
    ("root", "pairs"),
    [
        (Thing(W1=W, dW1=G, z=W), {"W1": "dW1"}),
        (Thing(W=W, grad_W=G), {"W": "grad_W"}),
        (Thing(W=W, W_grad=None), {"W": "W_grad"}),
        (Thing(_W=W, _gW=G), {"_W": "_gW"}),
        (Thing(weights=[W, W], dweights=[G, G]), {"weights[0]": "dweights[0]"}),
        (Thing(params=[W], grads=[G]), {"params[0]": "grads[0]"}),
        (Thing(params={"W": W}, grads={"dW": G}), {"W": "grads['dW']"}),
        (Thing(parameters={"W": W}, gradients={"dW": G}), {"W": "gradients['dW']"}),
        (Thing(_params={"W": W}, _grads={"dW": G}), {"_params['W']": "_grads['dW']"}),
        (Thing(weights={"W": W}, grads={"dW": G, "dX": G}), {"weights['W']": "grads['dW']"}),
        (Thing(W=W, grads={"dW": G}), {"W": "grads['dW']"}),
        (Thing(layers=[Thing(W=W, dW=G)]), {"layers[0].W": "layers[0].dW"}),
        (Thing(layers=OrderedDict(a=Thing(W=W, dW=G))), {"layers['a'].W": "layers['a'].dW"}),
        ({"first": Thing(W=W, dW=G)}, {"first.W": "first.dW"}),
        ([Thing(W=W, dW=G)], {"layers[0].W": "layers[0].dW"}),
        (Thing(w=Thing(data=W, grad=None)), {"w": "w.grad"}),
        (Thing(x=Thing(data=W, grad=None, requires_grad=False)), {}),
        (Thing(b=0.0, db=0.3), {"b": "db"}),
        (Thing(flag=True, dflag=True), {}),
        (Thing(t=W, dt=0.01), {}),
        (Thing(params=[W], grads=[G, G]), {}),
    ],
)
def test_pairs_are_found_by_their_names(root, pairs):
    found = named(root)
    assert pairs.items() <= found.items()
    assert len(found) <= max(len(pairs), 2)


def test_a_loop_of_references_is_entered_once():
    thing = Thing(W=W, dW=G)
    thing.me = [thing, {"again": thing}]
    assert named(thing) == {"W": "dW"}
