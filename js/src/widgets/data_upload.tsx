/** Files from this browser to the kernel; the twin of `medilytica_widgets/widgets/data_upload.py`. */
import { useSignal } from "@preact/signals";
import { useEffect, useId, useMemo, useRef } from "preact/hooks";
import { Icon } from "../ui/icons";
import { formatBytes, plural } from "../ui/number";
import { Elsewhere, Here, NotTaken, Sending, UploadedBefore, type Arrived, type Arriving, type Before, type Preview } from "../ui/upload_entries";
import { endingsInWords, UploadQueue } from "../ui/upload_queue";
import type { WidgetProps } from "./_base";

/** What hovers over the widget: files, something that is no file, or nothing. */
type Hover = "" | "files" | "other";

/** In a drag only the kinds of things are known, not the files' names. */
function hovering(data: DataTransfer | null): Hover {
  if (!data) return "";
  return [...data.types].includes("Files") ? "files" : "other";
}

/** The dropped files, and the names of dropped folders, which cannot be sent. */
export function dropped(data: DataTransfer): { files: File[]; folders: string[] } {
  const files: File[] = [];
  const folders: string[] = [];
  for (const item of [...data.items]) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    const file = item.getAsFile();
    if (entry?.isDirectory) folders.push(entry.name);
    else if (file) files.push(file);
  }
  return { files, folders };
}

const endings = (accept: string[]): string =>
  accept.length <= 8 ? endingsInWords(accept) : "CSV, TSV, text, JSON, Parquet, Feather, Arrow and spreadsheet files";

/** As a file dialog takes them: it looks at what stands behind the last dot. */
const pickable = (accept: string[]): string =>
  [...new Set(accept.map((ending) => ending.slice(ending.lastIndexOf("."))))].join(",");

