/** The lines of the upload list: on its way, arrived, on its way from another page, refused. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { formatCell, KIND_BADGES } from "./cells";
import { Icon } from "./icons";
import { formatBytes, plural } from "./number";
import type { Refused } from "./upload_queue";
import { fieldsOf, ReadDifferently, type Options } from "./upload_reading";
import type { Transfer } from "./upload_transfer";

/** A file that has arrived, as the kernel tells of it. */
export interface Arrived {
  sha256: string;
  name: string;
  size: number;
  state: "reading" | "read" | "unreadable";
  rows: number;
  columns: number;
  error: string;
  /** How it is read, as a person said. */
  options?: Options;
  /** How it was read. */
  found?: Options;
  sheets?: string[];
}

/** A file that was uploaded before this widget was made. */
export interface Before {
  sha256: string;
  name: string;
  size: number;
}

/** A file on its way from whichever page. */
export interface Arriving {
  upload: string;
  name: string;
  size: number;
  received: number;
  silent: boolean;
}

export interface Preview {
  names: string[];
  kinds: string[];
  cells: (string | number | null)[][];
  rows: number;
  columns: number;
}

/** 12 s, 3 min, 1 h 20 min: how long it will still take. */
export function formatRemaining(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const percent = (received: number, size: number): number => Math.min(100, Math.floor((100 * received) / Math.max(1, size)));

/** What is said beside the bar. */
export function progressWords(transfer: Transfer): string {
  const { state, received, rate, file } = transfer;
  const done = `${formatBytes(received.value)} of ${formatBytes(file.size)}`;
  switch (state.value) {
    case "waiting":
      return "Waiting for the files before it";
    case "asking":
      return received.value ? `${done} · asking the kernel how to go on` : "Asking the kernel";
    case "away":
      return `${done} · goes on when the connection is back`;
    case "elsewhere":
      return `${done} · another page is uploading this file; waiting for it`;
    case "cancelled":
      return "Cancelled; nothing of it was kept";
    case "sending": {
      const left = transfer.remaining;
      return [done, rate.value > 0 && `${formatBytes(rate.value)}/s`, left !== null && `${formatRemaining(left)} left`]
        .filter(Boolean)
        .join(" · ");
    }
    default:
      return transfer.message.value;
  }
}

function Line({ name, size, children, extra }: { name: string; size?: number; children: ComponentChildren; extra?: ComponentChildren }) {
  return (
    <li class="mw-upload-entry">
      <div class="mw-upload-line">
        <span class="mw-upload-name" title={name}>
          <bdi>{name}</bdi>
        </span>
        {size !== undefined && <span class="mw-tiny">{formatBytes(size)}</span>}
        <span class="mw-spread" />
        {extra}
      </div>
      {children}
    </li>
  );
}

function Bar({ name, received, size, still }: { name: string; received: number; size: number; still: boolean }) {
  const done = percent(received, size);
  return (
    <div
      class={`mw-upload-bar${still ? " mw-upload-still" : ""}`}
      role="progressbar"
      aria-label={`Upload of ${name}`}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={done}
    >
      <div style={{ width: `${done}%` }} />
    </div>
  );
}

/** A file that this view sends. */
export function Sending({ transfer, onDismiss, onRetry }: { transfer: Transfer; onDismiss: () => void; onRetry: () => void }) {
  const { file, ended, state } = transfer;
  // the signals, so that this line follows them
  void state.value;
  const failed = state.value === "failed";
  const buttons = ended ? (
    <>
      <button onClick={onRetry} aria-label={`Upload ${file.name} again`}>
        Try again
      </button>
      <button class="mw-icon" aria-label={`Take ${file.name} off the list`} onClick={onDismiss}>
        <Icon name="close" />
      </button>
    </>
  ) : (
    <button onClick={() => transfer.cancel()} aria-label={`Cancel the upload of ${file.name}`}>
      Cancel
    </button>
  );
  return (
    <Line name={file.name} size={file.size} extra={buttons}>
      {!ended && <Bar name={file.name} received={transfer.received.value} size={file.size} still={state.value !== "sending"} />}
      {failed ? (
        <div class="mw-upload-wrong">
          <Icon name="error" /> {progressWords(transfer)}
        </div>
      ) : (
        <div class="mw-tiny">{progressWords(transfer)}</div>
      )}
    </Line>
  );
}

/** A file that another page sends, or sent until it was closed. */
export function Elsewhere({ file }: { file: Arriving }) {
  return (
    <Line name={file.name} size={file.size}>
      <Bar name={file.name} received={file.received} size={file.size} still={file.silent} />
      <div class="mw-tiny">
        {formatBytes(file.received)} of {formatBytes(file.size)} ·{" "}
        {file.silent ? "interrupted; choose the same file again to go on" : "from another page"}
      </div>
    </Line>
  );
}

export function NotTaken({ refused, onDismiss }: { refused: Refused; onDismiss: () => void }) {
  return (
    <Line
      name={refused.name}
      extra={
        <button class="mw-icon" aria-label={`Take ${refused.name} off the list`} onClick={onDismiss}>
          <Icon name="close" />
        </button>
      }
    >
      <div class="mw-upload-wrong">
        <Icon name="error" /> {refused.message}
      </div>
    </Line>
  );
}

/** Files that were uploaded before, folded away. */
export function UploadedBefore({ files, disabled, adopt }: { files: Before[]; disabled: string; adopt: (file: Before) => void }) {
  if (!files.length) return null;
  return (
    <details class="mw-upload-before">
      <summary>Uploaded before: {plural(files.length, "file")}</summary>
      <ul class="mw-upload-list" aria-label="Uploaded before">
        {files.map((file) => (
          <Line
            key={`${file.sha256} ${file.name}`}
            name={file.name}
            size={file.size}
            extra={
              <button aria-disabled={disabled ? true : undefined} title={disabled} aria-label={`Use ${file.name}`} onClick={() => !disabled && adopt(file)}>
                Use
              </button>
            }
          >
            {null}
          </Line>
        ))}
      </ul>
    </details>
  );
}

interface HereProps {
  file: Arrived;
  disabled: string;
  load: (sha256: string) => Promise<Preview>;
  read: (sha256: string, options: Options) => Promise<unknown>;
}

/** A file that is here, with what it holds and its first rows on request. */
export function Here({ file, disabled, load, read }: HereProps) {
  const id = useId();
  const open = useSignal(false);
  const differently = useSignal(false);
  const said = JSON.stringify(file.options ?? {});
  const shownFor = useRef(said);
  const preview = useSignal<Preview | null>(null);
  const failure = useSignal("");
  useEffect(() => {
    if (shownFor.current !== said || file.state === "reading") {
      // read in another way, it has other rows
      shownFor.current = said;
      preview.value = null;
    }
    if (!open.value || preview.value || disabled || file.state !== "read") return;
    failure.value = "";
    load(file.sha256).then(
      (found) => (preview.value = found),
      (error: Error) => (failure.value = error.message),
    );
  }, [open.value, file.sha256, disabled, said, file.state]);
  const shown = preview.value;
  return (
    <Line
      name={file.name}
      size={file.size}
      extra={
        <>
          {fieldsOf(file).length > 0 && (
            <button
              aria-expanded={differently.value}
              aria-controls={`${id}-reading`}
              aria-label={`Read ${file.name} differently`}
              onClick={() => {
                differently.value = !differently.value;
                if (differently.value) open.value = true;
              }}
            >
              Read it differently
            </button>
          )}
          {file.state === "read" && (
          <button
            aria-expanded={open.value}
            aria-controls={id}
            aria-label={`${open.value ? "Hide" : "Show"} the first rows of ${file.name}`}
            onClick={() => (open.value = !open.value)}
          >
            {open.value ? "Hide" : "Show"}
          </button>
          )}
        </>
      }
    >
      {file.state === "unreadable" ? (
        <div class="mw-upload-wrong">
          <Icon name="warning" /> Stored, but it cannot be read: {file.error}
        </div>
      ) : (
        <div class="mw-upload-fact">
          {file.state === "reading" ? (
            "Arrived; reading it"
          ) : (
            <>
              <Icon name="check" /> {plural(file.rows, "row")} × {plural(file.columns, "column")}
            </>
          )}
        </div>
      )}
      <div id={`${id}-reading`} hidden={!differently.value}>
        {differently.value && (
          <ReadDifferently file={file} disabled={disabled} read={(options) => read(file.sha256, options)} />
        )}
      </div>
      <div id={id} hidden={!open.value}>
        {failure.value && <div class="mw-upload-wrong">{failure.value}</div>}
        {open.value && shown && file.state === "read" && <FirstRows preview={shown} name={file.name} />}
      </div>
    </Line>
  );
}

function FirstRows({ preview, name }: { preview: Preview; name: string }) {
  const left = preview.columns - preview.names.length;
  return (
    <div class="mw-upload-rows" role="region" tabIndex={0} aria-label={`First rows of ${name}`}>
      <table>
        <caption class="mw-sr">First rows of {name}</caption>
        <thead>
          <tr>
            {preview.names.map((column, k) => (
              <th key={k} scope="col" title={`${column}: ${preview.kinds[k]}`}>
                <span class="mw-grid-badge">{KIND_BADGES[preview.kinds[k]!] ?? "abc"}</span> <bdi>{column}</bdi>
              </th>
            ))}
            {left > 0 && <th scope="col">and {plural(left, "more column")}</th>}
          </tr>
        </thead>
        <tbody>
          {preview.cells.map((row, r) => (
            <tr key={r}>
              {row.map((value, k) => {
                const cell = formatCell(value);
                return (
                  <td key={k} class={typeof value === "number" ? "mw-upload-number" : ""} title={cell.full || "missing"}>
                    <bdi>{cell.text}</bdi>
                  </td>
                );
              })}
              {left > 0 && <td>…</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
