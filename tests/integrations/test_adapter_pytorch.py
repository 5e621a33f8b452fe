"""PyTorch modules with Functions of one's own; needs PyTorch."""

import functools

import pytest

from gradhook.integrations import pytorch_module

pytestmark = pytest.mark.framework


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.set_num_threads(1)  # The arrays here are too small to share.
    return torch


@pytest.fixture(scope="module")
def digits(torch, example):
    return example("pytorch_digits")


@pytest.fixture
def batch(torch):
    torch.manual_seed(0)
    return torch.randn(20, 5), torch.randint(3, (20,))


@pytest.fixture
def attached(torch):
    criterion = torch.nn.CrossEntropyLoss()
    return functools.partial(pytorch_module.attach, criterion=criterion, enabled=True)


def tensors(module):
    return {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}


def test_a_right_function_passes_at_the_start_and_at_scheduled_steps(right, verdicts):
    _, check = right
    assert verdicts(check) == [(0, "PASS"), (10, "PASS"), (50, "PASS")]
    assert "generic point, dropout replayed" in check.last_report.settings


def test_training_is_the_same_to_the_bit_with_the_check_and_without(
    torch, digits, right, same_bits
):
    checked, _ = right
    plain, none = digits.train(enabled=False)
    without = torch.get_rng_state()
    assert none.history == []
    same_bits(tensors(checked), tensors(plain))
    digits.train(enabled=True)
    assert torch.equal(torch.get_rng_state(), without)


def test_a_wrong_backward_fails_in_the_blocks_below_it(digits, failing):
    _, check = digits.train(digits.SwishWithoutBeta, enabled=True, on_fail="record")
    assert [failing(report) for report in check.history] == [{"first.weight", "first.bias"}] * 3


def test_the_function_alone_passes_and_a_wrong_backward_fails_in_its_input(digits):
    assert digits.check_function_alone().verdict == "PASS"
    report = digits.check_function_alone(digits.SwishWithoutBeta)
    assert report.failing == ("x",)
    assert report.blocks["beta"].verdict == "PASS"


def test_a_function_that_gives_no_gradient_at_all_fails(torch, attached, batch, failing):
    class Cut(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.Linear(5, 4), torch.nn.Linear(4, 3)

        def forward(self, X):
            return self.second(self.first(X).detach() + 0.0)

    report = attached(Cut(), on_fail="record").on_train_begin(batch=batch)
    assert failing(report) == {"first.weight", "first.bias"}


def test_versions_gradients_buffers_modes_and_streams_are_untouched(torch, attached, batch):
    nn = torch.nn
    module = nn.Sequential(
        *(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3)),
        *(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3)),
    )
    module[5].eval()  # A frozen normalisation inside a module that trains.
    module[6].eval()
    torch.nn.functional.cross_entropy(module(batch[0]), batch[1]).backward()
    state = {name: (t, t._version, t.clone()) for name, t in module.state_dict().items()}
    parameters = [(p, p._version, p.grad, p.grad.clone()) for p in module.parameters()]
    modes = [part.training for part in module.modules()]
    stream, dtype = torch.get_rng_state(), torch.get_default_dtype()

    assert attached(module).on_train_begin(batch=batch).passed

    for name, tensor in module.state_dict().items():
        old, version, value = state[name]
        assert tensor.data_ptr() == old.data_ptr()
        assert tensor._version == version
        assert torch.equal(tensor, value)
    for parameter, version, gradient, value in parameters:
        assert parameter._version == version
        assert parameter.grad is gradient
        assert torch.equal(gradient, value)
    assert [part.training for part in module.modules()] == modes
    assert torch.equal(torch.get_rng_state(), stream)
    assert torch.get_default_dtype() == dtype


def test_float32_is_checked_in_float64(torch, attached, batch):
    module = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    report = attached(module).on_train_begin(batch=batch)
    # In float32, of eps 1.2e-7, no central difference resolves 1e-6.
    assert max(block.ratio_error for block in report.blocks.values()) < 1e-5


def test_modes_are_put_back_when_the_module_raises(torch, attached, batch):
    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.affine, self.dropout = torch.nn.Linear(5, 3), torch.nn.Dropout()

        def forward(self, X):
            raise ZeroDivisionError

    module, dtype = Broken(), torch.get_default_dtype()
    with pytest.raises(ZeroDivisionError):
        attached(module).on_train_begin(batch=batch)
    assert module.dropout.training
    assert torch.get_default_dtype() == dtype


def test_functional_dropout_is_replayed(torch, attached, batch):
    class Functional(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.Linear(5, 8), torch.nn.Linear(8, 3)

        def forward(self, X):
            hidden = torch.tanh(self.first(X))
            return self.second(torch.nn.functional.dropout(hidden, training=self.training))

    assert attached(Functional()).on_train_begin(batch=batch).verdict == "PASS"


def test_frozen_parameters_are_left_out_and_shared_ones_are_one_block(torch, attached, batch):
    class Shared(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.again = torch.nn.Linear(5, 5), torch.nn.Linear(5, 5)
            self.again.weight = self.first.weight
            self.last = torch.nn.Linear(5, 3)
            self.last.weight.requires_grad_(False)

        def forward(self, X):
            return self.last(torch.tanh(self.again(torch.tanh(self.first(X)))))

    report = attached(Shared()).on_train_begin(batch=batch)
    assert list(report.blocks) == ["first.weight", "first.bias", "again.bias", "last.bias"]
    assert report.verdict == "PASS"


def test_a_criterion_with_weights_of_its_own_is_upcast_too(torch, batch):
    criterion = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))
    check = pytorch_module.attach(torch.nn.Linear(5, 3), criterion=criterion, enabled=True)
    assert check.on_train_begin(batch=batch).verdict == "PASS"
    assert criterion.weight.dtype == torch.float32


def test_a_module_may_return_the_loss_itself(torch, batch):
    class WithLoss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.affine = torch.nn.Linear(5, 3)

        def forward(self, X, y):
            penalty = 0.01 * self.affine.weight.square().sum()
            return torch.nn.functional.cross_entropy(self.affine(X), y) + penalty

    check = pytorch_module.attach(WithLoss(), enabled=True)
    assert check.on_train_begin(batch=batch).verdict == "PASS"


def test_tensors_made_on_the_way_join_in_by_the_default_dtype(torch, batch):
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.last = torch.nn.GRUCell(5, 4), torch.nn.Linear(4, 3)

        def forward(self, X):
            return self.last(self.cell(X, torch.ones(len(X), 4)))

    criterion = torch.nn.CrossEntropyLoss()
    check = pytorch_module.attach(Recurrent(), criterion=criterion, enabled=True)
    assert check.on_train_begin(batch=batch).verdict == "PASS"


def test_a_batch_may_hold_tensors_by_name(torch, attached, batch):
    class Named(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.affine = torch.nn.Linear(5, 3)

        def forward(self, inputs):
            return self.affine(inputs["X"])

    report = attached(Named()).on_train_begin(batch=({"X": batch[0]}, batch[1]))
    assert report.verdict == "PASS"
    assert len(report.rows) == 7
