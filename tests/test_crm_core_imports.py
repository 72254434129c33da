"""The import of customers from spreadsheets' files."""

from __future__ import annotations

import asyncio
import codecs
import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_fixtures import *  # noqa: F403

from cordboard.crm_core.imports import BATCH, Summary, import_customers
from cordboard.crm_core.model import Customer, Draft, FactRecord
from cordboard.crm_core.phones import normalise
from cordboard.crm_core.rules import NAME_AT_MOST, tidy
from cordboard.crm_core.spreadsheet import columns_of, encoding_of, read
from cordboard.crm_core.store import Store
from cordboard.errors import UserError
from cordboard.events import derived_id


class Run:
    """One import of one text, with what it reported."""

    def __init__(self, summary: Summary, faults: dict[int, str]) -> None:
        self.summary = summary
        self.faults = faults
        self.counts = (summary.created, summary.updated, summary.skipped, summary.faults)


async def run(store: Store, folder: Path, data: str | bytes, minor_digits: int = 2) -> Run:
    path = folder / "customers.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    faults: dict[int, str] = {}
    summary = await import_customers(
        store, path, minor_digits=minor_digits, on_fault=faults.__setitem__
    )
    return Run(summary, faults)


async def found(store: Store, number: str) -> list[Customer]:
    return await store.find_customers(phone=number)


FULL = """name;phones;kind;status;language;manager;balance
Иван Петров;8 916 123-45-67;person;vip;ru;anna;-1 234,50
ООО «Ромашка»;+7 495 123-45-67,+359888123456;organisation;;bg;;
"""


async def test_a_file_becomes_customers(store: Store, tmp_path: Path) -> None:
    await store.add_user("anna", "operator", "password")
    done = await run(store, tmp_path, FULL)
    assert (done.counts, done.faults) == ((2, 0, 0, 0), {})
    (ivan,) = await found(store, "+79161234567")
    assert (ivan.name, ivan.kind, ivan.status, ivan.language) == (
        "Иван Петров",
        "person",
        "vip",
        "ru",
    )
    assert ivan.balance_minor == -123_450
    assert ivan.manager is not None
    assert ivan.manager.name == "anna"
    (firm,) = await found(store, "+359888123456")
    assert (firm.kind, firm.status, firm.balance_minor) == ("organisation", "new", None)
    assert firm.phones == ("+74951234567", "+359888123456")


async def test_the_same_file_twice_changes_nothing(store: Store, tmp_path: Path) -> None:
    await store.add_user("anna", "operator", "password")
    await run(store, tmp_path, FULL)
    before = await found(store, "+79161234567")
    assert (await run(store, tmp_path, FULL)).counts == (0, 0, 2, 0)
    assert await found(store, "+79161234567") == before


async def test_a_row_changes_what_it_gives_and_adds_numbers(store: Store, tmp_path: Path) -> None:
    draft = Draft("Ромашка", "organisation", ("+79161234567",), "vip", "ru", None, 100)
    await store.create_customer(draft)
    rows = "name;phones;status;kind;balance\nРОМАШКА;+79161234567,+74951234567;debtor;;\n"
    assert (await run(store, tmp_path, rows)).counts == (0, 1, 0, 0)
    (firm,) = await found(store, "+74951234567")
    assert (firm.name, firm.status, firm.kind) == ("Ромашка", "debtor", "organisation")
    assert (firm.language, firm.balance_minor) == ("ru", 100)
    assert firm.phones == ("+79161234567", "+74951234567")


async def test_segments_tags_and_attributes_are_read_each_as_what_it_is(
    store: Store, tmp_path: Path
) -> None:
    head = "name;phone;segment;tags;do_not_disturb;attribute.tariff;attribute.cases;attribute.sla"
    rows = f"{head}\nAnn;+79161234567;b2b;press|vip-list;да;007;2.5;TRUE\n"
    assert (await run(store, tmp_path, rows)).counts == (1, 0, 0, 0)
    (ann,) = await found(store, "+79161234567")
    assert (ann.segment, ann.tags, ann.do_not_disturb) == ("b2b", ("press", "vip-list"), True)
    assert ann.attributes == {"tariff": "007", "cases": 2.5, "sla": True}
    assert (await run(store, tmp_path, rows)).counts == (0, 0, 1, 0)
    more = "name;phone;attribute.cases;do_not_disturb\nAnn;+79161234567;3;\n"
    assert (await run(store, tmp_path, more)).counts == (0, 1, 0, 0)
    (ann,) = await found(store, "+79161234567")
    assert ann.attributes == {"tariff": "007", "cases": 3, "sla": True}
    assert ann.do_not_disturb
    bad = "name;phone;dnd\nAnn;+79161234567;perhaps\n"
    assert (await run(store, tmp_path, bad)).counts == (0, 0, 0, 1)


