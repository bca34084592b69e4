import { expect, test } from "vitest";
import { type Message, SseParser } from "./sse";

function check(pieces: string[], expected: Message[]) {
  const parser = new SseParser();
  expect(pieces.flatMap((piece) => parser.push(piece))).toEqual(expected);
}

test("messages come out whole, however the text is cut", () => {
  const text = "id: b-1\nevent: view\ndata: {\"a\":\ndata: 1}\n\n: awake\n\nid: b-2\r\nevent: patch\r\ndata: x\r\n\r\n";
  const expected = [
    { id: "b-1", type: "view", data: '{"a":\n1}' },
    { id: "b-2", type: "patch", data: "x" },
  ];
  check([text], expected);
  check([...text], expected);
});

test("an id holds until the next one, comments and empty messages are skipped", () => {
  check(["id:7\n\n: c\n\ndata\n\n"], [{ id: "7", type: "message", data: "" }]);
});

test("half a message is no message", () => {
  check(["event: patch\ndata: x\n"], []);
});
