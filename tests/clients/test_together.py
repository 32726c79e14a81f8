"""Two people on one kernel, each with a client of their own."""

from tests.kernels.client import Channel, GatewayProcess, Message


def test_q7_a_completion_is_answered_through_a_subshell_while_a_cell_runs(gateway: GatewayProcess) -> None:
    kernel = gateway.start(name="python3")
    with gateway.channel(kernel, "runs") as runs, gateway.channel(kernel, "types", v1=True) as types:
        runs.run("numbers = [1, 2, 3]")
        running = runs.execute("print('begun', flush=True); kept = input(); numbers.append(kept)")
        runs.until(lambda message: message["msg_type"] == "input_request")
        assert gateway.model(kernel)["execution_state"] == "busy"
        # Control does not wait for the cell.
        made = types.reply(types.send("create_subshell_request", {}, "control"))["content"]
        shell = made["subshell_id"]
        completed = ask(types, shell, "complete_request", {"code": "numbers.app", "cursor_pos": 11})
        assert completed["matches"] == ["append"]
        asked = {"code": "numbers", "cursor_pos": 7, "detail_level": 0}
        assert "list" in ask(types, shell, "inspect_request", asked)["data"]["text/plain"]
        listed = types.reply(types.send("list_subshell_request", {}, "control"))["content"]
        assert shell in listed["subshell_id"]
        # The cell runs on, for all who look, and its question is still its own person's.
        assert gateway.model(kernel)["execution_state"] == "busy"
        assert "input_request" not in [message["msg_type"] for message in types.got]
        runs.send("input_reply", {"value": "4"}, "stdin")
        assert runs.reply(running)["content"]["status"] == "ok"
        types.reply(types.send("delete_subshell_request", {"subshell_id": shell}, "control"))
    gateway.delete(kernel)


def ask(channel: Channel, shell: str, kind: str, content: Message) -> Message:
    return dict(channel.reply(channel.send(kind, content, subshell=shell))["content"])


def test_each_gets_their_own_replies_and_everybody_all_output(gateway: GatewayProcess) -> None:
    kernel = gateway.start(name="python3")
    with gateway.channel(kernel, "a") as a, gateway.channel(kernel, "b") as b:
        first = a.execute("print('of a'); input(); 1/0")
        a.until(lambda message: message["msg_type"] == "input_request")
        behind = a.execute("print('aborted with it')")
        other = b.execute("print('of b')")
        a.send("input_reply", {"value": ""}, "stdin")
        replies = {id: channel.reply(id)["content"]["status"] for channel, id in ((a, first), (a, behind), (b, other))}
        assert replies == {first: "error", behind: "aborted", other: "ok"}
        for channel in (a, b):
            channel.idle(other)
            assert channel.text() == "of a\nof b\n"
    gateway.delete(kernel)


def test_an_interrupt_is_everybodys_and_ends_only_what_runs(gateway: GatewayProcess) -> None:
    kernel = gateway.start(name="python3")
    with gateway.channel(kernel, "a") as a, gateway.channel(kernel, "b") as b:
        loop = a.execute("print('begun', flush=True)\nwhile True: pass")
        b.until(lambda message: message["msg_type"] == "stream")
        waiting = b.execute("print('of b')")
        # As a message on control, and not only over REST: nothing stands in its way either.
        b.send("interrupt_request", {}, "control")
        assert a.reply(loop)["content"]["ename"] == "KeyboardInterrupt"
        assert b.reply(waiting)["content"]["status"] == "ok"
        assert b.text(waiting) == "of b\n"
    gateway.delete(kernel)
