"""An operator written from the published pages alone, against the demo's platform.

It knows the page on submitting a port, the one on the operator token and the ones on deleting, signs with the standard
library, and shares no code with the platform.
"""

import base64
import datetime
import hashlib
import hmac
import http.server
import json
import threading
import urllib.error
import urllib.parse
import urllib.request

from harness import answers, demo, equal, until

LED = []
TOKEN = "/platform/management/operatorAPIToken"
STATION = "/platform/management/station"
EQUIPMENT = "/platform/management/equipment"
CELL = "/platform/management/cell"
RECORD = "/platform/management/chargingRecord"
REPORT = "/platform/report/chargingMetaInfo"
# The example of the page, as it is printed there.
PRINTED = {
    "cellId": "95",
    "equipmentId": "37",
    "operatorId": "99",
    "cellType": 5,
    "cellStandard": "nisi exercitation qui ullamco",
    "ratedVoltageUpperLimit": 29,
    "ratedVoltageLowerLimit": 19,
    "ratedCurrent": 55,
    "ratedPower": 81,
    "electricityFee": "文山壮族苗族自治州",
    "serviceFee": "ad in esse deserunt elit",
    "fireControl": 97,
    "smokeSensation": 46,
}
DONE = {"status": 200, "message": "请求成功!", "data": "提交成功!"}


def start(binary, data):
    """Starts the demo; answers its process and its demo.json, once its operator may sign in."""
    process, told = demo(binary, data)
    until(lambda: answers(told["base_url"] + "/readyz"), 120)
    until(lambda: Operator(told).token())
    return process, told


def wall(shift=0):
    """What a clock in UTC+8 shows."""
    zone = datetime.timezone(datetime.timedelta(hours=8))
    now = datetime.datetime.now(zone) + datetime.timedelta(seconds=shift)
    return now.strftime("%Y-%m-%d %H:%M:%S")


def sign(secret, lines, digest=hashlib.sha256):
    text = "\n".join(f"{label}: {value}" for label, value in lines)
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), digest).digest()).decode()


class Operator:
    def __init__(self, told, which=""):
        own = told["supervision"]
        self.base = told["base_url"]
        self.id = own[which + "operator_id"]
        self.secret = own[which + "secret_key"]
        self.given = None

    def token(self):
        if self.given is None:
            at = wall()
            signature = sign(self.secret, [("datetime", at), ("operatorid", self.id)])
            headers = {"Datetime": at, "OperatorId": self.id, "Signature": signature}
            status, said = self.send("GET", TOKEN, headers)
            equal((status, said["status"]), (200, 200))
            assert isinstance(said["data"], str) and said["data"], said
            self.given = said["data"]
        return self.given

    def headers(self, shift=0, **instead):
        at = wall(shift)
        token = instead.get("Token", self.token())
        signature = sign(self.secret, [("datetime", at), ("operatorid", self.id), ("token", token)])
        headers = {"Datetime": at, "OperatorId": self.id, "Token": token, "Signature": signature}
        return headers | instead

    def call(self, method, path, body=None, **query):
        return self.send(method, path, self.headers(), body, **query)

    def send(self, method, path, headers, body=None, **query):
        """The HTTP status and the JSON of the answer."""
        url = self.base + path + ("?" + urllib.parse.urlencode(query) if query else "")
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = dict(headers)
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                status, raw = reply.status, reply.read()
        except urllib.error.HTTPError as refused:
            status, raw = refused.code, refused.read()
        said = json.loads(raw)
        assert set(said) >= {"status", "message", "data"}, said
        equal([type(said[name]) for name in ("status", "message")], [int, str])
        return status, said

    def cell(self, **instead):
        return PRINTED | {"operatorId": self.id} | instead

    def sample(self, cell, at=None, **values):
        sample = {
            "cellId": cell,
            "equipmentId": "37",
            "operatorId": self.id,
            "updateDatetime": at or wall(),
            "cellStatus": 1,
        }
        return sample | values

    def port(self, name):
        """A port of that id, whatever earlier cases left."""
        status, said = self.call("POST", CELL, self.cell(cellId=name))
        equal((status, said), (200, DONE))
        return name


