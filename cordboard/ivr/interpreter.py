"""What comes next in a script. Pure: `begin`, then `advance` with what became of the last action.

A runner carries out one action after the other: on the phone, on an operator's form, in a
terminal. Whatever outcome it brings, there is a next turn; an outcome that does not fit the action
is the runner's fault, and raises `TypeError`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal
from urllib.parse import quote

from cordboard.ivr import answers, usual
from cordboard.ivr.expressions import Names, looked_up
from cordboard.ivr.position import Position, Scope
from cordboard.ivr.script import END, Script
from cordboard.ivr.steps import (
    Ask,
    AskStep,
    Base,
    CallApiStep,
    CallBackStep,
    Fail,
    GotoStep,
    HangUpStep,
    LookUpStep,
    Menu,
    MenuStep,
    Record,
    RecordStep,
    RouteStep,
    SayStep,
    SetStep,
    Transfer,
    TransferStep,
    expression,
)
from cordboard.ivr.texts import Text, parts, pieces, shown, written
from cordboard.ivr.turns import (
    Action,
    Answered,
    CallBack,
    Collect,
    Dial,
    Dialled,
    Done,
    End,
    Failed,
    Find,
    Found,
    Given,
    Go,
    HungUp,
    Kept,
    Keyed,
    Missing,
    NeverAgain,
    Note,
    Outcome,
    Passed,
    Recorded,
    Refused,
    Request,
    Say,
    Speech,
    Take,
    Turn,
)

STEPS_AT_MOST = 2000
"""Of one run. A script that asks again and again is not for ever, either."""
QUIET_AT_MOST = 500
"""Steps in a row that nobody hears."""
DO_NOT_ASK, LANGUAGE = "do_not_ask", "language"
"""Variables that mean something to us."""


def begin(script: Script, scope: Scope, language: str | None = None) -> Turn:
    """The first turn. `language` is the caller's, where it is known."""
    spoken = language if language in script.languages else script.languages[0]
    return _Run(script, Position(script.ids[0], spoken), scope).go()


def advance(script: Script, position: Position, outcome: Outcome, scope: Scope) -> Turn:
    """The next turn, after `outcome` came of the action at `position`."""
    return _Run(script, position, scope).take(outcome)


