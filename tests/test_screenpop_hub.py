"""The live stream as an independent client sees it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import AsyncExitStack

import pytest
import screenpop_messages as say
from screenpop_server import *  # noqa: F403
from screenpop_server import Desk, Place, open_desk
from test_screenpop_views import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cordboard.screenpop import stream as stream_module
from cordboard.screenpop.hub import TAKEN_OVER, Limits
from cordboard.screenpop.views import Viewer


async def test_the_first_message_is_a_snapshot_and_the_next_ones_are_numbered(desk: Desk) -> None:
    desk.hub.publish(say.pbx("up"))
    async with desk.stream("anna") as anna:
        snapshot = await anna.next()
        assert list(snapshot)[:3] == ["type", "session", "seq"]
        assert snapshot["seq"] == 0
        assert snapshot["user"] == {
            "name": "anna",
            "display_name": "anna",
            "role": "operator",
            "phone": None,
            "language": None,
            "queues": [],
        }
        assert [link["state"] for link in snapshot["pbx"]] == ["up"]
        desk.hub.publish(say.pop(1, "anna", 1), born=desk.clock())
        desk.hub.publish(say.pop_end(1))
        shown, ended = await anna.next(), await anna.next()
        assert list(shown)[:2] == ["type", "seq"]
        assert (shown["seq"], ended["seq"]) == (1, 2)
        assert {k: v for k, v in shown.items() if k != "seq"} == say.pop(1, "anna", 1)


async def test_open_pops_are_part_of_the_snapshot(desk: Desk) -> None:
    desk.hub.publish(say.pop(1, "anna", 1))
    desk.hub.publish(say.pop(2, "boris", 2))
    async with desk.stream("anna") as anna, desk.stream("sveta") as sveta:
        assert [pop["id"] for pop in (await anna.next())["pops"]] == ["pop-1"]
        assert [pop["id"] for pop in (await sveta.next())["pops"]] == ["pop-1", "pop-2"]


async def test_text_that_would_be_markup_or_no_text_arrives_as_text(desk: Desk) -> None:
    evil = '<img src=x onerror=alert(1)>"\u2028</script>\ud800'
    async with desk.stream("anna") as anna:
        await anna.next()
        desk.hub.publish(say.pop(1, "anna", 1, at=evil))
        assert (await anna.next())["at"] == evil.replace("\ud800", "?")


async def test_a_resume_brings_what_was_missed_and_no_snapshot(desk: Desk) -> None:
    async with desk.stream("anna") as anna:
        session = (await anna.next())["session"]
        desk.hub.publish(say.pop(1, "anna", 1))
        assert (await anna.next())["seq"] == 1
    await desk.settled(lambda: desk.metric("cordboard_clients") == 0)
    desk.hub.publish(say.pop(2, "anna", 2))
    desk.hub.publish(say.pop_end(1))
    async with desk.stream("anna", f"?session={session}&after=1") as anna:
        missed = [await anna.next(), await anna.next()]
        assert [(m["seq"], m["type"]) for m in missed] == [(2, "screenpop"), (3, "screenpop-end")]
        desk.hub.publish(say.pop_end(2))
        assert (await anna.next())["seq"] == 4


async def test_a_resume_without_anything_missed_is_silent_until_something_happens(
    desk: Desk,
) -> None:
    async with desk.stream("anna") as anna:
        session = (await anna.next())["session"]
    async with desk.stream("anna", f"?session={session}&after=0") as anna:
        await anna.send({"type": "ping"})
        assert await anna.next() == {"type": "pong"}
        desk.hub.publish(say.pop(1, "anna", 1))
        assert (await anna.next())["seq"] == 1


@pytest.mark.parametrize(
    "after", ["-1", "2", "99999999999999999999999", "x", "", "1.0", "١", "%2B1", "%201", "0x1"]
)
async def test_a_number_that_was_never_sent_brings_a_fresh_snapshot(desk: Desk, after: str) -> None:
    async with desk.stream("anna") as anna:
        session = (await anna.next())["session"]
        desk.hub.publish(say.pop(1, "anna", 1))
        await anna.next()
    async with desk.stream("anna", f"?session={session}&after={after}") as anna:
        fresh = await anna.next()
        assert fresh["type"] == "snapshot"
        assert fresh["session"] != session


async def test_a_session_is_forgotten_ten_minutes_after_its_client_left(desk: Desk) -> None:
    async with desk.stream("anna") as anna:
        session = (await anna.next())["session"]
    await desk.settled(lambda: desk.metric("cordboard_clients") == 0)
    desk.clock.now += 599.9
    desk.hub.tick()
    async with desk.stream("anna", f"?session={session}&after=0") as anna:
        await anna.send({"type": "ping"})
        assert await anna.next() == {"type": "pong"}
    await desk.settled(lambda: desk.metric("cordboard_clients") == 0)
    desk.clock.now += 600  # to the moment, though the hub has not looked yet
    async with desk.stream("anna", f"?session={session}&after=0") as anna:
        assert (await anna.next())["type"] == "snapshot"


async def test_nobody_resumes_anothers_session(desk: Desk) -> None:
    async with desk.stream("anna") as anna:
        session = (await anna.next())["session"]
        async with desk.stream("boris", f"?session={session}&after=0") as boris:
            fresh = await boris.next()
            assert fresh["type"] == "snapshot"
            assert fresh["session"] != session
        desk.hub.publish(say.pop(1, "anna", 1))
        assert (await anna.next())["seq"] == 1


async def test_a_resume_takes_the_session_over_from_a_connection_that_hangs(desk: Desk) -> None:
    async with desk.stream("anna") as first:
        session = (await first.next())["session"]
        async with desk.stream("anna", f"?session={session}&after=0") as second:
            assert await first.closed() == TAKEN_OVER
            desk.hub.publish(say.pop(1, "anna", 1))
            assert (await second.next())["seq"] == 1
        assert desk.metric("cordboard_clients") <= 1


async def test_what_no_longer_fits_the_buffer_brings_a_snapshot(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "KEPT_MESSAGES", 3)
    async with desk.stream("anna") as anna:
        session = (await anna.next())["session"]
    await desk.settled(lambda: desk.metric("cordboard_clients") == 0)
    for number in range(4):
        desk.hub.publish(say.pop(number, "anna", 1))
    async with desk.stream("anna", f"?session={session}&after=1") as anna:
        assert [(await anna.next())["seq"] for _ in range(3)] == [2, 3, 4]
    async with desk.stream("anna", f"?session={session}&after=0") as anna:
        assert (await anna.next())["type"] == "snapshot"


async def test_the_buffer_is_bounded_in_bytes_but_keeps_the_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_module, "KEPT_BYTES", 1000)
    kept = stream_module.Stream("s", Viewer("anna", "operator"))
    for size in (400, 400, 400, 5000):
        kept.append(stream_module.Frame(b"", b"x" * size))
        assert kept.holds(kept.seq - 1)
    assert not kept.holds(2)
    kept.append(stream_module.Frame(b"", b"x"))
    assert (kept.holds(4), kept.holds(3)) == (True, False)


async def test_presence_is_gathered_and_sent_at_most_twice_a_second(desk: Desk) -> None:
    async with desk.stream("anna") as anna:
        await anna.next()
        desk.hub.publish(say.operators(say.operator("anna", "ready")))
        desk.hub.publish(say.operators(say.operator("boris", "ready")))
        desk.hub.publish(say.operators(say.operator("anna", "talking")))
        desk.hub.publish(say.queues(say.queue("sales", 3)))
        first, second = await anna.next(), await anna.next()
        states = {item["name"]: item["state"] for item in first["changed"]}
        assert states == {"anna": "talking", "boris": "ready"}
        assert [item["waiting"] for item in second["changed"]] == [3]
        # The hub's clock stands still, so the next lot is half a second away; what is urgent
        # goes before it.
        desk.hub.publish(say.operators(say.operator("anna", "wrap-up")))
        desk.hub.publish(say.pop(1, "anna", 1))
        assert [(await anna.next())["type"] for _ in range(2)] == ["screenpop", "operators"]


async def test_snapshot_and_messages_are_a_fresh_snapshot_through_the_socket(desk: Desk) -> None:
    hub = desk.hub
    async with desk.stream("anna") as anna, desk.stream("sveta") as sveta:
        clients = [(s, Client(await s.next()), name) for s, name in ((anna, "anna"), (sveta, "sv"))]
        for number in (1, 2):
            hub.publish(say.call_message(number))
            hub.publish(say.pop(number, "anna" if number == 1 else "boris", number))
            hub.publish(say.waiting("sales", number))
            hub.publish(say.operators(say.operator("anna", "offered")))
            hub.publish(say.queues(say.queue("sales", number)))
            hub.publish(say.pbx("up"))
        hub.publish(say.pop_end(1))
        hub.flush()
        for each, client, name in clients:
            await each.send({"type": "ping"})
            while (message := await each.next())["type"] != "pong":
                client.fold(message)
            role = "operator" if name == "anna" else "supervisor"
            assert client.holds(hub.picture.snapshot_for(Viewer(name, role)))  # type: ignore[arg-type]


async def test_a_result_reaches_its_sender_alone(desk: Desk) -> None:
    async with desk.stream("anna") as anna, desk.stream("sveta") as sveta:
        await anna.next()
        await sveta.next()
        desk.hub.publish({"type": "result", "id": "a", "ok": True, "error": None}, to="anna")
        assert (await anna.next())["id"] == "a"
        await sveta.send({"type": "ping"})
        assert await sveta.next() == {"type": "pong"}


async def test_two_windows_of_one_operator_both_show_the_pop(desk: Desk) -> None:
    async with desk.stream("anna") as one, desk.stream("anna") as two:
        sessions = {(await each.next())["session"] for each in (one, two)}
        assert len(sessions) == 2
        desk.hub.publish(say.pop(1, "anna", 1))
        assert [(await each.next())["type"] for each in (one, two)] == ["screenpop"] * 2


# Was it seen?


async def test_an_ack_in_time_counts_the_pop_as_seen(desk: Desk) -> None:
    async with desk.stream("anna") as anna:
        await anna.next()
        desk.hub.publish(say.pop(1, "anna", 1), born=desk.clock() - 0.02)
        await anna.next()
        await anna.send({"type": "ack", "id": "pop-1"})
        await anna.send({"type": "ack", "id": "pop-1"})
        await anna.echo()
        desk.clock.now += 6
        desk.hub.tick()
        assert desk.metric("cordboard_pops_total") == 1
        assert desk.metric("cordboard_pops_acked_total") == 1
        assert desk.metric("cordboard_pops_unacked_total") == 0
        for stage in ("written", "painted"):
            assert desk.metric("cordboard_pop_seconds_count", stage=stage) == 1
            total = desk.metric("cordboard_pop_seconds_sum", stage=stage)
            assert total == pytest.approx(0.02)


async def test_a_pop_without_an_ack_for_five_seconds_counts_as_missed(desk: Desk) -> None:
    desk.hub.publish(say.pop(1, "anna", 1))
    desk.clock.now += 4.9
    desk.hub.tick()
    assert desk.metric("cordboard_pops_unacked_total") == 0
    desk.clock.now += 0.1
    desk.hub.tick()
    assert desk.metric("cordboard_pops_unacked_total") == 1
    async with desk.stream("anna") as anna:
        await anna.next()
        await anna.send({"type": "ack", "id": "pop-1"})
        await anna.echo()
    assert desk.metric("cordboard_pops_acked_total") == 0


async def test_a_missed_card_is_told_where_a_console_should_have_shown_it(place: Place) -> None:
    async with open_desk(place) as desk:
        desk.hub._missed = (told := []).append
        async with desk.stream("anna") as anna:
            await anna.next()
        for number, operator in enumerate(("anna", "boris", "anna")):
            desk.hub.publish(say.pop(number, operator, number))
        desk.hub.publish(say.pop_end(2))  # it rang elsewhere meanwhile: nothing to be told
        desk.clock.now += 5
        desk.hub.tick()
        assert told == ["anna"], "boris has no console"
        assert desk.metric("cordboard_pops_unacked_total") == 3


async def test_only_the_operator_whose_pop_it_is_acknowledges_it(desk: Desk) -> None:
    desk.hub.publish(say.pop(1, "anna", 1))
    async with desk.stream("sveta") as sveta, desk.stream("boris") as boris:
        for other in (sveta, boris):
            await other.next()
            await other.send({"type": "ack", "id": "pop-1"})
            await other.echo()
    assert desk.metric("cordboard_pops_acked_total") == 0
    assert desk.metric("cordboard_pop_seconds_count", stage="written") == 0


async def test_a_card_that_is_replaced_is_no_new_pop(desk: Desk) -> None:
    desk.hub.publish(say.pop(1, "anna", 1))
    desk.hub.publish(say.pop(1, "anna", 1, customer={"id": "x"}))
    assert desk.metric("cordboard_pops_total") == 1


async def test_a_pop_for_a_closed_browser_is_painted_from_the_snapshot(desk: Desk) -> None:
    desk.hub.publish(say.pop(1, "anna", 1), born=desk.clock())
    async with desk.stream("anna") as anna:
        await anna.next()
        await anna.send({"type": "ack", "id": "pop-1"})
        await anna.echo()
    assert desk.metric("cordboard_pops_acked_total") == 1
    assert desk.metric("cordboard_pop_seconds_count", stage="written") == 1


# Those who misbehave


async def narrow(desk: Desk) -> socket.socket:
    """A socket whose buffer does not grow with what comes."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", desk.port))
    return sock


