"""Other people's go-e clients against the demo.

Each case uses a client as its own documentation shows it. Where a client insists on the vendor's host name, the
demo's own authority is trusted in place of the vendor's.
"""

import asyncio
import os

import goecharger
import goecharger_api_lite
from goechargerv2.goecharger import GoeChargerApi

from harness import demo, equal, until

START = demo
LED = ["api.v3.go-e.io"]
CLOUD = "000001.api.v3.go-e.io"


def goechargerv2_steers(base, token):
    client = GoeChargerApi(base, token)
    status = client.request_status()
    equal(status["serial_number"], "000001")
    assert status["u_l1"] > 200, status
    for amps in (10, 13):
        client.set_max_current(amps)
        equal(client.request_status()["charger_max_current"], amps)
    client.set_force_charging(False)
    equal(client.request_status()["charger_force_charging"], "off")
    client.set_force_charging(True)
    equal(client.request_status()["charger_force_charging"], "on")
    client.set_phase(1)
    equal(client.request_status()["phase_switch_mode"], 1)
    client.set_phase(0)
    equal(client.request_status()["phase_switch_mode"], 0)
    client.set_access_control(0)


def goechargerv2_over_http(demo):
    goechargerv2_steers(demo["base_url"], "myapitoken")


def goechargerv2_in_the_cloud(demo):
    os.environ["REQUESTS_CA_BUNDLE"] = demo["tls"]["ca_file"]
    port = demo["tls"]["url"].rsplit(":", 1)[1]
    goechargerv2_steers(f"https://{CLOUD}:{port}", "myapitoken")


def goechargerv2_tells_a_lost_charger_from_a_wrong_token(demo):
    tokens = {charger["state"]: charger["token"] for charger in demo["goe"]["chargers"]}
    lost = GoeChargerApi(demo["base_url"], tokens["silent"]).request_status()
    equal(lost, {"success": False, "msg": "Wallbox is offline"})
    for token in (tokens["offline"], tokens["disabled"], "wrong"):
        try:
            GoeChargerApi(demo["base_url"], token).request_status()
        except RuntimeError:
            continue
        raise AssertionError(f"{token} was taken")


def api_lite_steers_in_the_lan(demo):
    host = demo["base_url"].removeprefix("http://")
    client = goecharger_api_lite.GoeCharger
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    async def made(path):
        return client(host + path)

    values = client.SettableValueEnum
    kept = []  # its destructor wants its loop at rest
    for path in ("/goe/000001/myapitoken", "/goe/000001"):
        charger = loop.run_until_complete(made(path))
        kept.append(charger)
        whole = charger.get_status(client.STATUS_FULL)
        assert len(whole) >= 250, len(whole)
        charger.get_status()
        charger.get_status(client.STATUS_MINIMUM)
        charger.set_ampere(9)
        equal(charger.get_ampere(), {"ampere_allowed": 9})
        for mode in values.ChargingMode:
            charger.set_charging_mode(mode)
        for mode in values.PhaseMode:
            charger.set_phase_mode(mode)
        try:
            charger.set_ampere(99)
        except Exception as refused:  # its own class differs between versions
            assert "99" in str(refused), refused
        else:
            raise AssertionError("99 A were taken")


def the_first_api_steers(demo):
    host = demo["base_url"].removeprefix("http://")
    for path in ("/goe/000001/myapitoken", "/goe/000001"):
        client = goecharger.GoeCharger(host + path)
        status = client.requestStatus()
        equal(status["serial_number"], "000001")
        assert status["u_l1"] > 200, status
        equal(status["pre_contactor_l3"], "on")
        assert status["energy_total"] > 0, status
        # The answer to a write is the whole status.
        equal(client.setMaxCurrent(8)["charger_max_current"], 8)
        equal(client.setTmpMaxCurrent(10)["charger_max_current"], 10)
        equal(client.setAllowCharging(False)["allow_charging"], "off")
        client.setAllowCharging(True)
        until(lambda: client.requestStatus()["allow_charging"] == "on")
        # More than any car has had when this comes: the limit stands while the other path is tried.
        client.setChargeLimit(99)
        client.setLedBrightness(100)


CASES = [
    goechargerv2_over_http,
    goechargerv2_in_the_cloud,
    goechargerv2_tells_a_lost_charger_from_a_wrong_token,
    api_lite_steers_in_the_lan,
    the_first_api_steers,
]
