"""What is said where a script says nothing of its own, in the languages of the house. Pure."""

from __future__ import annotations

from typing import Any

Usual = dict[str, Any]

NOINPUT: Usual = {
    "en": "I did not hear an answer.",
    "ru": "Я не услышала ответа.",
    "bg": "Не чух отговор.",
}
NOMATCH: Usual = {
    "en": "That is not one of the answers.",
    "ru": "Такого ответа нет.",
    "bg": "Няма такъв отговор.",
}
CONFIRM: Usual = {
    "en": "You entered {value|%s}. If this is right, press 1. To enter it again, press 2.",
    "ru": "Вы ввели {value|%s}. Если всё верно, нажмите один. Чтобы ввести заново, нажмите два.",
    "bg": "Въведохте {value|%s}. Ако е вярно, натиснете едно. За да въведете отново, натиснете"
    " две.",
}
CALLBACK: Usual = {
    "en": "We can call you back when it is your turn. The number is {value|digits}. To be called at"
    " this number press 1, at another one press 2. Otherwise press 0.",
    "ru": "Мы можем перезвонить вам, когда подойдёт ваша очередь. Ваш номер {value|digits}. Чтобы"
    " мы перезвонили по нему, нажмите один, по другому номеру — два. Иначе нажмите ноль.",
    "bg": "Можем да ви се обадим, когато дойде редът ви. Номерът ви е {value|digits}. За да ви се"
    " обадим на него, натиснете едно, на друг номер — две. Иначе натиснете нула.",
}
CALLBACK_NUMBER: Usual = {
    "en": "Enter the number to call, then press the hash key.",
    "ru": "Введите номер и нажмите решётку.",
    "bg": "Въведете номера и натиснете диез.",
}
CALLBACK_TAKEN: Usual = {
    "en": "Thank you. We will call you back.",
    "ru": "Спасибо. Мы вам перезвоним.",
    "bg": "Благодарим ви. Ще ви се обадим.",
}
CALLBACK_REFUSED: Usual = {
    "en": "We cannot call this number now.",
    "ru": "Сейчас мы не можем перезвонить по этому номеру.",
    "bg": "В момента не можем да се обадим на този номер.",
}
YES: Usual = {"en": "yes", "ru": "да", "bg": "да"}
NO: Usual = {"en": "no", "ru": "нет", "bg": "не"}

ALL = (
    NOINPUT,
    NOMATCH,
    *(
        {lang: said % kind for lang, said in CONFIRM.items()}
        for kind in ("digits", "number", "money", "date", "text")
    ),
    CALLBACK,
    CALLBACK_NUMBER,
    CALLBACK_TAKEN,
    CALLBACK_REFUSED,
)
"""For whoever has them spoken before a call needs them."""


def confirm(kind: str) -> Usual:
    return {language: said % kind for language, said in CONFIRM.items()}