async def test_another_name_on_the_same_number_is_another_customer(
    store: Store, tmp_path: Path
) -> None:
    rows = "name,phone\nАнна,+79161234567\nБорис,+79161234567\nанна,8-916-123-45-67\n"
    assert (await run(store, tmp_path, rows)).counts == (2, 0, 1, 0)
    assert len(await found(store, "+79161234567")) == 2


async def test_rows_of_one_file_about_one_customer_come_together(
    store: Store, tmp_path: Path
) -> None:
    rows = "name,phone,status\nAnn,+79161234567,\nAnn,+79161234567 ; +74951234567,vip\n"
    rows += "Ann,+74951234567,vip\n"
    assert (await run(store, tmp_path, rows)).counts == (1, 1, 1, 0)
    (ann,) = await found(store, "+74951234567")
    assert (ann.status, ann.phones) == ("vip", ("+79161234567", "+74951234567"))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251"]
)
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
async def test_every_usual_encoding_and_separator_is_recognised(
    store: Store, tmp_path: Path, encoding: str, delimiter: str
) -> None:
    rows = f"Имя{delimiter}Телефон\r\nПётр Щукин{delimiter}89161234567\r\n"
    assert (await run(store, tmp_path, rows.encode(encoding))).counts == (1, 0, 0, 0)
    assert [each.name for each in await found(store, "+79161234567")] == ["Пётр Щукин"]


