"""What a viewer, a stranger and a forger get from a kernel, over both of its protocols."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.attackers import V1, KernelSocket, Shared, wait_for

PROTOCOLS = pytest.mark.parametrize("protocol", ["", V1], ids=["default", "v1"])

# A widget that writes down what reaches it, and answers requests; a button that counts clicks.
SET_UP = """
import json, ipywidgets
seen, clicks = [], []
class Probe(ipywidgets.IntSlider):
    def _handle_msg(self, msg):
        seen.append({"data": msg["content"]["data"], "metadata": msg["metadata"], "username": msg["header"]["username"],
                     "buffers": [bytes(one).hex() for one in msg["buffers"]]})
        super()._handle_msg(msg)
    def _handle_custom_msg(self, content, buffers):
        self.send({**content, "kind": content["kind"] + ".result", "body": {}})
probe = Probe(value=3)
button = ipywidgets.Button()
button.on_click(lambda _: clicks.append(1))
kernel = get_ipython().kernel
opened = []
kernel.comm_manager.register_target("trap", lambda comm, msg: opened.append("trap"))
print(json.dumps([probe.comm.comm_id, button.comm.comm_id]))
"""


class Bench:
    """A kernel with two widgets, and its owner's socket."""

    def __init__(self, server: Shared) -> None:
        self.server = server
        self.kernel = server.ask("olga", "POST", "api/kernels", {"name": "python3"})[1]["id"]
        self.owner = KernelSocket(server, "olga", self.kernel, V1)
        self.probe, self.button = json.loads(self.owner.run(SET_UP))

    def look(self, name: str) -> Any:
        """Return a value of the kernel."""
        return json.loads(self.owner.run(f"print(json.dumps({name}))"))

    def viewer(self, protocol: str = V1, **options: Any) -> KernelSocket:
        return KernelSocket(self.server, "vera", self.kernel, protocol, **options)


@pytest.fixture(scope="module")
def bench(shared: Shared) -> Iterator[Bench]:
    made = Bench(shared)
    yield made
    made.owner.close()
    shared.ask("olga", "DELETE", f"api/kernels/{made.kernel}")


def request(kind: str, body: Any = None, client: str = "view", **more: Any) -> dict[str, Any]:
    return {"v": 1, "client": client, "id": "1", "kind": kind, "body": body or {}, **more}


def custom(comm: str, content: Any) -> dict[str, Any]:
    return {"comm_id": comm, "data": {"method": "custom", "content": content}}


REFUSED = [
    ("shell", "execute_request", {"code": "seen.append('run')", "silent": True, "store_history": False}),
    ("shell", "execute_request", {"code": "", "silent": True, "user_expressions": {"x": "seen.append('run')"}}),
    ("shell", "complete_request", {"code": "seen.ap", "cursor_pos": 7}),
    ("shell", "inspect_request", {"code": "seen", "cursor_pos": 4, "detail_level": 0}),
    ("shell", "history_request", {"hist_access_type": "tail", "n": 10, "raw": True, "output": False}),
    ("shell", "is_complete_request", {"code": "1"}),
    ("shell", "shutdown_request", {"restart": False}),
    ("shell", "made_up_request", {}),
    ("control", "shutdown_request", {"restart": False}),
    ("control", "shutdown_request", {"restart": True}),
    ("control", "interrupt_request", {}),
    ("control", "debug_request", {"type": "request", "seq": 1, "command": "initialize", "arguments": {}}),
    ("control", "execute_request", {"code": "seen.append('run')"}),
    ("control", "delete_subshell_request", {"subshell_id": "1"}),
    ("shell", "comm_open", {"comm_id": "a1", "target_name": "trap", "data": {}}),
    ("shell", "comm_open", {"comm_id": "a2", "target_name": "jupyter.widget", "data": {"state": {}}}),
    ("shell", "comm_open", {"comm_id": "a3", "target_name": "x", "target_module": "os", "data": {}}),
]


@PROTOCOLS
def test_a_viewer_runs_nothing_and_is_told_so(bench: Bench, protocol: str) -> None:
    viewer = bench.viewer(protocol)
    for channel, kind, content in REFUSED:
        asked = viewer.say(channel, kind, content)
        answers = viewer.answers(asked)
        replies = [one["content"] for one in answers if one["header"]["msg_type"].endswith("_reply")]
        if kind == "comm_open":
            assert [one["header"]["msg_type"] for one in answers].count("comm_close") == 1
        else:
            assert [reply["status"] for reply in replies] == ["error"], (kind, answers)
        assert bench.server.entries(user="vera", action=f"kernel.{kind}", outcome="refused", object=bench.kernel)
    viewer.settle()
    assert bench.look("[seen, opened]") == [[], []]
    viewer.close()


