"""Somebody else's client of the charger's WebSocket against a simulated charger.

It is a client of Wattpilots, which speak as go-e chargers do. It knows the older of the two password functions only.
"""

import pathlib
import subprocess
import time

import wattpilot

from harness import until

LED = []
PASSWORD = "correct horse"
ROOT = pathlib.Path(__file__).parent.parent


def start(binary, folder):
    """Starts virtual devices; answers the process and where the left charger is."""
    settings = (ROOT / "sim.example.toml").read_text()
    serial = 'serial = "000001"\n'
    assert serial in settings
    file = pathlib.Path(folder) / "sim.toml"
    file.write_text(settings.replace(serial, f'{serial}password = "{PASSWORD}"\n'))
    sim = subprocess.Popen(
        [binary, "sim", "--config", str(file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    address = None
    for line in sim.stdout:
        if line.startswith("wallbox-left"):
            address = line.split()[-1]
        if line.startswith("cars"):
            return sim, address
    raise SystemExit("the virtual devices ended before they were ready")


def connected(address, password=PASSWORD):
    client = wattpilot.Wattpilot(address, password)
    client.connect()
    return client


def a_client_learns_everything(address):
    client = connected(address)
    until(lambda: client.allPropsInitialized)
    assert client.connected
    assert client.serial == "000001", client.serial
    assert len(client.allProps) >= 250, len(client.allProps)
    assert client.allProps["typ"] == "go-eCharger_V4"
    before = client.allProps["rbt"]
    until(lambda: client.allProps["rbt"] > before)


def a_signed_write_is_done(address):
    client = connected(address)
    until(lambda: client.allPropsInitialized)
    for amps in (10, 12):
        client.send_update("amp", amps)
        until(lambda: client.amp == amps)


def a_refused_write_changes_nothing(address):
    client = connected(address)
    until(lambda: client.allPropsInitialized)
    client.send_update("amp", 8)
    until(lambda: client.amp == 8)
    client.send_update("amp", 99)
    client.send_update("lbr", 77)
    until(lambda: client.allProps["lbr"] == 77)
    assert client.connected and client.amp == 8


def a_wrong_password_opens_nothing(address):
    client = connected(address, "wrong")
    until(lambda: client.serial == "000001")
    time.sleep(3)
    assert not client.connected and not client.allPropsInitialized
    assert len(client.allProps) == 0, client.allProps


CASES = [
    a_client_learns_everything,
    a_signed_write_is_done,
    a_refused_write_changes_nothing,
    a_wrong_password_opens_nothing,
]

START = start
