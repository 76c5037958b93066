"""Which matrix product is faster is measured once on a machine, and kept."""

import json

import pytest
import torch

from symgen.nets import products


@pytest.fixture
def races(monkeypatch, tmp_path):
    """Run races that oneDNN wins, unless the list of times is changed, in an empty cache."""

    class Races(list):
        times = [2.0, 1.0]

    counted = Races()

    def race(*competitors):
        counted.append(len(competitors))
        return counted.times

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(products, "_chosen", [])
    monkeypatch.setattr(products, "_ONEDNN", True)
    monkeypatch.setattr(products, "_race", race)
    products._measured.cache_clear()
    yield counted
    products._measured.cache_clear()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "symgen/products.json"


def start_another_process():
    products._measured.cache_clear()


def test_it_is_measured_once_and_kept_for_other_processes(races, cache):
    assert [products.fastest_product() for _ in range(3)] == ["onednn"] * 3 and races == [2]
    ((name, kept),) = json.loads(cache.read_text()).items()
    assert kept == "onednn" and torch.__version__ in name and "threads" in name
    start_another_process()
    races.times = [1.0, 2.0]
    assert products.fastest_product() == "onednn" and races == [2]


def test_another_number_of_threads_is_another_question(races, cache, monkeypatch):
    products.fastest_product()
    races.times = [1.0, 2.0]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    assert products.fastest_product() == "torch" and races == [2, 2]
    assert sorted(json.loads(cache.read_text()).values()) == ["onednn", "torch"]


@pytest.mark.parametrize(("times", "faster"), [([1.0, 0.95], "torch"), ([1.0, 0.8], "onednn")])
def test_what_is_not_clearly_faster_is_not_taken(races, times, faster):
    races.times = times
    assert products.fastest_product() == faster


@pytest.mark.parametrize("content", ["{", "[]", '{"another machine": "torch"}'])
def test_a_cache_that_does_not_help_is_measured_anew_and_mended(races, cache, content):
    cache.parent.mkdir()
    cache.write_text(content)
    assert products.fastest_product() == "onednn" and races == [2]
    start_another_process()
    assert products.fastest_product() == "onednn" and races == [2]
    if "another" in content:
        assert json.loads(cache.read_text())["another machine"] == "torch"


def test_nonsense_in_the_cache_is_not_believed(races, cache):
    products.fastest_product()
    (name,) = json.loads(cache.read_text())
    cache.write_text(json.dumps({name: "abacus"}))
    start_another_process()
    assert products.fastest_product() == "onednn" and races == [2, 2]


def test_without_a_place_to_keep_it_every_process_measures(races, cache):
    cache.parent.write_text("a file where the folder should be")
    assert products.fastest_product() == "onednn"
    assert products.fastest_product() == "onednn" and races == [2]
    start_another_process()
    assert products.fastest_product() == "onednn" and races == [2, 2]


def test_a_product_that_was_set_is_taken_whatever_was_measured(races):
    assert products.fastest_product() == "onednn"
    products.use_product("torch")
    assert products.fastest_product() == "torch" and races == [2]


def test_without_onednn_there_is_nothing_to_measure(races, monkeypatch):
    monkeypatch.setattr(products, "_ONEDNN", False)
    assert products.fastest_product() == "torch" and races == []


def test_a_race_runs_everybody_and_takes_the_least_time_of_each():
    turns = []
    times = products._race(*(lambda x, weight, bias, n=n: turns.append(n) for n in "ab"))
    assert turns == list("ab") * (len(turns) // 2) and len(turns) >= 6
    assert len(times) == 2 and all(0 < time < 1 for time in times)
