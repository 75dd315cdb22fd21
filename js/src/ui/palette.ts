/** Colours as numbers, for what CSS cannot draw: canvas and plotly. Every value comes from the --mw-* variables. */

export type Rgb = readonly [number, number, number];

/** The surface and what is written on it, as the theme of the moment computes them. */
export interface Palette {
  bg: Rgb;
  ink: Rgb;
  ink2: Rgb;
  ink3: Rgb;
  line: Rgb;
  grid: Rgb;
  /** Of class or series 0 to 7. */
  series: Rgb[];
}

const SERIES = 8;
const NAMES = ["bg", "ink", "ink2", "ink3", "line", "bg3"] as const;

/** Read the palette that holds at an element. */
export function readPalette(el: Element): Palette {
  const probe = document.createElement("span");
  probe.style.display = "none";
  el.append(probe);
  const read = (name: string): Rgb => {
    probe.style.color = `var(--mw-${name})`;
    return parseColour(getComputedStyle(probe).color);
  };
  const [bg, ink, ink2, ink3, line, grid] = NAMES.map(read) as [Rgb, Rgb, Rgb, Rgb, Rgb, Rgb];
  const series = Array.from({ length: SERIES }, (_, k) => read(`c${k}`));
  probe.remove();
  return { bg, ink, ink2, ink3, line, grid, series };
}

/** Parse what `getComputedStyle` says of a colour: rgb(…), color(srgb …), #rrggbb; else ask a canvas. */
export function parseColour(text: string): Rgb {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  if (hex) return [parseInt(hex[1]!, 16), parseInt(hex[2]!, 16), parseInt(hex[3]!, 16)];
  const rgb = /^rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)/.exec(text);
  if (rgb) return [Number(rgb[1]), Number(rgb[2]), Number(rgb[3])];
  const srgb = /^color\(srgb\s+([\d.e-]+)\s+([\d.e-]+)\s+([\d.e-]+)/.exec(text);
  if (srgb) return [1, 2, 3].map((k) => Math.round(255 * Number(srgb[k]))) as unknown as Rgb;
  return paintedColour(text);
}

function paintedColour(text: string): Rgb {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext?.("2d");
  if (!pen) return [0, 0, 0];
  pen.fillStyle = text;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
  return [r ?? 0, g ?? 0, b ?? 0];
}

export const css = ([r, g, b]: Rgb): string => `rgb(${Math.round(r)}, ${Math.round(g)}, ${Math.round(b)})`;

/** What `colour` gives on `surface` at an opacity of `share`. */
export function mix(colour: Rgb, surface: Rgb, share: number): Rgb {
  return [0, 1, 2].map((k) => colour[k]! * share + surface[k]! * (1 - share)) as unknown as Rgb;
}

/** The colour of class or series `index`; it repeats after eight, the mark after eleven. */
export const seriesColour = (palette: Palette, index: number): Rgb => palette.series[index % SERIES]!;

function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((c) => {
    const part = c / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

/** Contrast ratio of two colours, 1 to 21 (WCAG 2.2). */
export function contrast(one: Rgb, other: Rgb): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** The darker of ink and surface: what shows on any of the series' colours. */
export const dark = (palette: Palette): Rgb =>
  luminance(palette.ink) < luminance(palette.bg) ? palette.ink : palette.bg;

/** `colour` moved towards the ink until text in it reaches a contrast of `least` on the surface. */
export function readable(colour: Rgb, palette: Palette, least = 4.5): Rgb {
  for (let share = 1; share > 0; share -= 0.05) {
    const mixed = mix(colour, palette.ink, share);
    if (contrast(mixed, palette.bg) >= least) return mixed;
  }
  return palette.ink;
}

/** 256 colours from the least to the largest value of a quantity, dark ink on a light surface and the other way. */
export function ramp(palette: Palette): Rgb[] {
  const colour = palette.series[0]!;
  const stops: Rgb[] = [
    mix(colour, palette.bg, 0.06),
    mix(colour, palette.bg, 0.4),
    colour,
    mix(colour, palette.ink, 0.45),
  ];
  return Array.from({ length: 256 }, (_, k) => {
    const at = (k / 255) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    return mix(stops[low + 1]!, stops[low]!, at - low);
  });
}

const polygon = (corners: number, radius: number, turn: number): string =>
  Array.from({ length: corners }, (_, k) => {
    const angle = turn + (k * 2 * Math.PI) / corners - Math.PI / 2;
    return `${(radius * Math.cos(angle)).toFixed(2)} ${(radius * Math.sin(angle)).toFixed(2)}`;
  }).join("L");

const star = (corners: number, radius: number): string =>
  Array.from({ length: 2 * corners }, (_, k) => {
    const reach = k % 2 ? radius * 0.45 : radius;
    const angle = (k * Math.PI) / corners - Math.PI / 2;
    return `${(reach * Math.cos(angle)).toFixed(2)} ${(reach * Math.sin(angle)).toFixed(2)}`;
  }).join("L");

/** The outlines, around 0, of the marks that `medilytica_widgets.figures.symbol` names in the same order. */
const SYMBOLS: ((r: number) => string)[] = [
  (r) => `M${-r} 0A${r} ${r} 0 1 0 ${r} 0A${r} ${r} 0 1 0 ${-r} 0Z`,
  (r) => `M${polygon(4, r * 1.2, Math.PI / 4)}Z`,
  (r) => `M${polygon(4, r * 1.25, 0)}Z`,
  (r) => `M${polygon(3, r * 1.3, 0)}Z`,
  (r) => `M${polygon(3, r * 1.3, Math.PI)}Z`,
  (r) => `M${polygon(5, r * 1.15, 0)}Z`,
  (r) => `M${polygon(6, r * 1.15, 0)}Z`,
  (r) => `M${star(5, r * 1.45)}Z`,
  (r) => `M${polygon(3, r * 1.3, -Math.PI / 2)}Z`,
  (r) => `M${polygon(3, r * 1.3, Math.PI / 2)}Z`,
  (r) => `M${star(4, r * 1.45)}Z`,
];

/** The outline of class `index` as an SVG path around 0, so that colour is never the only carrier. */
export const symbolPath = (index: number, radius: number): string => SYMBOLS[index % SYMBOLS.length]!(radius);