async def stuck(desk: Desk, name: str) -> socket.socket:
    """A client that shakes hands and then never reads."""
    sock = await narrow(desk)
    await asyncio.get_running_loop().sock_sendall(
        sock,
        (
            f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{desk.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {desk.tokens[name]}\r\n\r\n"
        ).encode(),
    )
    return sock


async def test_a_client_that_does_not_read_is_cut_off_and_delays_nobody(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "KEPT_MESSAGES", 200)
    async with (
        open_desk(place, Limits(sockets_per_user=100)) as desk,
        AsyncExitStack() as stack,
    ):
        sock = await stuck(desk, "sveta")
        stack.callback(sock.close)
        readers = [await stack.enter_async_context(desk.stream("sveta")) for _ in range(50)]
        for reader in readers:
            assert (await reader.next())["type"] == "snapshot"
        await desk.settled(lambda: desk.metric("cordboard_clients") == 51)
        # Each message reaches all who read before the next is published, whatever the one does.
        text = "x" * 20_000
        sent = 0
        while desk.metric("cordboard_clients_cut_off_total") == 0:
            assert sent < 3000, "the client that does not read was never cut off"
            sent += 1
            desk.hub.publish(say.pop(1, "anna", 1, at=text))
            received = await asyncio.gather(*(reader.next() for reader in readers))
            assert {message["seq"] for message in received} == {sent}
        assert desk.metric("cordboard_clients") == 50
        desk.hub.publish(say.pop_end(1))
        assert {(await reader.next())["seq"] for reader in readers} == {sent + 1}


async def test_one_client_of_two_hundred_that_stops_reading_falls_alone_and_comes_back_whole(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "KEPT_MESSAGES", 20)
    async with open_desk(place, Limits(sockets_per_user=300)) as desk, AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(desk.stream("sveta")) for _ in range(200)]
        for reader in readers:
            await reader.next()
        async with desk.stream("sveta", max_queue=1, sock=await narrow(desk)) as slow:
            session = (await slow.next())["session"]
            wire = desk.hub._clients[session].transport.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            sent = 0
            while desk.metric("cordboard_clients_cut_off_total") == 0:
                assert sent < 1000, "the client that does not read was never cut off"
                sent += 1
                desk.hub.publish(say.pop(1, "anna", 1, at="x" * 20_000))
                received = await asyncio.gather(*(reader.next() for reader in readers))
                assert {message["seq"] for message in received} == {sent}
            assert desk.metric("cordboard_clients") == 200
            last = 0
            with contextlib.suppress(ConnectionClosed):
                while True:
                    last = (await slow.next())["seq"]
        async with desk.stream("sveta", f"?session={session}&after={last}") as back:
            fresh = await back.next()
            assert fresh["type"] == "snapshot", "more was missed than is kept"
            assert Client(fresh).holds(desk.hub.picture.snapshot_for(Viewer("sveta", "supervisor")))


