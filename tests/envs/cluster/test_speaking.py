"""What members say, and how they reach each other."""

from __future__ import annotations

import io
import sys
import threading
from typing import Any

import pytest

from sdcoreml.envs.cluster import speaking
from tests.envs.cluster.conftest import Said
from tests.envs.cluster.stand_ins import Security

REQUEST = {"address": "tls://192.0.2.1:8786", "certificate": "/c.pem", "key": "/k.pem"}
SECURITY = Security(
    require_encryption=True,
    tls_ca_file="/c.pem",
    tls_client_cert="/c.pem",
    tls_scheduler_cert="/c.pem",
    tls_worker_cert="/c.pem",
    tls_client_key="/k.pem",
    tls_scheduler_key="/k.pem",
    tls_worker_key="/k.pem",
)


def test_a_line_is_json_and_nobody_who_has_gone_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking.say(joined="mac", process=7)
    assert capsys.readouterr().out == '{"joined": "mac", "process": 7}\n'

    class Gone(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", gone := Gone())
    speaking.say(a=1)
    assert gone.getvalue() == '{"a": 1}\n'


def test_the_end_is_that_of_stdin(monkeypatch: pytest.MonkeyPatch, ended: threading.Event) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"x" * 70_000))
    monkeypatch.setattr(sys, "stdin", stdin)
    speaking.await_end()
    assert ended.is_set()
    assert stdin.buffer.read() == b""


def test_dask_serves_no_page_and_gives_up_in_time(calls: list[tuple[str, Any]]) -> None:
    speaking.configure()
    assert calls == [
        (
            "config",
            {
                "distributed.scheduler.http.routes": [],
                "distributed.worker.http.routes": [],
                "distributed.scheduler.worker-ttl": "60s",
                "distributed.comm.timeouts.connect": "10.0s",
                "distributed.comm.retry.count": 0,
                "distributed.admin.system-monitor.gil.enabled": False,
            },
        )
    ]


def test_each_side_shows_the_certificate_of_the_cluster(calls: list[tuple[str, Any]]) -> None:
    del calls
    assert speaking.security(REQUEST) == SECURITY


def test_who_answers_is_left_again(calls: list[tuple[str, Any]], said: Said) -> None:
    speaking.greet(REQUEST)
    options = {"security": SECURITY, "timeout": 10.0, "name": "sdcoreml"}
    assert calls == [("Client", ((REQUEST["address"],), options)), ("left", None)]
    assert said() == [{"answers": "tls://192.0.2.1:8786"}]