def the_printed_example_is_taken(told):
    operator = Operator(told)
    for _ in range(2):
        # The same again changes nothing.
        equal(operator.call("POST", CELL, operator.cell()), (200, DONE))
    status, said = operator.call("POST", CELL, operator.cell(ratedPower=82))
    equal((status, said["status"]), (409, 409))
    listed = every(operator, CELL)
    kept = [cell for cell in listed if cell["cellId"] == "95"]
    equal(kept, [operator.cell()])


def every(operator, path):
    found, index = [], 1
    while True:
        status, said = operator.call("GET", path, operatorId=operator.id, pageIndex=str(index), pageSize="3")
        equal(status, 200)
        page = said["data"]
        equal((page["pageIndex"], page["pageSize"]), (index, 3))
        found += page["list"]
        if len(found) >= page["total"]:
            equal(len(found), page["total"])
            return found
        assert page["list"], said
        index += 1


def what_is_deleted_is_gone(told):
    operator = Operator(told)
    operator.port("gone")
    equal(operator.call("DELETE", CELL, cellId="gone", operatorId=operator.id)[0], 200)
    assert "gone" not in [cell["cellId"] for cell in every(operator, CELL)]


def a_station_and_its_equipment(told):
    operator = Operator(told)
    station = {
        "stationId": "py-1",
        "operatorId": operator.id,
        "equipmentOwnerId": operator.id,
        "stationName": "东门充电站",
        "address": "东门 1",
        "stationType": 4,
        "stationStatus": 50,
        "stationLng": 116.397463,
        "stationLat": 39.909187,
    }
    equipment = {
        "equipmentId": "py-1-1",
        "stationId": "py-1",
        "operatorId": operator.id,
        "equipmentName": "A",
        "equipmentType": 1,
        "equipmentCategory": 1,
    }
    equal(operator.call("POST", EQUIPMENT, equipment)[0], 404)
    equal(operator.call("POST", STATION, station), (200, DONE))
    equal(operator.call("POST", EQUIPMENT, equipment), (200, DONE))
    equal(operator.call("PUT", STATION, {"stationId": "py-1", "operatorId": operator.id, "stationStatus": 6})[0], 200)
    kept = [one for one in every(operator, STATION) if one["stationId"] == "py-1"]
    equal(kept, [station | {"stationStatus": 6}])
    # Something stands in it.
    equal(operator.call("DELETE", STATION, stationId="py-1", operatorId=operator.id)[0], 409)
    equal(operator.call("DELETE", EQUIPMENT, equipmentId="py-1-1", operatorId=operator.id)[0], 200)
    equal(operator.call("DELETE", STATION, stationId="py-1", operatorId=operator.id)[0], 200)


def samples_and_what_is_wrong_with_a_list(told):
    operator = Operator(told)
    port = operator.port("py-samples")
    good = operator.sample(port, voltage=229.8, current=10.02, power=2.301, cellStatus=3)
    equal(operator.call("POST", REPORT, good), (200, DONE))
    equal(operator.call("POST", REPORT, good)[0], 200)
    later = wall(1)
    many = [operator.sample(port, wall(second)) for second in range(-20, -8)]
    equal(operator.call("POST", REPORT + "List", many), (200, DONE))
    equal(operator.call("POST", REPORT + "List", [*many, operator.sample(port, later)])[0], 413)
    status, said = operator.call("POST", REPORT + "List", [operator.sample(port, later), operator.sample("nobody")])
    equal((status, said["data"]), (200, "提交成功!"))
    equal([(one["index"], one["cellId"], one["status"]) for one in said["rejected"]], [(1, "nobody", 404)])
    assert all(one["message"] for one in said["rejected"]), said


