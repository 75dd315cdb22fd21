"""Who is where, and who holds the run controls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import medilytica_widgets as mw
from medilytica_widgets.acting import Person, acting
from medilytica_widgets.errors import StateError
from medilytica_widgets.widgets import _assets
from medilytica_widgets.widgets._holding import Holding
from medilytica_widgets.widgets._presence import FADES_SECONDS, HUB, MOST, PresenceHub
from medilytica_widgets.widgets.run_controls import RunControls

ANN, BOB = Person("ann", "Ann A."), Person("bob", "Bob")


def words(place: str = "epochs", **more: Any) -> dict[str, Any]:
    return {"place": place, "gone": False, "name": "", "color": "", **more}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def experiment() -> Iterator[mw.Experiment]:
    exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": 100_000})
    yield exp
    exp.close()


@pytest.fixture(autouse=True)
def empty_hub() -> Iterator[None]:
    yield
    for one in HUB.people():
        HUB.at(one["page"], None, "", words(gone=True))


def test_pages_are_told_with_whom_the_server_verified() -> None:
    hub = PresenceHub()
    hub.at("p1", ANN, "model", words(name="Mallory", color="#12ab34"))
    hub.at("p2", None, "model", words(place="", name=" Guest\n two ", color="url(javascript:x)"))
    assert hub.people() == [
        {"page": "p1", "id": "ann", "name": "Ann A.", "color": "#12ab34", "subject": "model", "place": "epochs"},
        {"page": "p2", "id": "page-p2", "name": "Guest two", "color": "", "subject": "", "place": ""},
    ]
    # a claim is no identity
    assert hub.is_here(ANN) and not hub.is_here(Person("page-p2", "Guest two"))


def test_a_page_that_goes_or_falls_silent_is_forgotten_and_what_is_the_same_is_not_told_again() -> None:
    clock, told = Clock(), []
    hub = PresenceHub(clock)
    hub.changed.connect(lambda: told.append(len(hub.people())))
    hub.at("p1", ANN, "m", words())
    hub.at("p2", BOB, "m", words())
    clock.now += FADES_SECONDS - 1
    hub.at("p1", ANN, "m", words())
    assert told == [1, 2]
    clock.now += 2
    hub.sweep()
    assert [one["page"] for one in hub.people()] == ["p1"] and told == [1, 2, 1]
    hub.at("p1", ANN, "m", words(gone=True))
    assert hub.people() == [] and told[-1] == 0


def test_thousands_of_pages_take_no_memory() -> None:
    hub = PresenceHub()
    for k in range(3 * MOST):
        hub.at(f"p{k}", None, "m", words(place="x" * 10_000))
    assert len(hub.people()) == MOST and len(hub.people()[0]["place"]) == 200


def test_the_hidden_model_tells_every_page(browser: Any, experiment: mw.Experiment) -> None:
    controls = RunControls(experiment)
    browser.metadata = {"medilytica_user": {"username": "ann", "name": "Ann A."}}
    browser.ask(controls, "presence.at", words("train"))
    shared = _assets.shared_assets()
    assert [(one["id"], one["subject"], one["place"]) for one in shared.people] == [("ann", controls.subject, "train")]
    assert controls.subject == RunControls(experiment).subject
    shared.set_state({"people": [], "bundle": b"x"})
    assert len(shared.people) == 1 and shared.bundle != b"x"


def test_the_controls_are_asked_for_and_given() -> None:
    hub = PresenceHub()
    hub.at("p1", ANN, "m", words())
    hub.at("p2", BOB, "m", words())
    holding = Holding(hub)
    with acting(ANN):
        holding.use()
    with acting(BOB):
        with pytest.raises(StateError, match=r"Ann A\. holds the run controls"):
            holding.use()
        holding.ask()
        with pytest.raises(StateError, match="answers this"):
            holding.answer("bob", True)
    assert holding.told() == {"holder": {"id": "ann", "name": "Ann A."}, "asking": [{"id": "bob", "name": "Bob"}]}
    with acting(ANN):
        holding.answer("bob", False)
        with pytest.raises(StateError, match="any more"):
            holding.answer("bob", True)
    with acting(BOB):
        holding.ask()
    with acting(ANN):
        holding.answer("bob", True)
    assert holding.holder == BOB and holding.told()["asking"] == []
    # code in a cell is nobody's page
    holding.use()
    assert holding.holder == BOB


def test_who_has_gone_holds_nothing() -> None:
    hub = PresenceHub()
    hub.at("p1", ANN, "m", words())
    holding = Holding(hub)
    with acting(ANN):
        holding.use()
    hub.at("p1", ANN, "m", words(gone=True))
    assert holding.holder is None
    hub.at("p2", BOB, "m", words())
    with acting(BOB):
        holding.ask()
    assert holding.holder == BOB


def test_a_second_person_is_refused_until_the_first_gives(browser: Any, experiment: mw.Experiment) -> None:
    controls = RunControls(experiment)
    people = {name: {"medilytica_user": {"username": name.lower(), "name": name}} for name in ("Ann", "Bob")}
    for name, metadata in people.items():
        browser.metadata = metadata
        browser.answer(controls, browser.post(controls, "presence.at", words(), client=name))
    browser.metadata = people["Ann"]
    browser.ask(controls, "run.command", {"command": "start"})
    browser.metadata = people["Bob"]
    refused = browser.ask(controls, "run.command", {"command": "stop"})[0]
    assert refused["kind"] == "run.command.error" and "Ann holds the run controls" in refused["body"]["message"]
    assert experiment.active is not None
    browser.ask(controls, "run.ask", {})
    browser.until(lambda: controls.hold["asking"] == [{"id": "bob", "name": "Bob"}])
    browser.metadata = people["Ann"]
    browser.ask(controls, "run.answer", {"to": "bob", "give": True})
    browser.metadata = people["Bob"]
    assert browser.ask(controls, "run.command", {"command": "stop"})[0]["kind"] == "run.command.result"
    browser.until(lambda: controls.hold["holder"] == {"id": "bob", "name": "Bob"})