class _Run:
    """One turn in the making."""

    def __init__(self, script: Script, position: Position, scope: Scope) -> None:
        self.script = script
        self.at = position
        self.scope = scope
        self.notes: list[Note] = []

    @property
    def step(self) -> Base:
        return self.script.step(self.at.step)

    @property
    def names(self) -> Names:
        return self.at.names(self.scope)

    # Going on

    def go(self) -> Turn:
        """From step to step until there is something to do."""
        for _ in range(QUIET_AT_MOST):
            if self.at.step == END:
                return self.end("hung-up" if self.at.gone else "completed")
            if self.at.passed > STEPS_AT_MOST:
                return self.end("failed")
            step = self.step
            if step.when is not None and not expression(step.when).holds(self.names):
                self.leave("skip", self.script.after(self.at.step))
                continue
            if (action := self.act(step)) is not None:
                if self.at.gone and not isinstance(action, End | Request | Find):
                    return self.end("hung-up")
                return self.turn(action)
        return self.end("failed")

    def act(self, step: Base) -> Action | None:
        """What there is to do at a step; None where it was done here."""
        match step:
            case SayStep():
                return Say(self.at.step, self.speech(step.say), step.bargein)
            case MenuStep() | AskStep() | RecordStep():
                return self.question()
            case LookUpStep():
                return self.find(step)
            case SetStep():
                self.set(step)
                self.leave("next", self.script.following(self.at.step))
            case GotoStep():
                self.leave("goto", step.goto)
            case RouteStep():
                route = step.route
                to = getattr(route, route.target)
                where = self.filled(to) if isinstance(to, str) else ""
                return Go(self.at.step, route.target, where)
            case TransferStep():
                return self.dial(step.transfer)
            case CallBackStep():
                return self.offer(step)
            case CallApiStep():
                return self.request(step)
            case HangUpStep():
                said = Speech((), "") if step.hangup is None else self.speech(step.hangup)
                return End(self.at.step, said, "hung-up" if self.at.gone else "completed")
        return None

    def take(self, outcome: Outcome) -> Turn:
        step = self.step
        if isinstance(outcome, HungUp):
            return self.hung_up()
        if isinstance(step, LookUpStep) and step.look_up.pin is not None:
            self.at = replace(self.at, secrets={})  # it is entered anew, or never again
        if isinstance(outcome, Failed):
            return self.follow("error")
        match step, outcome:
            case SayStep(), Done():
                return self.follow("next")
            case MenuStep() | AskStep() | RecordStep(), Keyed() | Given() | Recorded():
                return self.answered(outcome)
            case CallBackStep(), Keyed(digits=digits):
                return self.offered(step, digits)
            case CallBackStep(), Done():
                return self.follow("taken")
            case CallBackStep(), Refused():
                return self.follow("refused")
            case LookUpStep(), Found(customer=customer):
                self.at = replace(self.at, customer=customer)
                return self.follow("found")
            case LookUpStep(), Missing():
                return self.follow("missing")
            case CallApiStep(), Answered(values=values):
                self.at = replace(self.at, variables={**self.at.variables, **values})
                return self.follow("next")
            case TransferStep(), Dialled(status=status):
                if status == "answered":
                    self.leave("answered", END)
                    return self.go()
                return self.follow(status)
        raise TypeError(f"{type(outcome).__name__} is nothing that comes of {self.at.step}")

    def follow(self, way: str) -> Turn:
        """Leaves by this way: where the step says, or the script for all of its steps; else on."""
        wanted = (getattr(on, way, None) for on in (self.step.on, self.script.on))
        targets = (each.goto if isinstance(each, Fail) else each for each in wanted)
        target = next(filter(None, targets), None)
        if target is None and way == "error" and isinstance(self.step, RouteStep):
            target = END
        self.leave(way, target or self.script.following(self.at.step))
        return self.go()

    def leave(self, way: str, target: str) -> None:
        self.notes.append(Passed(self.at.step, way))
        self.at = replace(
            self.at, step=target, phase="", tries=0, entered="", passed=self.at.passed + 1
        )

    def hung_up(self) -> Turn:
        """Nobody is there any more; what is left to do is done."""
        if self.at.gone:
            return self.end("hung-up")
        target = self.step.on.hangup or self.script.on.hangup
        self.leave("hangup", target or END)
        self.at = replace(self.at, gone=True)
        return self.go()

    def end(self, outcome: Literal["completed", "hung-up", "failed"]) -> Turn:
        return self.turn(End(self.at.step, Speech((), ""), outcome))

    def turn(self, action: Action) -> Turn:
        return Turn(self.at, action, tuple(self.notes))

    # Questions

    def question(self, before: Text | None = None) -> Action:
        """The question of the step, after `before`."""
        step, at = self.step, self.at.step
        if isinstance(step, RecordStep):
            return Take(at, self.speech(before, step.record.prompt), step.record)
        if isinstance(step, MenuStep):
            menu = step.menu
            return Collect(at, self.speech(before, menu.prompt), answers.keys(menu), menu=menu)
        assert isinstance(step, AskStep)
        ask = step.ask
        if self.at.phase == "confirm":
            return self.confirmation(ask, before)
        said = self.speech(before, ask.prompt)
        if ask.kind == "text":
            record = Record(prompt=ask.prompt, question=ask.question)
            return Take(at, said, record, ask)
        return Collect(at, said, answers.keys(ask), ask=ask)

    def confirmation(self, ask: Ask, before: Text | None) -> Action:
        value = answers.keyed(ask, self.at.entered)
        names = {"value": self.named(ask, value)}
        kind = ask.kind if ask.kind in ("digits", "number", "money", "date") else "text"
        kind = "number" if ask.kind == "scale" else kind
        said = self.speech(before, usual.confirm(kind), names=names)
        keys = answers.one_key((answers.YES, answers.NO), ask.timeout)
        return Collect(self.at.step, said, replace(keys, secret=ask.secret))

    def named(self, ask: Ask, value: Any) -> Any:
        """What is said of an answer that was chosen."""
        for option in ask.choices.values():
            if option.value == value and option.text is not None:
                return self.read(option.text)
        if ask.kind == "yes_no":
            return self.read(usual.YES if value else usual.NO)
        return value

    def answered(self, outcome: Keyed | Given | Recorded) -> Turn:
        step = self.step
        match step, outcome:
            case MenuStep(menu=menu), Keyed(digits=entry) | Given(text=entry):
                return self.chosen(menu, entry)
            case AskStep(ask=ask), Keyed(digits=digits):
                return self.entered(ask, digits)
            case AskStep(ask=ask), Given(text=text):
                return self.typed(ask, text)
            case AskStep(ask=ask), Recorded(file=file):
                return self.spoken(ask.question, file)
            case RecordStep(record=record), Recorded(file=file):
                return self.spoken(record.question, file)
            case RecordStep(record=record), Given(text=text):
                if text and record.question:
                    self.keep(Kept(record.question, self.at.step, "text", text), text)
                return self.follow("next" if text else "noinput")
        raise TypeError(f"{type(outcome).__name__} is no answer to {self.at.step}")

    def chosen(self, menu: Menu, key: str) -> Turn:
        choice = menu.choices.get(key)
        if choice is None:
            return self.again("nomatch" if key else "noinput", menu.retries)
        if menu.question:
            self.keep(Kept(menu.question, self.at.step, "choice", key), key)
        if choice.language in self.script.languages:
            self.at = replace(self.at, language=choice.language or self.at.language)
        self.leave(key, choice.goto or self.script.following(self.at.step))
        return self.go()

    def entered(self, ask: Ask, digits: str) -> Turn:
        if self.at.phase == "confirm":
            if digits == answers.YES:
                return self.accept(ask, answers.keyed(ask, self.at.entered))
            if digits == answers.NO:
                self.at = replace(self.at, phase="", entered="")
            return self.again("nomatch" if digits else "noinput", ask.retries, digits != answers.NO)
        value = answers.keyed(ask, digits)
        if value is None or not self.suits(ask, value):
            return self.again("nomatch" if digits else "noinput", ask.retries)
        if ask.confirm:
            self.at = replace(self.at, phase="confirm", entered=digits)
            return self.turn(self.question())
        return self.accept(ask, value)

    def typed(self, ask: Ask, text: str) -> Turn:
        """A form shows what is wrong itself, and asks for it to be confirmed by nobody."""
        if not text and not ask.required:
            return self.follow("next")
        value = answers.typed(ask, text)
        if value is None or not self.suits(ask, value):
            return self.again("nomatch" if text else "noinput", answers.TEXT_AT_MOST)
        return self.accept(ask, value)

    def spoken(self, question: str | None, file: str) -> Turn:
        if question and file:
            self.keep(Kept(question, self.at.step, "recording", "", file), file)
        return self.follow("next" if file else "noinput")

    def suits(self, ask: Ask, value: Any) -> bool:
        return ask.check is None or expression(ask.check).holds({**self.names, "value": value})

    def accept(self, ask: Ask, value: Any) -> Turn:
        if ask.secret and ask.save:
            self.at = replace(self.at, secrets={**self.at.secrets, ask.save: str(value)})
        elif ask.save:
            self.at = replace(self.at, variables={**self.at.variables, ask.save: value})
        if ask.question:
            text, scale = answers.kept(ask, value), ask.scale if ask.kind == "scale" else None
            self.keep(Kept(ask.question, self.at.step, ask.kind, text, scale=scale), value)
        return self.follow("next")

    def keep(self, note: Kept, value: Any) -> None:
        self.notes.append(note)
        self.at = replace(self.at, answers={**self.at.answers, note.question: value})

    def again(
        self, why: Literal["noinput", "nomatch"], retries: int, is_failure: bool = True
    ) -> Turn:
        """The question once more, or the way on where it was asked often enough."""
        tries = self.at.tries + 1
        fail = getattr(self.step.on, why) or getattr(self.script.on, why) or Fail()
        if tries > retries:
            return self.give_up(why)
        self.at = replace(self.at, tries=tries)
        said = fail.say or (usual.NOINPUT if why == "noinput" else usual.NOMATCH)
        return self.turn(self.question(said if is_failure else None))

    def give_up(self, why: Literal["noinput", "nomatch"]) -> Turn:
        """Where this failing has no way of its own, the other's is taken."""
        other = "nomatch" if why == "noinput" else "noinput"
        for on, name in (
            (self.step.on, why),
            (self.step.on, other),
            (self.script.on, why),
            (self.script.on, other),
        ):
            fail = getattr(on, name)
            if fail is not None and fail.goto:
                self.leave(why, fail.goto)
                return self.go()
        self.leave(why, self.script.following(self.at.step))
        return self.go()

    # Callbacks

    def offer(self, step: CallBackStep, before: Text | None = None) -> Action:
        back = step.callback
        number = self.at.entered or str(self.scope.call.get("number") or "")
        if self.at.phase == "number" or not number:
            self.at = replace(self.at, phase="number", entered="")
            said = self.speech(before, usual.CALLBACK_NUMBER)
            return Collect(self.at.step, said, answers.many_keys(15, back.timeout))
        said = self.speech(before, back.prompt or usual.CALLBACK, names={"value": number})
        return Collect(self.at.step, said, answers.one_key(("1", "2", "0"), back.timeout))

    def offered(self, step: CallBackStep, digits: str) -> Turn:
        back = step.callback
        if self.at.phase == "number":
            if 3 <= len(digits) <= 15 and digits.isdigit():
                self.at = replace(self.at, phase="", entered=digits)
                return self.turn(self.offer(step))
        elif digits == "1":
            number = self.at.entered or str(self.scope.call.get("number") or "")
            return self.turn(CallBack(self.at.step, number, self.filled(back.queue)))
        elif digits == "2":
            self.at = replace(self.at, phase="number", entered="")
            return self.turn(self.offer(step))
        elif digits == "0" or not digits:
            return self.follow("declined")
        tries = self.at.tries + 1
        if tries > back.retries:
            return self.follow("declined")
        self.at = replace(self.at, tries=tries)
        return self.turn(self.offer(step, usual.NOMATCH if digits else usual.NOINPUT))

    # The rest

    def set(self, step: SetStep) -> None:
        for name, text in step.set.items():
            value = expression(text).value(self.names)
            if name == LANGUAGE:
                if value in self.script.languages:
                    self.at = replace(self.at, language=str(value))
            elif name == DO_NOT_ASK:
                if value:
                    self.notes.append(NeverAgain(value == "all"))
            else:
                self.at = replace(self.at, variables={**self.at.variables, name: value})

    def find(self, step: LookUpStep) -> Action:
        look_up = step.look_up
        if look_up.value is None:
            value = str(self.scope.call.get("number") or "")
        else:
            found = expression(look_up.value).value(self.names)
            value = "" if found is None else shown(found)
        pin = None if look_up.pin is None else str(self.names.get(look_up.pin) or "")
        return Find(self.at.step, look_up.by, value, look_up.attribute, pin)

    def request(self, step: CallApiStep) -> Action:
        api = step.call_api
        body = {name: expression(text).value(self.names) for name, text in api.body.items()}
        url = self.filled(api.url, quoted=True)
        return Request(
            self.at.step, api.method, url, body or None, api.secret, api.deadline, api.save
        )

    def dial(self, transfer: Transfer) -> Action:
        return Dial(self.at.step, self.filled(transfer.to), transfer.seconds)

    def filled(self, template: str, quoted: bool = False) -> str:
        """A name or address, with the values in it; in a URL nothing of a value is its syntax."""
        found = []
        for part in parts(template):
            if isinstance(part, str):
                found.append(part)
            else:
                value = _filling(looked_up(self.names, part.path))
                found.append(quote(value, safe="") if quoted else value)
        return "".join(found)

    def speech(self, *texts: Text | None, names: Names | None = None) -> Speech:
        said = [text for text in texts if text is not None]
        known = self.names if names is None else {**self.names, **names}
        lang, languages = self.at.language, tuple(self.script.languages)
        return Speech(
            tuple(each for text in said for each in pieces(text, lang, languages, known)),
            " ".join(written(text, lang, languages, known) for text in said),
        )

    def read(self, text: Text) -> str:
        return written(text, self.at.language, tuple(self.script.languages), self.names)


def _filling(value: Any) -> str:
    return "" if value is None else shown(value)
