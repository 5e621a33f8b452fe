"""Parameters in any container: named, rebuilt around other arrays, refused if they are none."""

from collections import namedtuple
from types import MappingProxyType

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradhook.errors import ParameterError, ParameterTypeError
from gradhook.objective.parameters import Tree, each_leaf, rms

Layer = namedtuple("Layer", ["W", "b"])

LEAVES = st.integers(1, 3).map(np.ones)
KEYS = st.text("abcW1_./ ", max_size=4)
CONTAINERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
        st.tuples(inner, inner).map(lambda pair: Layer(*pair)),
    ),
    max_leaves=8,
)


def same_shape(first, second):
    """Whether two containers are of the same types and keys, and hold the same objects."""
    if isinstance(first, dict):
        return (
            isinstance(second, dict)
            and list(first) == list(second)
            and all(same_shape(first[key], second[key]) for key in first)
        )
    if isinstance(first, (list, tuple)):
        return type(first) is type(second) and all(
            same_shape(a, b) for a, b in zip(first, second, strict=True)
        )
    return first is second


def read(container):
    """Return the container's tree, unless two names clash as in {"a": {"b": x}, "a/b": y}."""
    try:
        return Tree.unchecked(container)
    except ParameterError:
        hypothesis.reject()


@given(CONTAINERS)
def test_a_container_rebuilt_around_its_own_blocks_is_the_same_container(container):
    tree = read(container)
    assert same_shape(tree.rebuild(tree.leaves), container)


@given(CONTAINERS)
def test_every_leaf_has_a_name_of_its_own_and_hangs_where_its_place_says(container):
    tree = read(container)
    assert list(map(id, tree.leaves.values())) == list(map(id, each_leaf(container)))
    for name, place in tree.places.items():
        held = container if place.container is None else place.container[place.key]
        assert held is tree.leaves[name]


@pytest.mark.parametrize(
    ("container", "names"),
    [
        (np.ones(2), ["x"]),
        (1.5, ["x"]),
        ([np.ones(2), np.ones(3)], ["params[0]", "params[1]"]),
        ((np.ones(2), [np.ones(3)]), ["params[0]", "params[1][0]"]),
        ({"layer1": {"W": np.ones(2), "b": np.ones(1)}, "g": np.ones(1)}, None),
        ({1: np.ones(2)}, ["1"]),
        ({"": np.ones(2)}, [""]),
        ([Layer(np.ones(2), np.ones(1))], ["params[0].W", "params[0].b"]),
        (MappingProxyType({"w": np.ones(2)}), ["w"]),
        (lambda: [np.ones(2)], ["params[0]"]),
    ],
)
def test_blocks_are_named_by_the_way_to_them_in_the_users_order(container, names):
    assert list(Tree.of(container).blocks) == (names or ["layer1/W", "layer1/b", "g"])


class NotAnArray:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("call detach() first")


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        (np.arange(3), "'w' has dtype int64; a derivative needs real floating-point numbers"),
        (np.array([True]), "dtype=float)"),
        (np.array([1j]), "give the real and the imaginary part as two arrays"),
        (
            np.array([1.0], dtype=object),
            "'w' is an ndarray of dtype object, not an array of",
        ),
        (np.ma.masked_array([1.0, 2.0], [0, 1]), "masked entries have no gradient"),
        (
            np.ones((1, 1)).view(np.matrix),
            "numpy.matrix, whose * is a matrix product; pass numpy.asarray",
        ),
        (None, "'w' is None: leave it out"),
        ("mlp", "'w' is a str of dtype <U3, not an array of numbers; parameters are an array"),
        ({"a": 1.0}.values(), "'w' is a dict_values of dtype object, not an array of numbers"),
        (NotAnArray(), "'w' is a NotAnArray, which is not an array: call detach() first"),
        (np.zeros(2, dtype=[("a", float)]), "not an array of numbers"),
    ],
)
def test_what_holds_no_real_numbers_is_refused_with_its_name_and_the_remedy(leaf, said):
    with pytest.raises(ParameterTypeError) as caught:
        Tree.of({"w": leaf})
    assert said in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_values_that_are_not_finite_are_counted_and_the_first_is_named(bad, dtype):
    array = np.ones((2, 3), dtype=dtype)
    array[1, 1:] = bad
    with pytest.raises(
        ParameterError, match=r"'w' holds 2 value\(s\) that are NaN or infinite"
    ) as e:
        Tree.of({"w": array})
    assert "(first at index (1, 1))" in str(e.value)
    assert "has training diverged?" in str(e.value)


@pytest.mark.parametrize("container", [{}, [], (), {"a": {}}, dict])
def test_no_array_at_all_is_refused(container):
    with pytest.raises(ParameterError, match="nothing to check: the parameters hold no array"):
        Tree.of(container)


@pytest.mark.parametrize(
    "container", [{1: np.ones(1), "1": np.ones(1)}, {"a/b": np.ones(1), "a": {"b": np.ones(1)}}]
)
def test_two_blocks_of_one_name_are_refused(container):
    with pytest.raises(
        ParameterError, match=r"two blocks are called '.*': nested names are joined"
    ):
        Tree.of(container)


def test_a_container_that_holds_itself_is_refused_and_one_held_twice_is_not():
    loop = {"w": np.ones(2)}
    loop["me"] = [loop]
    with pytest.raises(ParameterError, match=r"'me\[0\]' holds itself"):
        Tree.of(loop)
    layer = {"w": np.ones(2)}
    assert list(Tree.unchecked([layer, layer]).leaves) == ["params[0]/w", "params[1]/w"]


@given(
    st.lists(st.floats(-1e300, 1e300, allow_subnormal=False), min_size=1, max_size=5).filter(
        lambda values: max(map(abs, values)) > 1e-290
    )
)
def test_the_root_mean_square_neither_overflows_nor_vanishes(values):
    array = np.array(values)
    largest = np.abs(array).max()
    expected = largest * np.sqrt(np.mean((array / largest) ** 2))
    # Two sums of five squares: a few roundings each.
    assert rms(array) == pytest.approx(expected, rel=1e-14)
