/** Small glyphs on a 16 × 16 grid, drawn in the colour of the text around them. */
import type { JSX } from "preact";

const line = (d: string): JSX.Element => (
  <path d={d} fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" />
);

const GLYPHS = {
  play: <path d="M4 2.5l9 5.5-9 5.5z" />,
  pause: <path d="M3.5 3h3.2v10H3.5zM9.3 3h3.2v10H9.3z" />,
  stop: <rect x="3" y="3" width="10" height="10" rx="1" />,
  step: <path d="M3 3l7 5-7 5zM11 3h2.5v10H11z" />,
  undo: line("M6 3.5L2.5 7 6 10.5M2.5 7h7a3.5 3.5 0 0 1 0 7H7"),
  redo: line("M10 3.5L13.5 7 10 10.5M13.5 7h-7a3.5 3.5 0 0 0 0 7H9"),
  reset: line("M3.2 3v3.6h3.6M3.4 6.4A5.2 5.2 0 1 1 2.8 9"),
  plus: line("M8 3v10M3 8h10"),
  minus: line("M3 8h10"),
  trash: line("M2.5 4.5h11M6 4.5V2.8h4v1.7M4 4.5l.7 8.8h6.6l.7-8.8M6.7 7v4M9.3 7v4"),
  copy: line("M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3"),
  check: line("M3 8.5l3.5 3.5L13 4.5"),
  up: line("M8 13V3M4 7l4-4 4 4"),
  down: line("M8 3v10M4 9l4 4 4-4"),
  left: line("M13 8H3M7 4L3 8l4 4"),
  right: line("M3 8h10M9 4l4 4-4 4"),
  expanded: line("M4 6l4 4 4-4"),
  collapsed: line("M6 4l4 4-4 4"),
  code: line("M5 4L1.5 8 5 12M11 4l3.5 4L11 12"),
  close: line("M4 4l8 8M12 4l-8 8"),
  warning: (
    <path fill-rule="evenodd" d="M8 1.5l7 12.5H1zM7.2 6v4.2h1.6V6zm0 5.2v1.6h1.6v-1.6z" />
  ),
  info: <path fill-rule="evenodd" d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm-.9 3.2h1.8V6H7.1zm0 3h1.8v4.6H7.1z" />,
  error: (
    <path fill-rule="evenodd" d="M5 1h6l4 4v6l-4 4H5l-4-4V5zm.6 3.4L4.4 5.6 6.8 8l-2.4 2.4 1.2 1.2L8 9.2l2.4 2.4 1.2-1.2L9.2 8l2.4-2.4-1.2-1.2L8 6.8z" />
  ),
  progress: line("M2.5 3v10.5H14M5 10.5l3-3 2 1.5 3.5-4.5"),
  save: line("M8 2.5v7.5M4.5 7L8 10.5 11.5 7M2.5 13.5h11"),
  live: <path d="M9.5 1L3 9.2h4L6 15l7-8.6H8.6z" />,
  lock: line("M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5"),
  unlock: line("M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 4.8-1"),
  menu: <path d="M2 6.6h2.8v2.8H2zM6.6 6.6h2.8v2.8H6.6zM11.2 6.6H14v2.8h-2.8z" />,
  pen: line("M3 13l.7-3L11 2.8l2.2 2.2L6 12.3z"),
  link: line("M6.5 9.5l3-3M7 4.5l1.3-1.3a3.2 3.2 0 0 1 4.5 4.5L11.5 9M9 11.5l-1.3 1.3a3.2 3.2 0 0 1-4.5-4.5L4.5 7"),
  chat: line("M2.5 3h11v7.5h-6L4 13.5v-3H2.5z"),
  group: line("M5.5 2.5h-3v11h3M10.5 2.5h3v11h-3M5.5 6h5M5.5 10h5"),
  "open-in-tab": line("M7 3H3v10h10V9M9.5 2.5h4v4M13.5 2.5L7.5 8.5"),
} as const;

export type IconName = keyof typeof GLYPHS;

/** A glyph beside or instead of words; whatever holds it says in words what it does. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="mw-glyph" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {GLYPHS[name]}
    </svg>
  );
}