export function DataUpload({ ctx }: WidgetProps) {
  const limit = ctx.trait<number>("limit");
  const accept = ctx.trait<string[]>("accept");
  const arrived = ctx.trait<Arrived[]>("arrived").value;
  const arriving = ctx.trait<Arriving[]>("arriving").value;
  const before = ctx.trait<Before[] | undefined>("before_told").value;
  const picker = useRef<HTMLInputElement>(null);
  const hint = useId();
  const hover = useSignal<Hover>("");
  const said = useSignal("");
  const depth = useRef(0);
  const queue = useMemo(
    () =>
      new UploadQueue(
        (kind, body, options) => ctx.client.request(kind, body, options),
        () => ({ limit: limit.peek(), accept: accept.peek() }),
      ),
    [ctx],
  );
  useEffect(() => () => queue.close(), [queue]);

  const connection = ctx.connection.value;
  useEffect(() => queue.setConnected(connection === "live"), [queue, connection]);

  const items = queue.items.value;
  const mine = new Set(items.map(({ transfer }) => transfer.upload));
  const others = arriving.filter(({ upload, name }) => {
    // a file that waits for another page has a name of its own
    return !mine.has(upload) && !items.some(({ transfer: { file, ended } }) => !ended && file.name === name);
  });
  const locked = ctx.readOnly;

  // What a screen reader says: what is new of the files, not each step of a bar.
  const news = useRef(new Map<string, string>());
  useEffect(() => {
    const now = new Map<string, string>();
    for (const { sha256, name, state, rows, columns, error } of arrived) {
      const told = { reading: "has arrived", read: `has ${plural(rows, "row")} and ${plural(columns, "column")}`, unreadable: error };
      now.set(`${sha256} ${name}`, `${name}: ${told[state]}`);
    }
    for (const { key, transfer } of items) {
      const { name } = transfer.file;
      if (transfer.state.value === "failed") now.set(`${key}`, `${name} failed: ${transfer.message.value}`);
      if (transfer.state.value === "cancelled") now.set(`${key}`, `${name} was cancelled`);
      if (transfer.state.value === "away") now.set(`${key}`, `${name} waits for the connection`);
    }
    for (const { key, name, message } of queue.refused.value) now.set(`${key}`, `${name}: ${message}`);
    const fresh = [...now].filter(([key, words]) => news.current.get(key) !== words).map(([, words]) => words);
    news.current = now;
    if (fresh.length) said.value = fresh.join(". ");
  });

  function take(files: Iterable<File>, folders: string[] = []): void {
    if (locked) return;
    queue.add(files);
    folders.forEach((name) => queue.refuse(name, "It is a folder. Choose the files in it."));
  }

  function over(event: DragEvent): void {
    event.preventDefault();
    // JupyterLab would take the file for its own folder
    event.stopPropagation();
    hover.value = hovering(event.dataTransfer);
    if (event.dataTransfer) event.dataTransfer.dropEffect = hover.value === "files" && !locked ? "copy" : "none";
  }

  return (
    <section class="mw-card mw-upload" aria-label="Upload files">
      <div
        class={`mw-upload-zone${hover.value === "files" && !locked ? " mw-upload-over" : ""}${
          hover.value === "other" || (hover.value && locked) ? " mw-upload-refused" : ""
        }`}
        onDragEnter={(event) => {
          depth.current++;
          over(event);
        }}
        onDragOver={over}
        onDragLeave={() => {
          // leaving a child for its parent is no leaving
          if (--depth.current <= 0) {
            depth.current = 0;
            hover.value = "";
          }
        }}
        onDrop={(event) => {
          event.preventDefault();
          event.stopPropagation();
          depth.current = 0;
          hover.value = "";
          if (!event.dataTransfer) return;
          const { files, folders } = dropped(event.dataTransfer);
          take(files, folders);
        }}
      >
        <input
          ref={picker}
          type="file"
          class="mw-sr"
          multiple
          tabIndex={-1}
          aria-hidden="true"
          accept={pickable(accept.value)}
          onChange={({ currentTarget }) => {
            take([...(currentTarget.files ?? [])]);
            // the same file can be chosen again
            currentTarget.value = "";
          }}
        />
        <Icon name="up" />
        <div>
          {hover.value === "other" ? (
            <b>Only files can be dropped here</b>
          ) : hover.value ? (
            <b>{locked || "Drop to upload"}</b>
          ) : (
            <>
              Drop files here or{" "}
              <button
                class="mw-upload-choose"
                // not "disabled", which would drop the focus each time that the connection falters
                aria-disabled={locked ? true : undefined}
                title={locked}
                aria-describedby={hint}
                onClick={() => !locked && picker.current?.click()}
              >
                Choose files
              </button>
            </>
          )}
          <div class="mw-tiny" id={hint}>
            {endings(accept.value)}, up to {formatBytes(limit.value)} each
          </div>
        </div>
      </div>
      <ul class="mw-upload-list" aria-label="Files">
        {queue.refused.value.map((refused) => (
          <NotTaken key={`r${refused.key}`} refused={refused} onDismiss={() => queue.dismiss(refused.key)} />
        ))}
        {items.map(({ key, transfer }) => (
          <Sending
            key={`s${key}`}
            transfer={transfer}
            onDismiss={() => queue.dismiss(key)}
            onRetry={() => queue.retry(key)}
          />
        ))}
        {others.map((file) => (
          <Elsewhere key={file.upload} file={file} />
        ))}
        {[...arrived].reverse().map((file) => (
          <Here
            key={`${file.sha256} ${file.name}`}
            file={file}
            disabled={locked}
            read={(sha256, options) => ctx.client.request("upload.reread", { sha256, options })}
            load={async (sha256) => (await ctx.client.request("upload.preview", { sha256 })).body as Preview}
          />
        ))}
      </ul>
      <UploadedBefore
        files={before ?? []}
        disabled={locked}
        // a refusal is shown beside the widget
        adopt={({ sha256, name }) => void ctx.ask("upload.adopt", { sha256, name }).catch(() => undefined)}
      />
      <div class="mw-sr" role="status" aria-live="polite">
        {said.value}
      </div>
    </section>
  );
}
