import { expect, test } from "vitest";
import type { Reporting } from "../api/reporting";
import { isFine } from "./forms";
import { pairs, platformBody, platformDraft, platformProblems, spread, standing, waiting, type PlatformDraft, type SiteDraft } from "./reporting";

const known: Reporting = {
  settings: {
    id: "city",
    name: "The city",
    url: "https://platform.example",
    operator: "MA005DBW1",
    digest: "sha1",
    enabled: true,
    local: false,
    interval_s: 420,
    time_zone: "Asia/Shanghai",
    currency: "CNY",
    callback: "https://hub.example",
    field_names: { cellId: "portId" },
    mapping: "name = \"Other\"\n",
    sites: [
      {
        site: "home",
        station: "0101",
        equipment: { box: "0101-1" },
        ports: { left: "0101-1-1", right: "0101-1-2" },
        owner: "MA005DBW1",
        address: "No. 1",
        phone: "010",
        station_type: 4,
        place: { latitude_udeg: 39_907_500, longitude_udeg: -116_391_300, datum: "gcj02" },
        standard: "GB/T 20234.2",
        energy_fee: "0.6 yuan/kWh",
        service_fee: "none",
        fire_extinguisher: 1,
        smoke_detector: 2,
      },
    ],
  },
  has_key: true,
  has_callback_token: true,
  addresses: [],
  state: {
    connected: true,
    last_success_ms: 1,
    last_error: null,
    last_error_ms: null,
    problems: [],
    waiting_samples: 3,
    waiting_records: 2,
    waiting_repairs: 1,
    waiting_since_ms: 1,
    dropped_samples: 0,
    refused_samples: 0,
    stuck_records: 0,
    stuck: [],
  },
};

test("a platform that nobody touched is what it was, and keeps its secrets", () => {
  const draft = platformDraft(known, ["home", "yard"]);
  expect(platformProblems(draft, known, ["city"])).toEqual({});
  expect(platformBody(draft)).toEqual(known.settings);
  expect(draft.sites.map(({ site, is_reported }) => [site, is_reported])).toEqual([["home", true], ["yard", false]]);
});

test("a new one is told of the only site there is, and has an id made of its name", () => {
  expect(platformDraft(null, ["home", "yard"]).sites.some(({ is_reported }) => is_reported)).toBe(false);
  const draft = { ...platformDraft(null, ["home"]), name: " Überall ", url: "https://platform.example/ " };
  const { id, url, sites } = platformBody(draft);
  expect([id, url, sites.map(({ site }) => site)]).toEqual(["uberall", "https://platform.example", ["home"]]);
  expect(platformBody(draft)).not.toHaveProperty("key");
});

test("secrets are sent when they are typed, and a token goes when that is asked for", () => {
  const draft = platformDraft(known, ["home"]);
  expect(platformBody({ ...draft, key: "k", callback_token: "t" })).toMatchObject({ key: "k", callback_token: "t" });
  expect(platformBody({ ...draft, callback_token: "t", drops_token: true }).callback_token).toBe("");
});

test("what makes no sense is said beside its field", () => {
  const good: PlatformDraft = platformDraft(known, ["home"]);
  const rows: [Partial<PlatformDraft>, string, string | undefined][] = [
    [{ name: "太".repeat(81) }, "name", "reporting.name_long"],
    [{ url: "http://platform.example" }, "url", "oversight.https"],
    [{ url: "http://platform.example", local: true, key: "k" }, "url", undefined],
    [{ url: "platform.example", local: true }, "url", "form.url"],
    [{ url: "https://other.example" }, "key", "reporting.key_again"],
    [{ operator: "MA006" }, "key", "reporting.key_again"],
    [{ operator: "MA006", enabled: false }, "key", undefined],
    [{ url: "https://platform.example/" }, "key", undefined],
    [{ key: "a\nb" }, "key", "reporting.secret_wrong"],
    [{ operator: "two words" }, "operator", "oversight.id_wrong"],
    [{ interval_s: "299" }, "interval_s", "form.range"],
    [{ interval_s: "601" }, "interval_s", "form.range"],
    [{ currency: "yuan" }, "currency", "form.currency"],
    [{ callback: "" }, "callback", undefined],
    [{ callback: "hub" }, "callback", "oversight.https"],
    [{ field_names: "cellId" }, "field_names", "oversight.names_wrong"],
    [{ sites: [] }, "sites", "reporting.no_site"],
    [{ sites: [], enabled: false }, "sites", undefined],
  ];
  for (const [change, field, problem] of rows) {
    expect(platformProblems({ ...good, ...change }, known, [])[field], JSON.stringify(change)).toBe(problem);
  }
  expect(platformProblems(good, null, ["city"])).toMatchObject({ id: "form.taken", key: "form.required" });
  expect(platformProblems(good, { ...known, has_key: false }, [])["key"]).toBe("form.required");
});

