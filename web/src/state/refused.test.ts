import { expect, test } from "vitest";
import { ApiError } from "../api/client";
import { inWords, refused } from "./session.svelte";

test.each([
  [new ApiError(403, "not_allowed", "the card has expired"), "The card has expired."],
  [new ApiError(403, "not_allowed", ""), "You may not do that."],
  [new ApiError(429, "slow_down", "too many"), "Too many attempts. Please wait a moment and try again."],
  [new ApiError(0, "unreachable", ""), "Ohmstead cannot be reached. Nothing was changed."],
])("who may not charge is told why: %s", (error, words) => {
  expect(refused(error)).toBe(words);
});

test("a silent station is not a busy server", () => {
  expect(inWords(new ApiError(503, "offline", "Left does not answer"))).toBe("Nothing was changed: Left does not answer.");
  expect(inWords(new ApiError(503, "busy", "later"))).toBe("Ohmstead is busy and changed nothing. Please try again.");
});