@PROTOCOLS
def test_a_viewer_answers_no_question_of_a_cell(bench: Bench, protocol: str) -> None:
    viewer = bench.viewer(protocol)
    code = "answer = input('who? ')\nprint(answer)"
    asked = bench.owner.say("shell", "execute_request", {"code": code, "silent": False, "allow_stdin": True})
    while bench.owner.hear()["header"]["msg_type"] != "input_request":
        pass
    viewer.say("stdin", "input_reply", {"value": "vera"})
    wait_for(lambda: bench.server.entries(user="vera", action="kernel.input_reply", outcome="refused"), "the refusal")
    bench.owner.say("stdin", "input_reply", {"value": "olga"})
    said = [one["content"]["text"] for one in bench.owner.answers(asked) if one["header"]["msg_type"] == "stream"]
    assert said == ["olga\n"]
    viewer.close()


@PROTOCOLS
@pytest.mark.parametrize("buffers", [None, [b"\x01\x02", b""]], ids=["plain", "buffers"])
def test_a_viewer_reads_widgets_and_writes_none(bench: Bench, protocol: str, buffers: list[bytes] | None) -> None:
    viewer = bench.viewer(protocol)
    bench.owner.run("seen.clear(); clicks.clear()")

    def answer(content: Any, comm: str = bench.probe) -> list[dict[str, Any]]:
        return viewer.answers(viewer.say("shell", "comm_msg", content | {"comm_id": comm}, buffers))

    def results(answers: list[dict[str, Any]]) -> list[str]:
        custom_ones = [one["content"]["data"] for one in answers if one["header"]["msg_type"] == "comm_msg"]
        return [data["content"]["kind"] for data in custom_ones if data["method"] == "custom"]

    mine = f"vera-{protocol}-{buffers}"
    rows = {"first": 0, "last": 10, "columns": []}
    reading = request("curve.read", {"run": "r1", "cursor": 0}, client=mine)
    assert results(answer(custom("", reading))) == ["curve.read.result"]
    writing = request("run.command", {"command": "stop"}, client=mine)
    assert results(answer(custom("", writing))) == ["run.command.error"]
    # what is no request of ours, names one that is not, or hides more in it
    assert results(answer(custom("", request("no.such", rows, client=mine)))) == ["no.such.error"]
    assert results(answer(custom("", request("curve.read", {"run": "r1", "cursor": "x"}, client=mine)))) == [
        "curve.read.error"
    ]
    assert results(answer(custom("", {"event": "click"}), bench.button)) == []
    answer(custom("", {**reading, "event": "click"}), bench.button)
    answer({"data": {"method": "update", "state": {"value": 9}, "buffer_paths": []}})
    answer({"data": {"method": "made_up"}})
    answer({"data": "update"})
    viewer.settle()
    data = [one["data"] for one in bench.look("seen")]
    assert data == [{"method": "custom", "content": reading}, {"method": "request_state"}]
    assert bench.look("[probe.value, clicks]") == [3, []]
    for action in ("widget.run.command", "widget.update", "widget.message"):
        assert bench.server.entries(user="vera", action=action, outcome="refused", object=bench.kernel)
    assert not bench.server.entries(action="widget.curve.read")
    viewer.close()


@PROTOCOLS
def test_a_refused_update_shows_the_viewer_what_holds(bench: Bench, protocol: str) -> None:
    viewer, other = bench.viewer(protocol), bench.viewer(V1)
    content = {"comm_id": bench.probe, "data": {"method": "update", "state": {"value": 77}, "buffer_paths": []}}
    asked = viewer.say("shell", "comm_msg", content)

    def states(answers: list[dict[str, Any]]) -> list[tuple[str, int]]:
        found = [one["content"]["data"] for one in answers if one["header"]["msg_type"] == "comm_msg"]
        return [(data["method"], data["state"]["value"]) for data in found]

    assert states(viewer.answers(asked)) == [("echo_update", 3)]
    assert states(other.answers(asked)) == [("update", 3)]
    # what was not refused keeps its name
    asked = viewer.say("shell", "comm_msg", {"comm_id": bench.probe, "data": {"method": "request_state"}})
    assert states(viewer.answers(asked)) == [("update", 3)]
    viewer.close()
    other.close()


