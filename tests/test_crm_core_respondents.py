"""Lists of people: who comes on one, who is next, and that nobody is given to two."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from store_fixtures import *  # noqa: F403
from store_fixtures import NOW, Clock

from cordboard.crm_core.model import (
    AttemptRecord,
    Draft,
    Interaction,
    RefusalRecord,
    Respondent,
    RespondentList,
)
from cordboard.crm_core.respondent_states import (
    HELD,
    OPEN,
    OVER,
    RESULTS,
    STATES,
    TRANSITIONS,
    Step,
    StepError,
    after,
    can,
)
from cordboard.crm_core.respondents import OVERDUE, CustomerFilter, Person
from cordboard.crm_core.rules import FieldsError
from cordboard.crm_core.store import Store

FIRST, SECOND, THIRD = "+79031110001", "+79031110002", "+79031110003"


def person(number: str = FIRST, line: int = 2, name: str = "Пётр") -> Person:
    return Person(line, name, (number,), "ru", {"city": "Омск"})


async def made(store: Store, *numbers: str, tries: int = 3) -> RespondentList:
    whose = await store.create_list("Prices", "prices", "maria", tries=tries)
    people = [person(number, line) for line, number in enumerate(numbers, 2)]
    added = await store.add_people(whose, people)
    assert added.added == len(numbers)
    return whose


async def taken(store: Store, whose: RespondentList, operator: str = "anna") -> Respondent:
    found = await store.take_respondent(whose.id, operator)
    assert found is not None
    return found


async def numbers(store: Store, whose: RespondentList) -> list[str]:
    return [each.number for each in await store.people(whose.id)]


# On the list


async def test_a_number_comes_on_a_list_once_however_often_it_is_added(store: Store) -> None:
    whose = await store.create_list(" Prices\u202e ", "prices", "maria", language="bg")
    assert whose.name == "Prices"
    people = [person(FIRST), person("8 (903) 111-00-01", 3), Person(4, "", (SECOND,))]
    done = await store.add_people(whose, people)
    assert (done.added, done.known, done.left_out) == (2, 1, [])
    again = await store.add_people(whose, people)
    assert (again.added, again.known) == (0, 3)
    first, second = await store.people(whose.id)
    assert (first.number, first.attributes, first.language) == (FIRST, {"city": "Омск"}, "ru")
    assert (second.position, second.language, second.attributes) == (1, "bg", {})
    assert await store.counts(whose.id) == {"waiting": 2, "due": 2}
    ((listed, counts),) = await store.lists()
    assert (listed, counts) == (whose, {"waiting": 2, "due": 2})
    assert await store.list_named("Prices") == await store.respondent_list(whose.id) == whose
    with pytest.raises(FieldsError, match="already"):
        await store.create_list("Prices", "prices", "maria")


async def test_who_may_not_or_does_not_want_to_be_called_is_left_out_with_the_reason(
    store: Store,
) -> None:
    whose = await store.create_list("Prices", "prices", "maria")
    quiet = Draft("Тихий", phones=("+79031110009",), do_not_disturb=True)
    await store.create_customer(quiet)
    refused = [
        RefusalRecord("01900000-0000-7000-8000-000000000001", None, SECOND, None, NOW),
        RefusalRecord("01900000-0000-7000-8000-000000000002", None, THIRD, "another", NOW),
    ]
    await store.write(refused)
    people = [
        person("soon", 2, "Word"),
        person("", 3, "None"),
        person("+448712345678", 4, "Costly"),
        person("+79031110009", 5, "Quiet"),
        person(SECOND, 6, "Refused"),
        person("+79991110001", 7, "Blocked"),
        replace(person(THIRD, 8, "Martian"), language="xx"),
        person(THIRD, 9, "Good"),
    ]
    done = await store.add_people(whose, people, blocked=["+7999"])
    assert await numbers(store, whose) == [THIRD]
    reasons = {line: reason for line, _, reason in done.left_out}
    assert reasons == {
        2: "'soon' is not a telephone number",
        3: "there is no number",
        4: "+448712345678 may not be called",
        5: "does not want to be disturbed",
        6: "does not want to be asked",
        7: "+79991110001 may not be called",
        8: "the language must be one of ru, bg, en",
    }


async def test_people_of_a_file_are_our_customers_where_the_number_is_one_customers(
    store: Store,
) -> None:
    ours = (await store.create_customer(Draft("Иван", phones=(FIRST,), language="bg"))).customer
    for name in ("Муж", "Жена"):
        await store.create_customer(Draft(name, phones=(SECOND,)))
    whose = await store.create_list("Prices", "prices", "maria")
    await store.add_people(whose, [Person(2, "", (FIRST,)), Person(3, "Кто-то", (SECOND,))])
    first, second = await store.people(whose.id)
    assert (first.customer_id, first.name, first.language) == (ours.id, "Иван", "bg")
    assert (second.customer_id, second.name) == (None, "Кто-то")


async def test_customers_are_chosen_by_what_is_known_of_them(store: Store) -> None:
    vip = Draft("Анна", phones=(FIRST,), status="vip", tags=("a", "b"), language="bg")
    plain = Draft("Борис", phones=(SECOND, THIRD), segment="smb", attributes={"tariff": "max"})
    first = (await store.create_customer(vip)).customer
    second = (await store.create_customer(plain)).customer
    contact = Interaction(
        "01900000-0000-7000-8000-00000000000a", first.id, None, None, None,
        NOW - 86_400, None, None, None, "",
    )  # fmt: skip
    await store.write([contact])

    async def names(wanted: CustomerFilter) -> list[str]:
        return [each.name for each in await store.customers_for(wanted)]

    assert await names(CustomerFilter()) == ["Анна", "Борис"]
    assert await names(CustomerFilter(statuses=("vip",))) == ["Анна"]
    assert await names(CustomerFilter(segment="smb")) == ["Борис"]
    assert await names(CustomerFilter(tags=("a", "b"))) == ["Анна"]
    assert await names(CustomerFilter(tags=("a", "c"))) == []
    assert await names(CustomerFilter(language="bg")) == ["Анна"]
    assert await names(CustomerFilter(manager="nobody")) == []
    assert await names(CustomerFilter(attributes={"tariff": "max"})) == ["Борис"]
    assert await names(CustomerFilter(after=NOW - 90_000)) == ["Анна"]
    assert await names(CustomerFilter(before=NOW)) == ["Анна", "Борис"]
    assert await names(CustomerFilter(before=NOW - 90_000)) == ["Борис"]
    (boris,) = await store.customers_for(CustomerFilter(segment="smb"))
    assert (boris.phones, boris.customer_id) == ((SECOND, THIRD), second.id)
    whose = await store.create_list("Prices", "prices", "maria")
    await store.add_people(whose, [boris])
    assert (await store.people(whose.id))[0].customer_id == second.id


# Who is next


async def test_two_operators_who_press_at_once_get_two_people(store: Store) -> None:
    every = [f"+7903111{number:04}" for number in range(12)]
    whose = await made(store, *every)
    operators = [f"operator{number}" for number in range(15)]
    given_out = await asyncio.gather(*(store.take_respondent(whose.id, o) for o in operators))
    got = [each for each in given_out if each is not None]
    assert sorted(each.number for each in got) == every
    assert {each.taken_by for each in got} <= set(operators)
    assert [each.revision for each in got] == [1] * 12


async def test_an_operator_has_one_person_however_many_consoles_press(store: Store) -> None:
    whose = await made(store, FIRST, SECOND)
    got = await asyncio.gather(*(store.take_respondent(whose.id, "anna") for _ in range(8)))
    assert {each.number for each in got if each} == {FIRST}
    assert await store.counts(whose.id) == {"taken": 1, "waiting": 1, "due": 1}
    ((held, of),) = await store.held()
    assert (held, of) == (got[0], whose)


async def test_promised_callbacks_go_first_then_second_tries_then_the_others(
    store: Store, clock: Clock
) -> None:
    whose = await made(store, FIRST, SECOND, THIRD)
    ends: list[tuple[Step, float | None]] = [("no-answer", None), ("callback", NOW + 7200)]
    for step, due_at in ends:
        one = await taken(store, whose)
        called = after(after(one, "dial", whose, NOW), "answer", whose, NOW)
        await store.write([after(called, step, whose, NOW, due_at=due_at)])
    assert [each.state for each in await store.people(whose.id, ["callback"])] == ["callback"]
    again = await taken(store, whose)
    assert again.number == THIRD
    await store.write([after(again, "release", whose, NOW)])
    clock.now = NOW + 7200
    assert (await store.counts(whose.id))["due"] == 3
    order = [(await taken(store, whose, name)).number for name in ("anna", "boris", "eva")]
    assert order == [SECOND, FIRST, THIRD]


async def test_a_callback_for_one_operator_is_anybodys_when_it_is_overdue(
    store: Store, clock: Clock
) -> None:
    whose = await made(store, FIRST)
    one = await taken(store, whose)
    due = NOW + 60
    await store.write([after(one, "callback", whose, NOW, due_at=due, due_for="anna")])
    assert await store.take_respondent(whose.id, "anna") is None
    clock.now = due
    assert await store.take_respondent(whose.id, "boris") is None
    clock.now = due + OVERDUE
    assert (await taken(store, whose, "boris")).number == FIRST


async def test_who_has_refused_meanwhile_is_not_given_to_anybody(store: Store) -> None:
    ours = (await store.create_customer(Draft("Иван", phones=(SECOND,)))).customer
    whose = await made(store, FIRST, SECOND, THIRD)
    refusal = RefusalRecord("01900000-0000-7000-8000-000000000001", None, FIRST, "prices", NOW)
    await store.write([refusal])
    await store.update_customer(ours.id, {"do_not_disturb": True})
    assert (await taken(store, whose)).number == THIRD
    gone = await store.people(whose.id, ["do-not-call"])
    assert [(each.number, each.result) for each in gone] == [
        (FIRST, "refused-before"),
        (SECOND, "do-not-disturb"),
    ]


async def test_who_wants_no_calls_at_a_number_is_not_called_at_it_by_an_older_list(
    store: Store,
) -> None:
    whose = await made(store, FIRST, SECOND)
    await store.create_customer(Draft("Иван", phones=(FIRST,), do_not_disturb=True))
    assert (await taken(store, whose)).number == SECOND


async def test_nobody_of_a_closed_list_is_given_and_who_is_held_may_finish(store: Store) -> None:
    whose = await made(store, FIRST, SECOND)
    one = await taken(store, whose)
    assert await store.close_list(whose.id)
    assert not await store.close_list("nonsense")
    assert await store.take_respondent(whose.id, "boris") is None
    assert (await taken(store, whose)).id == one.id
    assert await store.take_respondent("nonsense", "anna") is None


async def test_what_a_replay_brings_late_takes_nothing_back(store: Store) -> None:
    whose = await made(store, FIRST)
    one = await taken(store, whose)
    dialled = after(one, "dial", whose, NOW)
    done = after(after(dialled, "answer", whose, NOW), "done", whose, NOW)
    attempt = AttemptRecord("01900000-0000-7000-8000-000000000001", one.id, 1, "anna", "pbx", NOW)
    await store.write([dialled, attempt])
    await store.write([done, replace(attempt, result="done")])
    await store.write([dialled])
    assert await store.respondent(one.id) == done
    assert [each.result for each in await store.attempts(one.id)] == ["done"]


# The table of transitions

WHOSE = RespondentList("l", "Prices", "prices", None, None, 2, 30.0, 0.0, "maria")
PERSON = Respondent("r", "l", 0, FIRST, "", None, None, {})
STEPS: Sequence[Step] = sorted({step for steps in TRANSITIONS.values() for step in steps})


def test_every_state_can_be_left_or_is_the_end() -> None:
    assert set(TRANSITIONS) == {*OPEN, *HELD}
    assert set(STATES) == {*TRANSITIONS, *OVER}
    for step in RESULTS:
        assert all(can(replace(PERSON, state=state), step) for state in ("talking", "talked"))


@given(st.sampled_from(STATES), st.sampled_from(STEPS))
def test_what_the_table_does_not_have_does_not_happen(state: str, step: Step) -> None:
    before = replace(PERSON, state=state)  # type: ignore[arg-type]
    if can(before, step):
        assert after(before, step, WHOSE, 5.0).revision == 1
    else:
        with pytest.raises(StepError):
            after(before, step, WHOSE, 5.0)


@pytest.mark.parametrize("step", ["unplaced", "no-answer", "busy"])
def test_a_talk_is_not_lost_by_calling_once_more(step: Step) -> None:
    person = replace(PERSON, state="talked", dials=1, tries=1)
    again = after(after(person, "dial", WHOSE, 5.0), step, WHOSE, 6.0)
    assert (again.state, again.dials, again.tries) == ("talked", 2, 1)
    done = after(again, "done", WHOSE, 7.0)
    assert (done.state, done.result) == ("done", "done")


class OnePerson(RuleBasedStateMachine):
    """Any steps that the table allows, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.person = 0.0, PERSON

    @precondition(lambda self: self.person.state not in OVER)
    @rule(data=st.data(), passed=st.floats(0, 10_000), hour=st.floats(1, 100_000))
    def step(self, data: st.DataObject, passed: float, hour: float) -> None:
        before = self.person
        step = data.draw(st.sampled_from(sorted(TRANSITIONS[before.state])))
        self.now += passed
        due = self.now + hour
        self.person = after(before, step, WHOSE, self.now, operator="anna", due_at=due)
        assert self.person.revision == before.revision + 1
        assert self.person.dials == before.dials + (step == "dial")

    @precondition(lambda self: self.person.state in OVER)
    @rule()
    def the_next_one(self) -> None:
        self.person = PERSON

    @invariant()
    def is_of_one_piece(self) -> None:
        person = self.person
        assert (person.taken_by is not None) == (person.state in HELD)
        assert (person.ended_at is not None) == (person.state in OVER)
        assert (person.state in ("no-answer", "busy", "callback")) <= (person.due_at is not None)
        assert person.tries <= WHOSE.tries
        assert (person.state == "given-up") <= (person.tries == WHOSE.tries)


TestOnePerson = OnePerson.TestCase
