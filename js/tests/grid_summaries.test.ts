import { describe, expect, it, vi } from "vitest";
import { PLAIN_VIEW } from "../src/ui/row_source";
import { Summaries } from "../src/widgets/grid/summaries";

interface Asked {
  column: string;
  signal: AbortSignal;
  answer: () => void;
}

function made() {
  const asked: Asked[] = [];
  const summaries = new Summaries(
    (body, signal) =>
      new Promise((resolve, reject) => {
        const answer = () => resolve({ body: { kind: "empty" } });
        asked.push({ column: body.column, signal, answer });
        signal.addEventListener("abort", () => reject(new DOMException("withdrawn", "AbortError")));
      }),
    PLAIN_VIEW,
  );
  return { asked, summaries };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

describe("what the headers show", () => {
  it("is asked for one column after the other", async () => {
    const { asked, summaries } = made();
    summaries.want(["a", "b"]);
    expect(asked.map((one) => one.column)).toEqual(["a"]);
    asked[0]!.answer();
    await settled();
    expect(asked.map((one) => one.column)).toEqual(["a", "b"]);
    expect([...summaries.known.value.keys()]).toEqual(["a"]);
  });

  it("is left until the scrolling rests, but what was asked is taken", async () => {
    const { asked, summaries } = made();
    summaries.want(["a", "b"]);
    summaries.hold();
    asked[0]!.answer();
    await settled();
    expect(asked[0]!.signal.aborted).toBe(false);
    expect([...summaries.known.value.keys()]).toEqual(["a"]);
    expect(asked).toHaveLength(1);
    summaries.want(["a", "b"]);
    summaries.hold();
    summaries.want(["a", "b"]);
    expect(asked).toHaveLength(1);
    await vi.waitFor(() => expect(asked.map((one) => one.column)).toEqual(["a", "b"]));
  });

  it("does not come back by itself where rows of another order are waited for", async () => {
    vi.useFakeTimers();
    try {
      const { asked, summaries } = made();
      summaries.hold();
      summaries.want(["a"]);
      summaries.pause();
      await vi.advanceTimersByTimeAsync(5000);
      expect(asked).toHaveLength(0);
      summaries.want(["a"]);
      expect(asked).toHaveLength(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it("makes way for rows that are waited for, and is asked for again once they are here", async () => {
    const { asked, summaries } = made();
    summaries.want(["a", "b"]);
    summaries.pause();
    await settled();
    expect(asked[0]!.signal.aborted).toBe(true);
    expect(asked).toHaveLength(1);
    summaries.pause();
    summaries.want(["b", "a"]);
    expect(asked.map((one) => one.column)).toEqual(["a", "b"]);
    asked[1]!.answer();
    await settled();
    expect(asked.map((one) => one.column)).toEqual(["a", "b", "a"]);
    asked[2]!.answer();
    await settled();
    expect([...summaries.known.value.keys()]).toEqual(["b", "a"]);
  });
});
