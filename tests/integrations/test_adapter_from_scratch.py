"""The interface of *Deep Learning from Scratch*, by way of classes that stand for its code."""

import numpy as np
import pytest

from gradhook.integrations import from_scratch_trainer


@pytest.fixture(scope="module")
def course(example):
    return example("from_scratch_course")


def small_trainer(course, **network):
    """A trainer that makes twelve steps on random rows."""
    np.random.seed(0)
    x, t = np.random.randn(60, 64), np.random.randint(10, size=60)
    net = course.MultiLayerNetExtend(64, [12, 8], 10, **network)
    return course.Trainer(net, x, t, x, t, epochs=2, mini_batch_size=10)


def test_the_small_number_inside_the_logarithm_passes_with_a_note(course):
    trainer = small_trainer(course)
    trainer.network.params["W3"] *= 5  # Probabilities of 1e-4 make 1e-7 / y as much as 1e-3.
    report = from_scratch_trainer.attach(trainer, enabled=True).on_train_begin()
    assert report.verdict == "PASS"
    assert report.ratio < 1e-6
    assert any("the book's adds 1e-7 to y" in note for note in report.notes)


def test_the_small_number_is_seen_in_networks_of_the_earlier_chapters_too(course):
    trainer = small_trainer(course)
    network = trainer.network
    network.params["W3"] *= 5

    class Early:
        """As in chapter 5: ``lastLayer``, and a loss that knows no mode."""

        def __init__(self):
            self.params, self.layers, self.lastLayer = (
                *(network.params, network.layers),
                network.last_layer,
            )

        def loss(self, x, t):
            return network.loss(x, t, train_flg=True)

        def gradient(self, x, t):
            return network.gradient(x, t)

    trainer.network = Early()
    report = from_scratch_trainer.attach(trainer, enabled=True).on_train_begin()
    assert report.verdict == "PASS"
    assert report.ratio < 1e-6
    assert any("the book's adds 1e-7 to y" in note for note in report.notes)


@pytest.mark.parametrize("small_number", [0.0, 1e-3])
def test_another_loss_in_the_last_layer_is_checked_as_it_is(course, monkeypatch, small_number):
    def forward(self, x, t):
        shifted = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = shifted / shifted.sum(axis=1, keepdims=True), t
        self.loss = float(-np.log(self.y[np.arange(len(x)), t] + small_number).mean())
        return self.loss

    monkeypatch.setattr(course.SoftmaxWithLoss, "forward", forward)
    check = from_scratch_trainer.attach(small_trainer(course), on_fail="record", enabled=True)
    assert (check.on_train_begin().verdict == "PASS") == (small_number == 0)


def test_one_hot_labels_are_welcome(course):
    trainer = small_trainer(course)
    trainer.t_train = np.eye(10)[trainer.t_train]
    report = from_scratch_trainer.attach(trainer, enabled=True).on_train_begin()
    assert report.verdict == "PASS"
    assert report.ratio < 1e-6


def test_batch_normalisation_passes_in_training_mode_and_keeps_its_statistics(course):
    trainer = small_trainer(course, use_batchnorm=True, use_dropout=True)
    trainer.train()
    norm = trainer.network.layers["BatchNorm1"]
    mean, variance = norm.running_mean, norm.running_var
    before = mean.copy(), variance.copy()
    check = from_scratch_trainer.attach(trainer, enabled=True, on_fail="raise")
    assert check.on_train_begin().blocks["gamma1"].verdict == "PASS"
    assert norm.running_mean is mean
    assert norm.running_var is variance
    np.testing.assert_array_equal((mean, variance), before)


def test_a_mask_forgotten_on_the_way_back_is_found_although_dropout_is_off_by_default(
    course, monkeypatch, failing
):
    monkeypatch.setattr(course.Dropout, "backward", lambda self, dout: dout)
    trainer = small_trainer(course, use_dropout=True)
    check = from_scratch_trainer.attach(trainer, enabled=True, on_fail="record")
    trainer.train()
    assert failing(check.last_report) == {"W1", "b1", "W2", "b2"}
    assert trainer.network.layers["Dropout1"].dropout_ratio == 0.5


def test_weight_decay_forgotten_in_the_gradient_is_found(course, failing):
    trainer = small_trainer(course, weight_decay_lambda=1e-4)
    right = trainer.network.gradient

    def gradient(x, t):
        decay = 1e-4 * trainer.network.params["W2"]
        return right(x, t) | {"W2": right(x, t)["W2"] - decay}

    trainer.network.gradient = gradient
    check = from_scratch_trainer.attach(trainer, enabled=True, on_fail="record")
    assert "W2" in failing(check.on_train_begin())
    assert trainer.network.weight_decay_lambda == 1e-4


def test_float32_arrays_stay_in_place_and_pass_with_their_resolution(course):
    trainer = small_trainer(course)
    network = trainer.network
    for name in network.params:
        network.params[name] = network.params[name].astype(np.float32)
    for number in (1, 2, 3):
        layer = network.layers[f"Affine{number}"]
        layer.W, layer.b = network.params[f"W{number}"], network.params[f"b{number}"]
    check = from_scratch_trainer.attach(trainer, enabled=True, on_fail="record")
    assert check.on_train_begin().verdict in ("PASS", "INCONCLUSIVE")
    assert network.layers["Affine1"].W is network.params["W1"]
    assert network.params["W1"].dtype == np.float32


def test_a_disabled_check_leaves_the_trainer_as_it_is(course):
    trainer = small_trainer(course)
    before = set(vars(trainer))
    check = from_scratch_trainer.attach(trainer, enabled=False)
    trainer.train()
    assert set(vars(trainer)) - before == {"test_acc"}
    assert check.history == []
