"""Other people's ShineMonitor clients against the demo.

Each case uses a client as its own documentation shows it. Where a client insists on the vendor's host name, the
name and its port are led to the demo.
"""

import asyncio
import dataclasses
import datetime
import hashlib
import json
import urllib.parse
import urllib.request

import shinemonitor_api
import shinemonitor_api.aio
from watchpower_api import WatchPowerAPI

from harness import answers, demo, equal, forward, until

LED = ["shinemonitor.com"]
# As the vendor's pages print them.
LOGIN = (
    "sign=675bd5418fce7be5e30b920a16a46ce075c90a35&salt=1491967716993"
    "&action=auth&usr=vplant&company-key=0123456789ABCDEF"
)
CALL = (
    "sign=f0c57c88bdd73a1867355068e9e3c49d735ae668&salt=1491967717697"
    "&token=88d22d819e31897eea2d9d5b9f7792cf4065ac5372aad3672f5e4e147cd25b5f"
    "&action=queryCollectorInfo&pn=G0916522248153"
)


def start(binary, data):
    """Starts the demo; answers its process and its demo.json, once its plant has a past."""
    process, told = demo(binary, data)
    forward("android.shinemonitor.com", 80, urllib.parse.urlsplit(told["base_url"]).port)
    until(lambda: answers(told["base_url"] + "/readyz"), 120)
    until(lambda: ask(told, CALL)["err"] == 0)
    return process, told


def ask(told, query):
    with urllib.request.urlopen(told["shinemonitor"]["url"] + "?" + query, timeout=30) as reply:
        equal(reply.status, 200)
        equal(reply.headers["content-type"].lower().replace(" ", ""), "application/json;charset=utf-8")
        return json.load(reply)


def profile(told, key="app_company_key"):
    shine = told["shinemonitor"]
    return dataclasses.replace(
        shinemonitor_api.AppProfile.WATCHPOWER,
        base_url=shine["url"],
        company_key=shine[key],
    )


def the_printed_signatures_are_taken(told):
    login = ask(told, LOGIN)
    equal((login["err"], login["desc"]), (0, "ERR_NONE"))
    dat = login["dat"]
    equal([len(dat["secret"]), len(dat["token"]), dat["role"], dat["usr"]], [40, 64, 0, "vplant"])
    equal(dat["expire"], 604800)
    assert isinstance(dat["uid"], int), dat
    call = ask(told, CALL)
    equal((call["err"], call["desc"]), (0, "ERR_NONE"))
    equal([c["pn"] for c in call["dat"]["collector"]], ["G0916522248153"])
    # Again, and after a login: neither salts nor signatures wear out.
    equal(ask(told, LOGIN)["err"], 0)
    equal(ask(told, CALL)["err"], 0)


def the_library_reads_storage(told):
    """`ShineMonitorAPI` of PyPI `shinemonitor-api`, as its README shows it."""
    with shinemonitor_api.ShineMonitorAPI(app=profile(told)) as api:
        api.login(told["shinemonitor"]["usr"], told["shinemonitor"]["pwd"])
        equal(api.auth.expire, 604800)
        devices = api.get_devices()
        assert devices, "no storage device"
        for device in devices:
            last = api.get_last_data(device)
            assert abs((datetime.datetime.now() - last.timestamp).total_seconds()) < 15 * 3600, last
            # Grid, battery and load are those of one site: plausible, not invented.
            assert last.main.battery_capacity is None or 0 <= last.main.battery_capacity <= 100, last
            assert last.main.grid_voltage is None or last.main.grid_voltage > 180, last
            assert last.system.model, last
            day = api.get_device_daily_data(device, datetime.date.today())
            titles = [title["title"] for title in day["dat"]["title"]]
            equal(titles[:2], ["id", "Timestamp"])
            for row in day["dat"]["row"]:
                equal(len(row["field"]), len(titles))
                assert all(isinstance(field, str) for field in row["field"]), row


