"""What a caller is told to press, in the languages of the house, where a form does not. Pure."""

from __future__ import annotations

from cordboard.ivr import usual

CHOICE = {"en": "{0}: press {1}.", "ru": "{0}: нажмите {1}.", "bg": "{0}: натиснете {1}."}
SCALE = {"en": "From {0} to {1}.", "ru": "От {0} до {1}.", "bg": "От {0} до {1}."}
GO_ON = {
    "en": "To go on, press 1.",
    "ru": "Чтобы продолжить, нажмите 1.",
    "bg": "За да продължите, натиснете 1.",
}
ENTER = {
    "number": {
        "en": "Enter the number, then press the hash key.",
        "ru": "Введите число и нажмите решётку.",
        "bg": "Въведете числото и натиснете диез.",
    },
    "decimal": {
        "en": "Enter the number, with star for the point, then press the hash key.",
        "ru": "Введите число, вместо запятой — звёздочка, и нажмите решётку.",
        "bg": "Въведете числото, със звезда вместо запетая, и натиснете диез.",
    },
    "digits": {
        "en": "Enter the digits, then press the hash key.",
        "ru": "Введите цифры и нажмите решётку.",
        "bg": "Въведете цифрите и натиснете диез.",
    },
    "date": {
        "en": "Enter day, month and year as eight digits.",
        "ru": "Введите день, месяц и год: восемь цифр.",
        "bg": "Въведете ден, месец и година: осем цифри.",
    },
    "voice": {
        "en": "Speak after the tone, then press the hash key.",
        "ru": "Говорите после сигнала, затем нажмите решётку.",
        "bg": "Говорете след сигнала, после натиснете диез.",
    },
}
OTHER = {"en": "Other", "ru": "Другое", "bg": "Друго"}
WHICH = {"en": "Which?", "ru": "Что именно?", "bg": "Какво именно?"}
THANKS = {
    "en": "Thank you. Goodbye.",
    "ru": "Спасибо. До свидания.",
    "bg": "Благодарим ви. Довиждане.",
}
SORRY = {
    "en": "We did not get an answer. Goodbye.",
    "ru": "Мы не получили ответа. До свидания.",
    "bg": "Не получихме отговор. Довиждане.",
}

YES_NO = {
    code: f"{each.format(usual.YES[code].capitalize(), 1)}"
    f" {each.format(usual.NO[code].capitalize(), 2)}"
    for code, each in CHOICE.items()
}