@pytest.mark.parametrize(
    "header",
    [
        "Name;Phone",
        " NAME ;PHONE 1",
        "ФИО;Мобильный телефон",
        "Клиент;Тел.",
        "Контрагент;Номер телефона",
        "Име;Телефони",
        "Фирма;GSM",
        '"Название";"Телефон"',
        "\ufeffname;phone",
        "e-mail;name;№;phone",
    ],
)
def test_columns_are_known_by_their_titles_in_three_languages(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.csv").write_text(header + "\n")
    columns = columns_of(tmp_path / "a.csv", "utf-8")
    assert columns.delimiter == ";"
    assert [field for field in columns.fields if field] == ["name", "phones"]


async def test_columns_that_mean_nothing_are_named(store: Store, tmp_path: Path) -> None:
    done = await run(
        store, tmp_path, "name;E-mail;phone;phone 2\nA;a@b.c;+79161234567;+74951234567\n"
    )
    assert done.summary.unused_columns == ("E-mail",)
    assert (await found(store, "+74951234567"))[0].phones == ("+79161234567", "+74951234567")


@pytest.mark.parametrize("data", ["", "\n", "Иван;+79161234567\n", "name\nИван\n", "phone\n1\n"])
async def test_a_file_without_titles_is_refused_in_words(
    store: Store, tmp_path: Path, data: str
) -> None:
    with pytest.raises(UserError, match="first line must name the columns"):
        await run(store, tmp_path, data)


async def test_a_file_that_cannot_be_read_is_refused_in_words(store: Store, tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(UserError, match=str(path)):
            await import_customers(store, path)


async def test_every_faulty_row_is_reported_with_its_line_and_leaves_no_trace(
    store: Store, tmp_path: Path
) -> None:
    rows = [
        "name;phone;status;balance",
        "Good;+79160000001;vip;1",
        ";+79160000002;vip;1",
        "Bad phone;8916;vip;1",
        "Scientific;7.91612E+10;vip;1",
        "No phone;;vip;1",
        "Bad status and balance;+79160000003;gold;1e15",
        '"Two\nlines";+79160000004;vip;1',
        "After two lines;x;vip;1",
        "Extra;+79160000005;vip;1;surplus",
        "",
        ";;;",
        "Short;+79160000006",
        f"{'x' * (NAME_AT_MOST + 1)};+79160000007;vip;1",
        'Quo"te;+79160000008;vip;1',
        '"Broken" quote;+79160000009;vip;1',
        "NUL\0;+79160000010;vip;1",
        "Three decimals;+79160000011;vip;1,005",
        "Last;+79160000012;vip;1,50",
    ]
    done = await run(store, tmp_path, "\n".join(rows))
    reasons = {
        3: "name: must not be empty",
        4: "'8916' is not a telephone number",
        5: "'7.91612E+10' is not a telephone number",
        6: "phones: must not be empty",
        7: "status: must be one of",
        10: "'x' is not a telephone number",
        11: "5 cells under 4 titles",
        15: "201 characters",
        17: "quotation mark",
        18: "not text",
        19: "'1,005' is not an amount",
    }
    # The amount is found faulty while reading the row, before its other cells are checked.
    reasons[7] = "'1e15' is not an amount"
    assert done.faults.keys() == reasons.keys()
    for line, reason in reasons.items():
        assert reason in done.faults[line]
    assert done.counts == (5, 0, 0, len(reasons))
    kept = {n: [c.name for c in await found(store, f"+791600000{n:02}")] for n in range(1, 13)}
    assert {n: names[0] for n, names in kept.items() if names} == {
        1: "Good",
        4: "Two lines",
        6: "Short",
        8: 'Quo"te',
        12: "Last",
    }


async def test_what_a_spreadsheet_would_calculate_is_kept_as_text(
    store: Store, tmp_path: Path
) -> None:
    rows = "name;phone\n=HYPERLINK(1);=+79161234567\n+A;'89161234567\n"
    rows += "-B;+79161234567\n@C;+79161234567\n"
    assert (await run(store, tmp_path, rows)).counts == (4, 0, 0, 0)
    names = {each.name for each in await found(store, "+79161234567")}
    assert names == {"=HYPERLINK(1)", "+A", "-B", "@C"}


async def test_bytes_of_another_encoding_are_a_fault_of_their_row(
    store: Store, tmp_path: Path
) -> None:
    data = "name;phone\nИван;+79161234567\n".encode("cp1251") + b"\x98;+79161234568\n"
    done = await run(store, tmp_path, data)
    assert (done.counts, list(done.faults)) == ((1, 0, 0, 1), [3])


async def test_an_unclosed_quote_costs_its_rows_and_says_where(
    store: Store, tmp_path: Path
) -> None:
    done = await run(
        store, tmp_path, 'name;phone\nA;+79161234567\n"B;+79161234568\nC;+79161234569\n'
    )
    assert (done.counts, list(done.faults)) == ((1, 0, 0, 1), [3])


async def test_more_rows_than_one_transaction_are_all_imported(
    store: Store, tmp_path: Path
) -> None:
    count = BATCH * 2 + 7
    rows = "name;phone\n" + "".join(f"c{n};+7916{n:07}\n" for n in range(count))
    assert (await run(store, tmp_path, rows)).counts == (count, 0, 0, 0)
    assert (await run(store, tmp_path, rows)).counts == (0, 0, count, 0)


async def test_readers_and_the_live_writer_get_their_turn_while_an_import_runs(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    rows = "name;phone\n" + "".join(f"c{n};+7916{n:07}\n" for n in range(BATCH * 6))
    (tmp_path / "a.csv").write_text(rows)
    live = Store(database_url)
    await live.open()
    importing = asyncio.create_task(import_customers(store, tmp_path / "a.csv"))
    written = looked = 0
    while not importing.done():
        await live.write([FactRecord(derived_id(1, "call"), float(written), "queued", "{}")])
        written += 1
        await live.card_by_number("+79160000000")
        looked += 1
    assert (await importing).created == BATCH * 6
    assert min(written, looked) >= 5
    await live.close()


@pytest.mark.parametrize(
    ("written", "digits", "minor"),
    [
        ("0", 2, 0),
        ("12", 2, 1200),
        ("12,3", 2, 1230),
        ("-1 234.50", 2, -123_450),
        ("1\u00a0234\u202f567,89", 2, 123_456_789),
        ("+5", 2, 500),
        ("1.500", 2, 150),
        ("7", 0, 7),
    ],
)
async def test_amounts_become_minor_units(
    store: Store, tmp_path: Path, written: str, digits: int, minor: int
) -> None:
    await run(store, tmp_path, f"name;phone;balance\nA;+79161234567;{written}\n", digits)
    assert (await found(store, "+79161234567"))[0].balance_minor == minor


cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffd"), max_size=30
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(cells, cells), max_size=8),
    st.sampled_from([";", ",", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_every_row_is_either_read_or_reported_and_names_come_through(
    rows: list[tuple[str, str]], delimiter: str, encoding: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["name", "phone"])
    writer.writerows(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(text.getvalue().encode(encoding))
        faults: list[int] = []
        assert encoding_of(path) == encoding
        columns = columns_of(path, encoding)
        lines = list(read(path, encoding, columns, 2, lambda line, reason: faults.append(line)))
    filled = [(name, phone) for name, phone in rows if name.strip() or phone.strip()]
    assert len(lines) + len(faults) == len(filled)
    names = {tidy(line.draft.name) for line in lines}
    assert names <= {tidy(name) for name, _ in filled}


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_at_all_break_the_reader(data: bytes) -> None:
    for start in (b"", b"name;phone\n", codecs.BOM_UTF16_LE + "name;phone\n".encode("utf-16-le")):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.csv"
            path.write_bytes(start + data)
            encoding = encoding_of(path)
            try:
                columns = columns_of(path, encoding)
                list(read(path, encoding, columns, 2, lambda line, reason: None))
            except UserError:
                pass


def test_the_sample_customers_are_fit_to_be_imported() -> None:
    path = Path(__file__).parent.parent / "config" / "sample" / "customers.csv"
    faults: dict[int, str] = {}
    columns = columns_of(path, encoding_of(path))
    lines = list(read(path, "utf-8", columns, 2, faults.__setitem__))
    assert (faults, columns.unused) == ({}, ())
    numbers = [normalise(number, "RU") for line in lines for number in line.draft.phones]
    assert None not in numbers
    assert len(set(numbers)) == len(numbers)
    for language in ("ru", "bg", "en"):
        assert sum(line.draft.language == language for line in lines) >= 15
