/** The network as a picture of its own: drawn on a canvas from the same numbers, without the page's help. */
import type { Network } from "./layer_state";
import { arcs, shapeAt, states, straight } from "./layer_state";
import { formatBytes, grouped, plural } from "./number";

export const LARGEST_BYTES = 2 * 1024 * 1024;
/** Beyond this browsers refuse a canvas, or take its memory from elsewhere. */
const MOST_PIXELS = 16_000_000;
const SCALE = 2;
const PER_ROW = 8;
const BOX = { width: 124, height: 80 };
const GAP = 46;
const ROW = 50;
const PAD = 24;
const TITLE = 30;

export interface Colours {
  background: string;
  ink: string;
  quiet: string;
  line: string;
  brand: string;
  bad: string;
  font: string;
}

/** The theme's colours as the page has them. */
export function coloursOf(root: HTMLElement): Colours {
  const probe = document.createElement("span");
  root.append(probe);
  const of = (name: string, fallback: string): string => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color || fallback;
  };
  const told = {
    background: of("--mw-bg", "#fff"),
    ink: of("--mw-ink", "#111"),
    quiet: of("--mw-ink2", "#555"),
    line: of("--mw-line", "#ccc"),
    brand: of("--mw-brand", "#1976d2"),
    bad: of("--mw-bad", "#c62828"),
    font: getComputedStyle(root).fontFamily || "sans-serif",
  };
  probe.remove();
  return told;
}

interface Box {
  title: string;
  notes: string[];
  failing: boolean;
  dashed: boolean;
}

function boxesOf(network: Network): Box[] {
  const layers = states(network);
  const heads = network.heads ?? [];
  const said = network.task === "classification" ? plural(network.outputs, "class").replace("classs", "classes") : "1 number";
  return [
    { title: "Input", notes: [plural(network.inputs, "feature")], failing: false, dashed: false },
    ...layers.map((layer, k) => ({
      title: layer.name || layer.title,
      notes: [
        [layer.name ? layer.title : "", optionWords(layer.options)].filter(Boolean).join(" · "),
        layer.parameters ? `${grouped(layer.parameters)} · ${formatBytes(layer.bytes)}` : "",
        [layer.frozen ? "frozen" : "", layer.init.replaceAll("_", " ")].filter(Boolean).join(" · "),
      ].filter(Boolean),
      failing: network.failing === k,
      dashed: false,
    })),
    {
      title: heads.length > 1 ? plural(heads.length, "head") : "Head",
      notes: heads.length > 1 ? heads.map((head) => head.name || head.target || head.task) : [said, grouped(network.head.parameters)],
      failing: network.failing === -1,
      dashed: true,
    },
  ];
}

const optionWords = (options: Record<string, unknown>): string =>
  Object.values(options)
    .filter((value) => typeof value !== "object" || value === null)
    .map(String)
    .join(" · ");

/** Cut where it would not fit. */
function fitted(pen: CanvasRenderingContext2D, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text;
  let cut = text;
  while (cut.length > 1 && pen.measureText(`${cut}…`).width > width) cut = cut.slice(0, -1);
  return `${cut}…`;
}

/** The size of the picture before scaling. */
export function sizeOf(count: number): { width: number; height: number } {
  const columns = Math.min(PER_ROW, count);
  const rows = Math.ceil(count / PER_ROW);
  return { width: 2 * PAD + columns * BOX.width + (columns - 1) * GAP, height: 2 * PAD + TITLE + rows * (BOX.height + ROW) - ROW / 2 };
}