async def test_a_client_that_stalls_with_messages_waiting_is_cut_off(place: Place) -> None:
    async with open_desk(place, Limits(stalled_after=10)) as desk:
        sock = await stuck(desk, "sveta")
        await desk.settled(lambda: desk.metric("cordboard_clients") == 1)
        loop = asyncio.get_running_loop()
        for _ in range(150):
            desk.hub.publish(say.pop(1, "anna", 1, at="x" * 30_000))
            await asyncio.sleep(0)
        desk.clock.now += 9
        desk.hub.tick()
        assert desk.metric("cordboard_clients") == 1
        desk.clock.now += 2
        desk.hub.tick()
        assert desk.metric("cordboard_clients") == 0
        assert loop.is_running()
        sock.close()


async def test_a_slow_client_that_reads_again_has_missed_nothing(desk: Desk) -> None:
    async with desk.stream("sveta", max_queue=1) as sveta:
        await sveta.next()
        for number in range(100):
            desk.hub.publish(say.pop(number, "anna", 1, at="x" * 30_000))
        assert [(await sveta.next())["seq"] for _ in range(100)] == list(range(1, 101))


async def test_who_does_not_answer_a_ping_is_gone(place: Place) -> None:
    async with open_desk(place, Limits(heartbeat=1.0)) as desk:
        sock = await stuck(desk, "sveta")
        await desk.settled(lambda: desk.metric("cordboard_clients") == 1)
        await desk.settled(lambda: desk.metric("cordboard_clients") == 0)
        sock.close()


