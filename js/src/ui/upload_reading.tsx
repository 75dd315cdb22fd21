/** "Read it differently": a small form that says how an uploaded file is written, where the detection is wrong. */
import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import type { Arrived } from "./upload_entries";

export type Options = Record<string, string | number | null>;

const TEXTS = /\.(csv|tsv|txt|tab|dat|data)(\.gz)?$|\.zip$/i;
const SHEETS = /\.(xlsx|xlsm|xlsb|xls|ods)$/i;

interface Choice {
  label: string;
  value: string | number | null;
}

const DELIMITERS: Choice[] = [
  { label: "comma ,", value: "," },
  { label: "semicolon ;", value: ";" },
  { label: "tab", value: "\t" },
  { label: "pipe |", value: "|" },
  { label: "blanks", value: "\\s+" },
  { label: "colon :", value: ":" },
];
const DECIMALS: Choice[] = [
  { label: "point 1.5", value: "." },
  { label: "comma 1,5", value: "," },
];
const QUOTES: Choice[] = [
  { label: '"', value: '"' },
  { label: "'", value: "'" },
  { label: "none", value: "" },
];
const HEADERS: Choice[] = [
  { label: "no names", value: null },
  ...["first", "second", "third", "fourth", "fifth"].map((word, value) => ({ label: `${word} row`, value })),
];
const COMMENTS: Choice[] = [
  ...["#", "%", "//", ";", "!"].map((value) => ({ label: value, value })),
  { label: "none", value: "" },
];
const ENCODINGS = "utf-8 utf-16 latin-1 cp1252 iso8859-15 cp437 cp850 cp1250 cp1251 shift_jis gb18030 euc-kr mac-roman".split(" ");

/** The fields that say something of such a file, with what can be chosen; none for files that say it themselves. */
export function fieldsOf(file: Arrived): [string, string, Choice[]][] {
  if (SHEETS.test(file.name)) {
    const sheets = (file.sheets ?? []).map((value) => ({ label: value, value }));
    return [
      ...(sheets.length ? ([["sheet", "Sheet", sheets]] as [string, string, Choice[]][]) : []),
      ["header", "Names", HEADERS],
    ];
  }
  if (!TEXTS.test(file.name)) return [];
  return [
    ["delimiter", "Cells are divided by", DELIMITERS],
    ["decimal", "Decimals", DECIMALS],
    ["quotechar", "Cells are enclosed in", QUOTES],
    ["header", "Names", HEADERS],
    ["encoding", "Encoding", ENCODINGS.map((value) => ({ label: value, value }))],
    ["comment", "Comment lines begin with", COMMENTS],
  ];
}

/** A file's options as keyword arguments of Python. */
export function asPython(options: Options): string {
  const quoted = (value: string | number | null): string =>
    value === null ? "None" : typeof value === "number" ? String(value) : JSON.stringify(value);
  return Object.entries(options)
    .map(([name, value]) => `, ${name}=${quoted(value)}`)
    .join("");
}

interface Props {
  file: Arrived;
  disabled: string;
  read: (options: Options) => Promise<unknown>;
}

export function ReadDifferently({ file, disabled, read }: Props) {
  const id = useId();
  const failure = useSignal("");
  const busy = useSignal(false);
  const options = file.options ?? {};
  const found = file.found ?? {};

  async function change(name: string, value: Choice["value"] | undefined): Promise<void> {
    const next: Options = { ...options };
    if (value === undefined) delete next[name];
    else next[name] = value;
    failure.value = "";
    busy.value = true;
    try {
      await read(next);
    } catch (error) {
      failure.value = (error as Error).message;
    } finally {
      busy.value = false;
    }
  }

  return (
    <div class="mw-upload-reading" role="group" aria-label={`How ${file.name} is read`}>
      {fieldsOf(file).map(([name, label, choices]) => {
        const known = name in options ? choices.findIndex(({ value }) => value === options[name]) : -1;
        const told = name in found ? choices.find(({ value }) => value === found[name]) : undefined;
        const said = told?.label ?? (typeof found[name] === "string" ? String(found[name]) : "");
        // of a file that is read by hand only what is not said by hand was detected
        const detected = said && !(name in options) ? `detected: ${said}` : "as detected";
        return (
          <div key={name}>
            <label for={`${id}-${name}`}>{label}</label>
            <select
              id={`${id}-${name}`}
              // not "disabled" while it is read, which would drop the focus
              aria-disabled={busy.value || disabled ? true : undefined}
              title={disabled}
              value={name in options ? String(known) : ""}
              onChange={({ currentTarget }) => {
                const at = currentTarget.value;
                if (!disabled) void change(name, at === "" ? undefined : choices[Number(at)]?.value);
              }}
            >
              <option value="">{detected}</option>
              {choices.map((choice, at) => (
                <option key={at} value={String(at)}>
                  {choice.label}
                </option>
              ))}
              {name in options && known < 0 && <option value="-1">{String(options[name])}</option>}
            </select>
          </div>
        );
      })}
      {failure.value && (
        <div class="mw-upload-wrong" role="alert">
          {failure.value}
        </div>
      )}
      {Object.keys(options).length > 0 && (
        <p class="mw-tiny">
          upload.dataset() reads it so. Without this widget:{" "}
          <code>
            mw.load_dataset({JSON.stringify(file.name)}
            {asPython(options)})
          </code>
        </p>
      )}
    </div>
  );
}