/** Draw the network, at twice its size or less where that would be too large. */
export function drawNetwork(network: Network, colours: Colours, scale = SCALE): HTMLCanvasElement {
  const boxes = boxesOf(network);
  const { width, height } = sizeOf(boxes.length);
  const factor = Math.min(scale, Math.sqrt(MOST_PIXELS / (width * height)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * factor);
  canvas.height = Math.round(height * factor);
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("This browser gives no canvas to draw on.");
  pen.scale(factor, factor);
  pen.fillStyle = colours.background;
  pen.fillRect(0, 0, width, height);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const place = (k: number): { x: number; y: number } => ({
    x: PAD + (k % PER_ROW) * (BOX.width + GAP),
    y: PAD + TITLE + 16 + Math.floor(k / PER_ROW) * (BOX.height + ROW),
  });
  const words = (text: string, x: number, y: number, size: number, colour: string, weight = 400, room = BOX.width - 10): void => {
    pen.font = `${weight} ${size}px ${colours.font}`;
    pen.fillStyle = colour;
    pen.fillText(fitted(pen, text, room), x, y);
  };
  const layers = states(network);
  const total = network.error === null ? `${plural(network.total_parameters, "parameter")} · ${formatBytes(network.total_bytes)}` : network.error;
  pen.textAlign = "left";
  words(total, PAD, PAD + 6, 13, network.error === null ? colours.ink : colours.bad, 600, width - 2 * PAD);
  pen.textAlign = "center";

  pen.lineWidth = 1.5;
  for (let k = 1; k < boxes.length; k++) {
    const [from, to] = [place(k - 1), place(k)];
    const flows = straight(network, layers, k - 1);
    pen.strokeStyle = colours.line;
    pen.setLineDash(flows ? [] : [2, 4]);
    pen.beginPath();
    const middle = from.y + BOX.height / 2;
    pen.moveTo(from.x + BOX.width, middle);
    if (to.y === from.y) pen.lineTo(to.x, middle);
    else {
      const between = from.y + BOX.height + 12;
      pen.lineTo(from.x + BOX.width + 10, middle);
      pen.lineTo(from.x + BOX.width + 10, between);
      pen.lineTo(to.x - 12, between);
      pen.lineTo(to.x - 12, to.y + BOX.height / 2);
      pen.lineTo(to.x, to.y + BOX.height / 2);
    }
    pen.stroke();
    pen.setLineDash([]);
    const shape = flows ? shapeAt(network, layers, k - 2) : "";
    if (to.y === from.y) words(shape, from.x + BOX.width + GAP / 2, middle + 10, 10, colours.quiet, 400, GAP - 4);
    else words(shape, from.x + BOX.width - 10, from.y + BOX.height + 20, 10, colours.quiet);
  }
  arcs(network, layers).forEach((arc, k) => {
    const [from, to] = [place(arc.from + 1), place(arc.to + 1)];
    const rise = 18 + 5 * (k % 3);
    const [x1, x2] = [from.x + BOX.width * 0.6, to.x + BOX.width * 0.4];
    pen.strokeStyle = colours.brand;
    pen.beginPath();
    pen.moveTo(x1, from.y);
    pen.bezierCurveTo(x1, from.y - rise, x2, to.y - rise, x2, to.y);
    pen.stroke();
    words(arc.shape, (x1 + x2) / 2, (from.y + to.y) / 2 - rise * 0.75 - 6, 10, colours.brand);
  });
  boxes.forEach((box, k) => {
    const { x, y } = place(k);
    pen.strokeStyle = box.failing ? colours.bad : colours.line;
    pen.lineWidth = box.failing ? 2 : 1.2;
    pen.setLineDash(box.dashed ? [4, 3] : []);
    pen.fillStyle = colours.background;
    pen.beginPath();
    if (pen.roundRect) pen.roundRect(x, y, BOX.width, BOX.height, 6);
    else pen.rect(x, y, BOX.width, BOX.height);
    pen.fill();
    pen.stroke();
    pen.setLineDash([]);
    const notes = box.notes.slice(0, 3);
    const first = y + BOX.height / 2 - notes.length * 7.5;
    words(box.failing ? `! ${box.title}` : box.title, x + BOX.width / 2, first, 12, box.failing ? colours.bad : colours.ink, 600);
    notes.forEach((note, n) => words(note, x + BOX.width / 2, first + 16 + 14 * n, 10.5, colours.quiet));
  });
  return canvas;
}

/** The picture as a PNG file, at most 2 MB. */
export async function pictureOf(network: Network, colours: Colours): Promise<Blob> {
  for (let scale = SCALE; scale > 0.1; scale *= 0.7) {
    const canvas = drawNetwork(network, colours, scale);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!blob) throw new Error("This browser could not write the picture.");
    if (blob.size <= LARGEST_BYTES) return blob;
  }
  throw new Error("The network is too large for a picture.");
}