async def test_who_answers_pings_stays(place: Place) -> None:
    async with open_desk(place, Limits(heartbeat=0.4)) as desk, desk.stream("anna") as anna:
        await anna.next()
        pongs = 0
        async with asyncio.timeout(60):
            while pongs < 30:  # at least one and a half seconds, of a ping each 0.4
                await asyncio.sleep(0.06)
                await anna.echo()
                pongs += 1


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("not json", 1007),
        ("", 1007),
        ("[" * 3000, 1007),
        ('{"type":' + "9" * 3000 + "}", 1008),
        ("null", 1008),
        ("[]", 1008),
        ("{}", 1008),
        ('{"type":"publish"}', 1008),
        ('{"type":"snapshot"}', 1008),
        ('{"type":"ack"}', 1008),
        ('{"type":"ack","id":7}', 1008),
        ('{"type":"ack","id":["pop-1"]}', 1008),
        (b'{"type":"ping"}', 1003),
        ('{"type":"ping","x":"' + "x" * 5000 + '"}', 1009),
    ],
)
async def test_what_a_client_may_not_say_closes_its_socket_with_a_code(
    desk: Desk, sent: str | bytes, code: int
) -> None:
    async with desk.stream("anna") as anna, desk.stream("boris") as boris:
        await anna.next()
        await boris.next()
        await anna.send(sent)
        assert await anna.closed() == code
        desk.hub.publish(say.pop(1, "boris", 1))
        assert (await boris.next())["seq"] == 1


