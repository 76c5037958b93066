"""Items that are shown take turns by what they are of."""

from symgen.experiments.turns import in_turn


def test_names_take_turns_short_ones_first() -> None:
    named = ["class 10", "class 10", "class 2", "class 2", "class 2"]
    assert in_turn(named, 5) == [2, 0, 3, 1, 4]
    assert in_turn(named, 2) == [2, 0] and in_turn(named, 9) == in_turn(named, 5)
    assert in_turn([], 3) == []


def test_what_moves_most_comes_first() -> None:
    named, moved = ["a", "a", "a", "b", "c"], [1.0, 1.0, 0.0, 0.9, 0.1]
    assert in_turn(named, 5, moved) == [3, 0, 4, 1, 2]  # by the mean of each name
