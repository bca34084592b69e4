import { expect, test } from "vitest";
import { entries, mailChange, mailDraft, mailProblems, nightlyChange, nightlyDraft, nightlyProblems, panelsChange, panelsDraft, readPanels, siteChange } from "./installation";

const mail = {
  host: "mail.example.org",
  port: 587,
  tls: "starttls" as const,
  user: "hub",
  has_password: true,
  from: "Ohmstead <hub@example.org>",
  from_file: false,
};
const wrong = (problems: object) => Object.entries(problems).flatMap(([field, problem]) => (problem === undefined ? [] : [field]));

test("a list is read by lines and commas", () => {
  expect(entries(" 10.0.0.0/8, hub.local\n\n192.168.1.30 ")).toEqual(["10.0.0.0/8", "hub.local", "192.168.1.30"]);
  expect(entries("")).toEqual([]);
});

test("of a site only what changed and may change is sent", () => {
  const site = { id: "home", name: "Home", name_from_file: false, time_zone: "Europe/Vienna", time_zone_from_file: true, inverters: [] };
  expect(siteChange({ name: " House ", time_zone: "Europe/Berlin" }, site)).toEqual({ sites: { home: { name: "House" } } });
  expect(siteChange({ name: "Home", time_zone: "Europe/Vienna" }, site)).toEqual({ sites: { home: {} } });
});

test("panels come back as they went", () => {
  const panels = [
    { peak_w: 9_400, tilt_deg: 30, azimuth_deg: 190 },
    { peak_w: 425, tilt_deg: 0, azimuth_deg: 0 },
  ];
  expect(panelsDraft(panels)).toBe("9.4; 30; 190\n0.425; 0; 0");
  expect(readPanels(panelsDraft(panels))).toEqual(panels);
  expect(readPanels("9,4; 30; 190\n\n")).toEqual([panels[0]]);
  expect(readPanels("  ")).toEqual([]);
  expect(panelsChange("home", "pv", panels)).toEqual({ sites: { home: { panels: { pv: panels } } } });
});

test.each(["9.4", "9.4; 30", "9.4; 30; 190; 1", "0; 30; 190", "9.4; 91; 190", "9.4; 30; 361", "9.4; 3.5; 190", "x; 30; 190"])(
  "%s is no roof",
  (text) => {
    expect(readPanels(text)).toBeNull();
  },
);

test.each([
  [{ keep: "7", at: "03:30" }, []],
  [{ keep: "0", at: "00:00" }, []],
  [{ keep: "1001", at: "24:00" }, ["keep", "at"]],
  [{ keep: "1.5", at: "" }, ["keep", "at"]],
])("nightly backups with %j", (draft, expected) => {
  expect(wrong(nightlyProblems(draft))).toEqual(expected);
});

test("a nightly backup comes back as it went", () => {
  const backup = { keep: 7, at_minute: 210, from_file: false };
  expect(nightlyDraft(backup)).toEqual({ keep: "7", at: "03:30" });
  expect(nightlyChange(nightlyDraft(backup))).toEqual({ backup: { keep: 7, at_minute: 210 } });
});

test.each([
  [{}, []],
  [{ host: "other.example.org" }, ["password"]],
  [{ host: "other.example.org", password: "secret" }, []],
  [{ tls: "none" as const }, ["tls", "password"]],
  [{ user: "", tls: "none" as const }, []],
  [{ port: "0", from: "nobody" }, ["port", "password", "from"]],
])("a relay with %j", (change, expected) => {
  expect(wrong(mailProblems({ ...mailDraft(mail), ...change }, mail))).toEqual(expected);
});

test("a password is sent when it is given, and with nobody's name never", () => {
  expect(mailChange(mailDraft(mail)).mail).not.toHaveProperty("password");
  expect(mailChange({ ...mailDraft(mail), password: "secret" }).mail).toHaveProperty("password", "secret");
  expect(mailChange({ ...mailDraft(mail), user: "", password: "secret" }).mail).toEqual({
    host: "mail.example.org",
    port: 587,
    tls: "starttls",
    user: null,
    from: "Ohmstead <hub@example.org>",
  });
});