async def test_an_ack_of_anything_at_all_is_no_fault(desk: Desk) -> None:
    async with desk.stream("anna") as anna:
        await anna.next()
        for pop in ("", "no such", "\ud800", "x" * 1000, "__proto__"):
            await anna.send({"type": "ack", "id": pop, "seq": 1e308})
        await anna.echo()


@pytest.mark.parametrize("frame", ["text", "ping"])
async def test_a_flood_closes_the_socket(desk: Desk, frame: str) -> None:
    async with desk.stream("anna") as anna:
        await anna.next()
        with contextlib.suppress(ConnectionClosed):
            for _ in range(2000):
                await (anna.send({"type": "ping"}) if frame == "text" else anna.connection.ping())
            while True:
                await anna.next()
        assert await anna.closed() == 1008


async def test_a_user_has_so_many_sockets_and_no_more(place: Place) -> None:
    async with open_desk(place, Limits(sockets_per_user=2)) as desk, AsyncExitStack() as stack:
        for _ in range(2):
            await (await stack.enter_async_context(desk.stream("anna"))).next()
        with pytest.raises(InvalidStatus) as refused:
            async with desk.dial("anna"):
                pass
        assert refused.value.response.status_code == 429
        async with desk.stream("boris") as boris:
            await boris.next()


async def test_sessions_left_behind_are_bounded(place: Place) -> None:
    async with open_desk(place, Limits(sessions_per_user=3)) as desk:
        sessions = []
        for _ in range(5):
            async with desk.stream("anna") as anna:
                sessions.append((await anna.next())["session"])
            await desk.settled(lambda: desk.metric("cordboard_clients") == 0)
        async with desk.stream("anna", f"?session={sessions[0]}&after=0") as anna:
            assert (await anna.next())["type"] == "snapshot"


async def test_a_stopping_server_says_goodbye(desk: Desk) -> None:
    async with desk.stream("anna") as anna:
        await anna.next()
        await desk.hub.close()
        assert await anna.closed() == 1001
    assert (await desk.ask("GET", "/api/v1/stream", "anna"))[0] == 503


async def test_a_plain_request_for_the_stream_is_told_what_it_is(desk: Desk) -> None:
    status, answer, _ = await desk.ask("GET", "/api/v1/stream", "anna")
    assert (status, answer["error"]["code"]) == (400, "bad-request")


async def test_a_thousand_messages_to_a_stream_that_nobody_reads_stay_in_bounds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "KEPT_MESSAGES", 10)
    async with desk.stream("anna") as anna:
        await anna.next()
    await desk.settled(lambda: desk.metric("cordboard_clients") == 0)
    for number in range(1000):
        desk.hub.publish(say.pop(number % 3, "anna", 1))
    (left,) = desk.hub._streams.values()
    assert (left.seq, len(left._kept)) == (1000, 10)