def the_library_calls_every_action_it_has(told):
    today = datetime.date.today().isoformat()
    with shinemonitor_api.ShineMonitorAPI(app=profile(told, "company_key")) as api:
        api.login(told["shinemonitor"]["usr"], told["shinemonitor"]["pwd"])
        renewed = api.update_token()["dat"]
        equal([len(renewed["secret"]), len(renewed["token"])], [40, 64])
        equal(api.query_account_info()["dat"]["usr"], told["shinemonitor"]["usr"])
        plants = api.query_plants(page=0, pagesize=50)["dat"]
        plant = next(p for p in plants["plant"] if p["pid"] == told["shinemonitor"]["plant_id"])
        pid = plant["pid"]
        equal(api.query_plant_info(plantid=pid)["dat"]["pid"], pid)
        equal(api.query_plant_count()["dat"]["count"], plants["total"])
        energies = [
            api.query_plant_energy_day(plantid=pid, date=today),
            api.query_plant_energy_month(plantid=pid, date=today[:7]),
            api.query_plant_energy_year(plantid=pid, date=today[:4]),
            api.query_plant_energy_total(plantid=pid),
        ]
        values = [float(answer["dat"]["energy"]) for answer in energies]
        assert values == sorted(values), f"day, month, year, total: {values}"
        for answer in energies:
            equal(len(answer["dat"]["energy"].rsplit(".", 1)[1]), 4)
        float(api.query_plant_active_ouput_power_current(plantid=pid)["dat"]["outputPower"])
        collectors = api.query_collectors(page=0, pagesize=50)["dat"]["collector"]
        pns = [collector["pn"] for collector in collectors]
        assert told["shinemonitor"]["pn"] in pns, pns
        pn = told["shinemonitor"]["pn"]
        equal(api.query_collector_info(pn=pn)["dat"]["collector"][0]["pn"], pn)
        equal(api.query_collector_status(pn=pn)["dat"]["collector"][0]["pn"], pn)
        behind = api.query_collector_devices(pn=pn)["dat"]["dev"]
        everywhere = api.query_devices(page=0, pagesize=50)["dat"]
        equal(api.query_device_count()["dat"]["count"], everywhere["total"])
        for dev in behind:
            device = {"pn": pn, "devcode": dev["devcode"], "devaddr": dev["devaddr"], "sn": dev["sn"]}
            equal(api.query_device_info(**device)["dat"]["device"][0]["sn"], dev["sn"])
            equal(api.query_device_status(**device)["dat"]["device"][0]["sn"], dev["sn"])
            latest = api.query_device_last_data(**device)["dat"]
            equal([latest[0]["title"], latest[1]["title"]], ["id", "Timestamp"])
            assert all(isinstance(field["val"], str) for field in latest), latest
            day = either(12, api.query_device_data_one_day, **device, date=today)
            assert day is None or day["dat"]["title"][1]["title"] == "Timestamp", day
            warnings = either(264, api.query_device_warning, **device)
            assert warnings is None or len(warnings["dat"]["warning"]) == 1, "the page size is 1 unless it is said"
            fields = either(12, api.query_device_ctrl_field, **device)
            for field in (fields["dat"]["field"] if fields else []):
                either(9, api.query_device_ctrl_value, **device, id=field["id"])
            refused(9, api.ctrl_device, **device, id="no_such_item", val="1")
        inverter = next(d for d in behind if d["devcode"] == 512)
        device = {"pn": pn, "devcode": 512, "devaddr": inverter["devaddr"], "sn": inverter["sn"]}
        float(api.query_device_energy_day(**device, date=today)["dat"]["energy"])
        float(api.query_device_energy_month(**device, date=today[:7])["dat"]["energy"])
        float(api.query_device_energy_year(**device, date=today[:4])["dat"]["energy"])
        float(api.query_device_energy_total(**device)["dat"]["energy"])
        float(api.query_device_active_ouput_power_current(**device)["dat"]["val"])


