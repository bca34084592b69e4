"""What the scripts here share: they wait, start the demo, lead names of clouds to it, and run their cases."""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request


def until(holds, seconds=60):
    """Waits until something holds; says so if it never does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "not within %d s" % seconds
        time.sleep(0.2)


def equal(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"


def lead(domains):
    """Leads all names below these domains to loopback, as an entry in DNS does for a whole network."""
    real = socket.getaddrinfo

    def resolve(host, *rest, **named):
        ours = any(str(host).endswith("." + domain) for domain in domains)
        return real("127.0.0.1" if ours else host, *rest, **named)

    socket.getaddrinfo = resolve


def forward(host, port, to):
    """Leads one port of a name to another one on loopback, as a router does."""
    real = socket.getaddrinfo

    def resolve(asked_host, asked_port, *rest, **named):
        ours = (asked_host, asked_port) == (host, port)
        return real(*(("127.0.0.1", to) if ours else (asked_host, asked_port)), *rest, **named)

    socket.getaddrinfo = resolve


def demo(binary, data):
    """Starts the demo; answers the process and its demo.json, once all live chargers and what is on roofs answer."""
    process = subprocess.Popen(
        [binary, "demo", "--listen", "127.0.0.1:0", "--data", data],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    for line in process.stdout:
        if "demo.json" in line:
            break
    else:
        raise SystemExit("the demo ended before it was ready")
    told = json.loads((pathlib.Path(data) / "demo.json").read_text())
    for charger in told["goe"]["chargers"]:
        if charger["state"] == "live":
            until(lambda url=f"{told['base_url']}/api/status?token={charger['token']}": answers(url))
    until(lambda: is_online(told, "roof"))
    return process, told


def is_online(told, site):
    """Whether every device of a site answers; those behind a data logger have their turns on one serial line."""
    request = urllib.request.Request(f"{told['base_url']}/api/v1/sites/{site}/devices")
    request.add_header("Authorization", f"Bearer {told['native']['token']}")
    try:
        with urllib.request.urlopen(request) as reply:
            devices = json.loads(reply.read())["items"]
    except urllib.error.HTTPError:
        return False
    return all(device["link"]["state"] == "online" for device in devices if device["enabled"])


def answers(url):
    try:
        with urllib.request.urlopen(url) as reply:
            return reply.status == 200
    except urllib.error.HTTPError:
        return False


def run(cases, start, binary):
    """Runs each case with what `start(binary, folder)` answers beside its process; answers how many failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        process, told = start(binary, folder)
        try:
            for case in cases:
                try:
                    case(told)
                    print("ok", case.__name__)
                except Exception:
                    failed += 1
                    print("FAILED", case.__name__)
                    traceback.print_exc(file=sys.stdout)
        finally:
            process.terminate()
            process.wait()
    return failed