def a_record_is_kept_once(told):
    operator = Operator(told)
    port = operator.port("py-records")
    charge = operator.id + datetime.datetime.now().strftime("%Y%m%d%H%M%S") + "0001"
    record = {
        "startChargeSeq": charge,
        "cellId": port,
        "operatorId": operator.id,
        "startDatetime": wall(-3600),
        "endDateTime": wall(-60),
        "totalPower": 7.25,
        "totalElecMoney": 4.35,
        "totalServiceMoney": 2.9,
        "startType": 1,
        "stopReason": 9,
    }
    for _ in range(2):
        equal(operator.call("POST", RECORD, record), (200, DONE))
    equal(operator.call("POST", RECORD, record | {"totalPower": 8})[0], 409)
    equal(operator.call("POST", RECORD + "List", [record])[0], 200)
    equal([one for one in every(operator, RECORD) if one["startChargeSeq"] == charge], [record])


def nobody_else_comes_in(told):
    operator, other = Operator(told), Operator(told, "other_")
    body = operator.cell(cellId="py-foreign")
    good = operator.headers()
    for instead in [
        {"Signature": sign(operator.secret, [("datetime", good["Datetime"]), ("operatorid", operator.id)])},
        {"Signature": good["Signature"].rstrip("=") + "A"},
        {"Token": other.token()},
        {"Token": "thisisantoken"},
        {"OperatorId": other.id},
    ]:
        status, said = operator.send("POST", CELL, good | instead, body)
        equal((status, said["status"]), (401, 401))
    for shift in (-310, 310):
        equal(operator.send("POST", CELL, operator.headers(shift), body)[0], 401)
    for missing in good:
        left = {name: value for name, value in good.items() if name != missing}
        assert operator.send("POST", CELL, left, body)[0] in (400, 401), missing
    equal(other.call("POST", CELL, body)[0], 403)
    assert "py-foreign" not in [cell["cellId"] for cell in every(operator, CELL)]


def a_failed_sample_is_told_and_repaired(told):
    """The operator's own end: what the platform calls, signed as its pages say."""
    operator = Operator(told)
    heard = []

    class Ear(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.path, self.headers, json.loads(body)))
            answer = json.dumps(DONE).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear) as ear:
        threading.Thread(target=ear.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{ear.server_port}/failed"
        address = "/platform/management/callbackUrl/reportFailure"
        equal(operator.call("PUT", address, operatorId=operator.id, url=url)[0], 200)
        sample = operator.sample("py-late", wall(-2))
        equal(operator.call("POST", REPORT, sample)[0], 404)
        until(lambda: heard)
        path, headers, notice = heard[0]
        equal(path, "/failed")
        lines = [("datetime", headers["Datetime"]), ("operatorid", operator.id), ("token", headers["Token"])]
        equal((headers["OperatorId"], headers["Signature"]), (operator.id, sign(operator.secret, lines)))
        data = notice["data"]
        equal((data["requestAPI"], data["requestFailureCount"]), (REPORT, 1))
        equal(data["requestBody"], sample | {"chargingMetaInfoId": data["requestId"]})
        # What the platform signs opens nothing at the platform.
        back = {name: headers[name] for name in ("Datetime", "OperatorId", "Token", "Signature")}
        equal(operator.send("POST", CELL, back, operator.cell(cellId="py-back"))[0], 401)
        operator.port("py-late")
        equal(operator.call("POST", "/platform/report/failed/chargingMetaInfo", data["requestBody"])[0], 200)
        equal(operator.call("DELETE", address, operatorId=operator.id)[0], 200)
        ear.shutdown()


START = start
CASES = [
    the_printed_example_is_taken,
    what_is_deleted_is_gone,
    a_station_and_its_equipment,
    samples_and_what_is_wrong_with_a_list,
    a_record_is_kept_once,
    nobody_else_comes_in,
    a_failed_sample_is_told_and_repaired,
]