def the_library_knows_a_refusal(told):
    shine = told["shinemonitor"]
    for usr in (shine["usr"], "nobody-here"):
        api = shinemonitor_api.ShineMonitorAPI(app=profile(told))
        try:
            api.login(usr, "wrong")
        except shinemonitor_api.ShineMonitorAuthError as error:
            equal((error.err, error.desc), (16, "ERR_PASSWORD_VERIF_FAIL"))
        else:
            raise AssertionError("a wrong password was taken")
    api = shinemonitor_api.ShineMonitorAPI(app=profile(told))
    api.login(shine["usr"], shine["pwd"])
    refused(260, api.query_plant_info, plantid=999_999)
    refused(257, api.query_collector_info, pn="G0000000000000")


def the_library_logs_in_odd_names(told):
    shine = told["shinemonitor"]
    for usr, pwd in ((shine["odd_usr"], shine["odd_pwd"]), (shine["cjk_usr"], shine["cjk_pwd"])):
        with shinemonitor_api.ShineMonitorAPI(app=profile(told)) as api:
            api.login(usr, pwd)
            equal(api.query_account_info()["dat"]["usr"], usr)


def the_async_library_reads_storage(told):
    async def run():
        async with shinemonitor_api.aio.AsyncShineMonitorAPI(app=profile(told)) as api:
            await api.login(told["shinemonitor"]["usr"], told["shinemonitor"]["pwd"])
            devices = await api.get_devices()
            await asyncio.gather(*(api.get_last_data(device) for device in devices * 10))

    asyncio.run(run())


def watchpower_reads_the_day(told):
    """PyPI `watchpower-api`: its host is fixed, http://android.shinemonitor.com/public/."""
    api = WatchPowerAPI().login(told["shinemonitor"]["usr"], told["shinemonitor"]["pwd"])
    equal(api.expire, 604800)
    devices = api.get_devices()
    assert devices, "no storage device"
    for device in devices:
        day = api.get_device_daily_data(device, datetime.date.today())
        equal(day["dat"]["title"][1]["title"], "Timestamp")


def a_signed_address_is_replayed(told):
    """The recipe for Home Assistant's REST sensor: one signed address, pasted once, asked for ever."""
    login = ask(told, LOGIN)["dat"]
    device = None
    with shinemonitor_api.ShineMonitorAPI(app=profile(told)) as api:
        api.login(told["shinemonitor"]["usr"], told["shinemonitor"]["pwd"])
        device = api.get_devices()[0]
    tail = (
        f"&action=querySPDeviceLastData&source=1&devcode={device.device_code}&pn={device.wifi_pin}"
        f"&devaddr={device.device_address}&sn={device.serial_number}&i18n=en_US"
    )
    signed = "12345678" + login["secret"] + login["token"] + tail
    sign = hashlib.sha1(signed.encode()).hexdigest()
    query = f"sign={sign}&salt=12345678&token={login['token']}{tail}"
    for _ in range(3):
        equal(ask(told, query)["err"], 0)
    equal(ask(told, query + "&i18n=de_DE")["err"], 4)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except shinemonitor_api.ShineMonitorError as error:
        equal(error.err, code)
    else:
        raise AssertionError(f"{call.__name__} was not refused with {code}")


def either(code, call, **arguments):
    """An answer, or that one refusal."""
    try:
        return call(**arguments)
    except shinemonitor_api.ShineMonitorError as error:
        equal(error.err, code)
        return None


CASES = [
    the_printed_signatures_are_taken,
    the_library_reads_storage,
    the_library_calls_every_action_it_has,
    the_library_knows_a_refusal,
    the_library_logs_in_odd_names,
    the_async_library_reads_storage,
    watchpower_reads_the_day,
    a_signed_address_is_replayed,
]
START = start
