import { expect, test } from "vitest";
import { safeReturn } from "../session/return";
import { csrfToken, errorFrom, queryString } from "./calls";

test("the platform's error shape", () => {
  const body = JSON.stringify({
    error: { kind: "invalid", code: "ae-title", public: "x", field: "aet", http_request_id: "r1" },
  });
  expect(errorFrom(422, body, null)).toMatchObject({
    kind: "invalid",
    code: "ae-title",
    field: "aet",
    requestId: "r1",
  });
});

test("whatever else answered is an error too", () => {
  expect(errorFrom(502, "<html>", null)).toMatchObject({ kind: "unavailable", code: "http-502" });
  expect(errorFrom(429, "", "30")).toMatchObject({ kind: "limit_reached", retryAfterSeconds: 30 });
});

test("the token comes from its own cookie", () => {
  expect(csrfToken("a=1; archipel_csrf=t%2B1; b=2")).toBe("t+1");
  expect(csrfToken("xarchipel_csrf=no")).toBe("");
});

test("empty filters are not asked for, several values are repeated", () => {
  expect(queryString({ search: "", modality: ["CT", "MR"], flagged: false, limit: 50 })).toBe(
    "?modality=CT&modality=MR&limit=50",
  );
  expect(queryString({})).toBe("");
});

test.each([
  ["/exams?q=x", "/exams?q=x"],
  ["//evil.example", "/"],
  ["/\\evil.example", "/"],
  ["https://evil.example", "/"],
  ["/sign-in?next=/sign-in", "/"],
  [null, "/"],
])("after signing in, %s leads to %s", (next, to) => expect(safeReturn(next)).toBe(to));
