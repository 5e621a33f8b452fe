"""What is not drawn: mutants that are none, and names that mean nothing."""

from dataclasses import replace

import numpy as np
import pytest

from tests import catalogue
from tests.catalogue.layers.activations import Activation
from tests.catalogue.layers.affine import Affine
from tests.catalogue.layers.losses import HEADS
from tests.catalogue.layers.norms import BatchNorm
from tests.catalogue.networks.network import Network
from tests.catalogue.networks.planting import differs, network_problem
from tests.catalogue.networks.starts import generic


def test_a_bias_that_feeds_batch_normalisation_makes_no_mutant():
    layers = (
        Affine("fc1", "1", 4, 5, activation="act1"),
        BatchNorm("bn1", "1", 5),
        Activation("act1", "tanh"),
        Affine("out", "2", 5, 3),
    )
    rng = np.random.default_rng(0)
    batch = (rng.standard_normal((9, 4)), rng.integers(3, size=9))
    network = Network(layers, HEADS["softmax"])
    parameters = generic(network.blocks(), rng)
    bias_mean = catalogue.operator("bias_mean")
    for site, expected in (("fc1", False), ("out", True)):
        planted_in = replace(network, sites=frozenset([site]))
        problem = network_problem(planted_in, batch, parameters, seed=0)
        assert differs(problem, bias_mean) is expected


def test_a_mutant_that_changes_nothing_is_excluded_and_listed(monkeypatch):
    # Nothing lies below the one layer of a linear SVM, so the gradient that it passes on is unused.
    harmless = replace(catalogue.operator("uses_updated_W"), needs=("affine",))
    monkeypatch.setattr("tests.catalogue.table._OPERATORS", {harmless.name: harmless})
    name = "svm/uses_updated_W/generic/0"
    line = f"{name}: equal to the right gradient at three random points"
    with pytest.raises(catalogue.ExcludedError, match=line):
        catalogue.case(name)
    turn = list(catalogue.architectures_for("uses_updated_W")).index("svm")
    seed = turn - 1  # at the second of the two starts
    lines = catalogue.exclusions([seed], starts=["notebook", "generic"])
    assert lines == [f"svm/uses_updated_W/generic/{seed}: {line.split(': ')[1]}"]
    assert not list(catalogue.cases([seed], starts=["generic"], kinds=["network"]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mpl/bias_mean/generic/0", "no architecture or false alarm 'mpl'; known: mlp, rnn"),
        ("mlp/bias_men/generic/0", "no operator 'bias_men'"),
        ("svm/bn_no_var/generic/0", "bn_no_var needs batchnorm, which svm does not offer"),
        ("mlp/bias_mean/special/0", "starts at 'notebook' or 'generic', not at 'special'"),
        ("relu-start/clean/generic/0", "a false alarm starts at 'special', not at 'generic'"),
        ("mlp/bias_mean/0", "a name is architecture/operator/start/seed, got 'mlp/bias_mean/0'"),
    ],
)
def test_a_name_that_means_nothing_is_refused(name, message):
    with pytest.raises(KeyError, match=message):
        catalogue.case(name)


def test_unknown_kinds_and_starts_are_refused():
    with pytest.raises(KeyError, match="no kind 'kinks'; known: network, kink, tie"):
        list(catalogue.cases([0], kinds=["kinks"]))
    with pytest.raises(KeyError, match="no start 'late'; known: notebook, generic, special"):
        list(catalogue.cases([0], starts=["late"]))


def test_a_mutant_that_its_generic_point_hides_is_excluded():
    line = "cnn/pool_overlap_overwrite/generic/7: equal to the right gradient at the point drawn"
    with pytest.raises(catalogue.ExcludedError, match=line):
        catalogue.case("cnn/pool_overlap_overwrite/generic/7")
    assert line in catalogue.exclusions([7], starts=["generic"])