test("what makes no sense of a site is said there, unless it is not reported", () => {
  const good = platformDraft(known, ["home"]);
  const rows: [Partial<SiteDraft>, string, string | undefined][] = [
    [{ owner: " " }, "0.owner", "form.required"],
    [{ address: "" }, "0.address", "form.required"],
    [{ standard: "", energy_fee: "", service_fee: "" }, "0.service_fee", undefined],
    [{ latitude: "90.1" }, "0.latitude", "form.range"],
    [{ longitude: "" }, "0.longitude", "form.required"],
    [{ longitude: "", datum: "" }, "0.longitude", undefined],
    [{ station: "a b" }, "0.station", "oversight.id_wrong"],
    [{ ports: "left" }, "0.ports", "reporting.codes_wrong"],
    [{ equipment: "box = 一" }, "0.equipment", "reporting.codes_wrong"],
    [{ owner: "", is_reported: false }, "0.owner", undefined],
  ];
  for (const [change, field, problem] of rows) {
    const sites = good.sites.map((site) => ({ ...site, ...change }));
    expect(platformProblems({ ...good, sites }, known, [])[field], JSON.stringify(change)).toBe(problem);
  }
  const plain = { ...good, mapping: "", sites: good.sites.map((site) => ({ ...site, standard: "", energy_fee: " ", service_fee: "" })) };
  expect(platformProblems(plain, known, [])).toMatchObject({ "0.standard": "form.required", "0.energy_fee": "form.required", "0.service_fee": "form.required" });
  const without = { ...good, sites: good.sites.map((site) => ({ ...site, datum: "" as const })) };
  expect(isFine(platformProblems(without, known, []))).toBe(true);
  expect(platformBody(without).sites[0]).not.toHaveProperty("place");
});

test("names stand one to a line", () => {
  expect(pairs("a = 1\n\n b=2 ")).toEqual({ a: "1", b: "2" });
  expect(["a", "a = ", "a = 1 = 2", "a = 1\na = 2"].map(pairs)).toEqual([null, null, null, null]);
});

test("how it does is one word", () => {
  const of = (change: Partial<Reporting["state"]>) => standing({ ...known, state: { ...known.state, ...change } });
  expect(of({})).toBe("reached");
  expect(of({ connected: false })).toBe("unreached");
  expect(of({ connected: false, last_success_ms: null, last_error_ms: 5 })).toBe("unreached");
  expect(of({ connected: false, last_success_ms: null })).toBe("new");
  expect(standing({ ...known, has_key: false })).toBe("no_key");
  expect(standing({ ...known, settings: { ...known.settings, enabled: false } })).toBe("off");
  expect(waiting(known.state)).toBe(6);
});

test("JSON is spread out, and nothing in it is changed", () => {
  const json = '{"id":"a,\\"b\\\\","place":{"lat":39.900,"list":[1,2]},"text":"x:y"}';
  const text = spread(json);
  expect(text).toBe('{\n  "id": "a,\\"b\\\\",\n  "place": {\n    "lat": 39.900,\n    "list": [\n      1,\n      2\n    ]\n  },\n  "text": "x:y"\n}');
});