@PROTOCOLS
def test_a_viewer_sees_outputs_and_may_ask_about_the_kernel(bench: Bench, protocol: str) -> None:
    viewer = bench.viewer(protocol)
    answers = viewer.answers(
        viewer.say("shell", "comm_info_request", {"target_name": "jupyter.widget"}), "comm_info_reply"
    )
    comms = [one["content"]["comms"] for one in answers if one["header"]["msg_type"] == "comm_info_reply"]
    assert bench.probe in comms[0]
    shells = viewer.say("control", "create_subshell_request", {})
    while True:
        told = viewer.hear()
        if told["header"]["msg_type"] == "create_subshell_reply" and told["parent_header"]["msg_id"] == shells:
            break
    assert told["content"]["status"] == "ok"
    # what he was given he may give back
    subshell = told["content"]["subshell_id"]
    subshells = "len(kernel.shell_channel_thread.manager.list_subshell())"
    assert bench.look(subshells) == 1
    asked = viewer.say("control", "delete_subshell_request", {"subshell_id": subshell})
    while viewer.hear()["parent_header"].get("msg_id") != asked or viewer.heard[-1]["channel"] != "control":
        pass
    assert viewer.heard[-1]["content"]["status"] == "ok"
    # its thread ends a little after the answer
    wait_for(lambda: bench.look(subshells) == 0, "the end of the subshell")
    bench.owner.run("print('for all to see')")
    while viewer.hear()["content"].get("text") != "for all to see\n":
        pass
    viewer.close()


@PROTOCOLS
def test_the_server_names_the_sender_whatever_he_says(bench: Bench, protocol: str) -> None:
    forged = {"medilytica_user": {"username": "olga", "name": "Olga O.", "role": "owner"}}
    for who, role, name in (("vera", "viewer", "Vera V."), ("eddi", "editor", "Eddi E.")):
        sender = KernelSocket(bench.server, who, bench.kernel, protocol)
        bench.owner.run("seen.clear()")
        content = custom(bench.probe, request("code.read", client=f"{who}-{protocol}"))
        sender.answers(sender.say("shell", "comm_msg", content, metadata=forged, username="olga"))
        (seen,) = bench.look("seen")
        assert seen["metadata"]["medilytica_user"] == {"username": who, "name": name, "role": role}
        assert seen["username"] == who
        sender.close()


def test_nobody_speaks_for_anothers_view(bench: Bench) -> None:
    editor, viewer = KernelSocket(bench.server, "eddi", bench.kernel, V1), bench.viewer()
    editor.answers(editor.say("shell", "comm_msg", custom(bench.probe, request("code.read", client="eddis view"))))
    content = custom(bench.probe, request("cancel", {"id": "1"}, client="eddis view"))
    answers = viewer.answers(viewer.say("shell", "comm_msg", content))
    told = [one["content"]["data"]["content"] for one in answers if one["header"]["msg_type"] == "comm_msg"]
    assert [one["kind"] for one in told] == ["cancel.error"]
    editor.close()
    viewer.close()


def test_a_viewer_cannot_take_over_anothers_connection(bench: Bench) -> None:
    viewer = bench.viewer(session=bench.owner.session)
    assert bench.look("probe.value") == 3
    viewer.close()


def test_an_editor_works_and_it_is_written_down(bench: Bench) -> None:
    editor = KernelSocket(bench.server, "eddi", bench.kernel, V1)
    assert editor.run("print(6 * 7)") == "42\n"
    data = {"method": "update", "state": {"value": 5}, "buffer_paths": []}
    editor.answers(editor.say("shell", "comm_msg", {"comm_id": bench.probe, "data": data}))
    assert bench.look("probe.value") == 5
    editor.answers(
        editor.say("shell", "comm_msg", custom(bench.probe, request("run.command", {"command": "x"}, client="e")))
    )
    bench.owner.run("probe.value = 3")
    for action in ("kernel.execute_request", "widget.update", "widget.run.command"):
        assert bench.server.entries(user="eddi", action=action, outcome="accepted", object=bench.kernel)
    editor.close()


def test_strangers_reach_no_kernel(bench: Bench) -> None:
    for who in ("sam", ""):
        assert bench.server.refuses_socket(who, f"api/kernels/{bench.kernel}/channels") == 403
    assert bench.server.entries(user="sam", action="socket.open", outcome="refused")
