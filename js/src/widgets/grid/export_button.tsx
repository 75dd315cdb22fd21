/** What is shown, as a file: written in the kernel, fetched piece by piece, saved by the browser. */
import { useEffect, useRef, useState } from "preact/hooks";
import { grouped } from "../../ui/number";
import { Menu } from "../../ui/popover";
import type { View } from "../../ui/row_source";
import { asBytes } from "../../wire/buffers";
import type { Context } from "../_base";

const LOOK_MS = 150;
const TYPES: Record<string, string> = {
  csv: "text/csv",
  parquet: "application/vnd.apache.parquet",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
};

interface ExportProps {
  ctx: Context;
  title: string;
  view: View;
  columns: string[];
  excel: boolean;
}

export function ExportButton({ ctx, title, view, columns, excel }: ExportProps) {
  const button = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const [state, setState] = useState<{ done: number; total: number } | null>(null);
  const stop = useRef<() => void>(() => undefined);
  useEffect(() => () => stop.current(), []);

  async function begin(format: string): Promise<void> {
    let stopped = false;
    let job = -1;
    stop.current = () => {
      if (stopped) return;
      stopped = true;
      if (job >= 0) ctx.ask("grid.export_read", { job, offset: -1 }, { quiet: true }).catch(() => undefined);
      setState(null);
    };
    setState({ done: 0, total: 0 });
    try {
      const begun = await ctx.ask("grid.export", { format, columns, ...view, filters: view.filters as never });
      job = Number(begun.body.job);
      const parts: Uint8Array[] = [];
      for (let offset = 0; !stopped; ) {
        const { body, raw } = await ctx.ask("grid.export_read", { job, offset });
        setState({ done: Number(body.done), total: Number(body.total) });
        if (!body.ready) {
          await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
          continue;
        }
        const bytes = asBytes(raw[0]!);
        parts.push(bytes);
        offset += bytes.length;
        if (offset < Number(body.size)) continue;
        save(parts, format, title);
        break;
      }
      stopped = true;
    } catch {
      // What went wrong stands beside the widget.
      stopped = true;
    }
    setState(null);
  }

  if (state) {
    return (
      <span class="mw-grid-export" role="status">
        <progress max={state.total || 1} value={state.total ? state.done : undefined} aria-label="Export" />
        <span class="mw-muted">{state.total ? `${grouped(state.done)} of ${grouped(state.total)} rows` : "Export…"}</span>
        <button class="mw-link" onClick={() => stop.current()}>Cancel</button>
      </span>
    );
  }
  return (
    <>
      <button ref={button} aria-haspopup="menu" aria-expanded={open} disabled={Boolean(ctx.away)} onClick={() => setOpen(!open)}>
        Export
      </button>
      {open && button.current && (
        <Menu
          anchor={button.current}
          label="Export what is shown"
          close={() => setOpen(false)}
          entries={[
            { label: "CSV", act: () => void begin("csv") },
            { label: "Parquet", act: () => void begin("parquet") },
            { label: "Excel", act: () => void begin("xlsx"), off: excel ? "" : "Needs pip install 'medilytica-widgets[excel]'" },
          ]}
        />
      )}
    </>
  );
}

function save(parts: Uint8Array[], format: string, title: string): void {
  const url = URL.createObjectURL(new Blob(parts as BlobPart[], { type: TYPES[format] }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${title.replace(/[^\p{L}\p{N} ._-]+/gu, "_").slice(0, 80) || "table"}.${format}`;
  document.body.append(link);
  link.click();
  link.remove();
  URL.revokeObjectURL(url);
}
