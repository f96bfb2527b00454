"""Mutations of good packages: the check finds what is wrong with them, and says the same as the server that is asked.

The quick test takes a few of each package, the slow one some hundred; it prints what was found, by kind of mutation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from model_packaging.check.package_check import CheckOptions, check_package
from model_service.backend.local import local_model_server
from tests.conftest import SavedModels

from .bases import BASES
from .generate import mutations
from .mutation import Mutation
from .served import what_callers_meet
from .verdict import Verdict, verdicts

LEAST_FAULTS = 200
LEAST_FOUND = 0.95
QUICK, MANY = 6, 75  # mutations of a package
QUICK_BASES = ("pictures", "no model")
ALL_BASES = [pytest.param(name, marks=() if name in QUICK_BASES else pytest.mark.slow) for name in BASES]
_MADE_UP = "whether a text works that has been made up, where any is declared, proves nothing: it may have to be a date"
_WHICH_FILE = "nothing tells what kind of file it is, so that none can be made up"
_ELEMENTS = "an array whose elements are described nowhere may be meant to hold what the service takes"
_ROW = "/apis/0/request/data/properties/data/properties/req_data/items/properties"
# Name of the good package and of the mutation -> why reading and running cannot be certain of it.
KNOWN_MISSES: Mapping[tuple[str, str], str] = {
    ("texts", "config.json: /apis/0/request/data/properties/texts/items/type is array"): _ELEMENTS,
    ("no model", "config.json: /apis/0/request/data/type is array"): _ELEMENTS,
    **{
        ("rows", f"config.json: {_ROW}/{column}/type is {kind}"): _MADE_UP
        for column in ("width", "height")
        for kind in ("string", "array")
    },
    **{
        (name, f"config.json: /apis/0/request/data/properties/{field}/type is file"): _WHICH_FILE
        for name, field in (("texts", "texts"), ("rows", "data"), ("no model", "text"))
    },
}

Good = Callable[[str], tuple[Path, str]]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, saved_model: SavedModels) -> Iterator[Good]:
    """``good(name)``: the folder of a good package, and the address of a model server that serves its model."""
    folder = tmp_path_factory.mktemp("good")
    targets: dict[str | None, str] = {None: "embedded"}
    with ExitStack() as stack:

        def make(name: str) -> tuple[Path, str]:
            base = BASES[name]
            if base.model is not None and base.model not in targets:
                client = stack.enter_context(local_model_server(saved_model(base.model), backend="embedded"))
                targets[base.model] = client.target
            if not (folder / name).exists():
                base.write(folder / name, saved_model)
            return folder / name, targets[base.model]

        yield make


def chosen(package: Path, count: int) -> list[Mutation]:
    """So many mutations of a package, evenly out of all, which are sorted by what is done."""
    every = sorted(mutations(package / "model"), key=lambda each: each.kind)
    return [every[(2 * index + 1) * len(every) // (2 * count)] for index in range(count)]


def table(all_verdicts: Sequence[Verdict]) -> str:
    """How many mutations of each kind there were, how many did harm, were found, and found to do what they did."""
    lines = [f"{'kind of mutation':<24}{'all':>6}{'faults':>8}{'found':>7}{'agreeing':>10}"]
    kinds = Counter(each.mutation.kind for each in all_verdicts)
    for kind in (*kinds, ""):
        of_kind = [each for each in all_verdicts if kind in ("", each.mutation.kind)]
        faults = [each for each in of_kind if each.is_fault]
        found, agreeing = sum(each.is_found for each in faults), sum(each.agrees for each in of_kind)
        lines.append(f"{kind or 'all':<24}{len(of_kind):>6}{len(faults):>8}{found:>7}{agreeing:>10}")
    return "\n".join(lines)


@pytest.mark.parametrize("name", ALL_BASES)
def test_good_packages_are_good(good: Good, name: str) -> None:
    package, backend = good(name)
    assert check_package(CheckOptions(package, backend=backend)).findings == ()
    assert what_callers_meet(package, package, backend) == ""


@pytest.fixture(scope="module")
def judged(good: Good, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], list[Verdict]]:
    """``judged(name, count)``: the verdicts on so many mutations of a good package; the same call is made once."""
    known: dict[tuple[str, int], list[Verdict]] = {}

    def judge(name: str, count: int) -> list[Verdict]:
        if (name, count) not in known:
            package, backend = good(name)
            work = tmp_path_factory.mktemp("mutated")
            known[name, count] = list(verdicts(package, chosen(package, count), backend, work))
        return known[name, count]

    return judge


Judged = Callable[[str, int], list[Verdict]]


def unexpected(name: str, all_verdicts: Sequence[Verdict]) -> str:
    """What the check missed or was wrong about, without what is known; "" if that is all."""
    wrong = [each for each in all_verdicts if not each.agrees or (each.is_fault and not each.is_found)]
    return "\n".join(str(each) for each in wrong if (name, each.mutation.name) not in KNOWN_MISSES)


@pytest.mark.parametrize("name", QUICK_BASES)
def test_a_few_mutations(judged: Judged, name: str) -> None:
    assert not unexpected(name, judged(name, QUICK))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BASES)
def test_many_mutations(judged: Judged, name: str) -> None:
    assert not unexpected(name, judged(name, MANY))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_figures(judged: Judged, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures that this is all about; whatever is known to be missed counts as missed."""
    all_verdicts = [each for name in BASES for each in judged(name, MANY)]
    with capsys.disabled():
        print(f"\n{table(all_verdicts)}")
    faults = [each for each in all_verdicts if each.is_fault]
    assert len(faults) >= LEAST_FAULTS
    assert sum(each.is_found for each in faults) >= LEAST_FOUND * len(faults)
    assert sum(each.agrees for each in all_verdicts) >= LEAST_FOUND * len(all_verdicts)
