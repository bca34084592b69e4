import { expect, test } from "vitest";
import { ApiError } from "../api/client";
import { Paged, Resource } from "./resource.svelte";

test("the newest question's answer counts, however late the older one comes", async () => {
  const resource = new Resource<string>();
  let slow: (value: string) => void = () => {};
  const first = resource.load(() => new Promise((resolve) => (slow = resolve)));
  await resource.load(() => Promise.resolve("new"));
  slow("old");
  await first;
  expect([resource.value, resource.is_loading]).toEqual(["new", false]);
});

test("a failure keeps what was known", async () => {
  const resource = new Resource<string>();
  await resource.load(() => Promise.resolve("known"));
  await resource.load(() => Promise.reject(new ApiError(0, "unreachable", "")));
  expect(resource.value).toBe("known");
  expect(resource.problem).toBe("Ohmstead cannot be reached.");
  await resource.load(() => Promise.resolve("again"));
  expect(resource.problem).toBeNull();
});

test("a list grows part by part until there is no next one", async () => {
  const parts: Record<string, { items: number[]; next?: string }> = {
    "": { items: [1, 2], next: "b" },
    b: { items: [3] },
  };
  const list = new Paged<number>();
  await list.load((cursor) => Promise.resolve(parts[cursor ?? ""] ?? { items: [] }));
  expect([list.items, list.next]).toEqual([[1, 2], "b"]);
  await list.more();
  expect([list.items, list.next]).toEqual([[1, 2, 3], null]);
  await list.more();
  expect(list.items).toEqual([1, 2, 3]);
  await list.again();
  expect(list.items).toEqual([1, 2]);
});
