/** The standalone script of an experiment, to read and to copy. */
import { useEffect, useState } from "preact/hooks";
import type { Context } from "../widgets/_base";
import { Icon } from "./icons";
import { useUid } from "./uid";

/** Editing pauses this long before the script is asked for again. */
const SETTLE_MS = 300;

export function CodePanel({ ctx, revision, close }: { ctx: Context; revision: number; close: () => void }) {
  const uid = useUid();
  const [code, setCode] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  const [copied, setCopied] = useState("");
  const live = ctx.connection.value === "live";
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(
      () => {
        ctx.ask("code.read", {}, { quiet: true, signal: abort.signal }).then(
          ({ body }) => {
            setCode(String(body.code));
            setProblem("");
          },
          (error: Error) => {
            if (error.name !== "AbortError") setProblem(error.message);
          },
        );
      },
      code === null ? 0 : SETTLE_MS,
    );
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [revision, live]);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(""), 2000);
    return () => clearTimeout(timer);
  }, [copied]);

  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(code ?? "");
      setCopied("Copied");
    } catch {
      // without https a page has no clipboard of its own; the person's copy command works on the selection
      const text = document.getElementById(`${uid}-code`);
      if (text) getSelection()?.selectAllChildren(text);
      setCopied("Selected: press Ctrl+C");
    }
  };
  return (
    <div class="mw-code" role="region" aria-label="Standalone script">
      <div class="mw-code-head">
        <span class="mw-tiny">A script that does the same without these widgets</span>
        <span class="mw-spread" />
        <span class="mw-tiny" role="status">
          {copied}
        </span>
        <button disabled={!code || !!problem} onClick={() => void copy()}>
          <Icon name={copied === "Copied" ? "check" : "copy"} /> Copy
        </button>
        <button class="mw-icon mw-quiet" aria-label="Close the script" onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      {problem ? (
        <p class="mw-error-text" role="alert">
          {problem}
        </p>
      ) : code === null ? (
        <div class="mw-skeleton mw-code-wait" role="status" aria-label="The script is on its way" />
      ) : (
        <pre tabIndex={0} aria-label="Script">
          <code id={`${uid}-code`}>{code}</code>
        </pre>
      )}
    </div>
  );
}
