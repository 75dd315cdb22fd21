/** Plotly figures in the colours of JupyterLab's theme. */
import { css, readPalette, type Palette } from "./palette";

/** The little that is needed of plotly's layout; figures come from `medilytica_widgets.figures`. */
export type Layout = Record<string, any>;

export interface Figure {
  data: Record<string, any>[];
  layout: Layout;
}

export const PLOTLY_CONFIG = {
  displaylogo: false,
  responsive: false,
  // The widget sets the ranges itself, so it also undoes a zoom itself.
  doubleClick: false,
  scrollZoom: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

function themedAxis(axis: Layout, palette: Palette): Layout {
  const title = axis.title ?? {};
  return {
    ...axis,
    title: { ...title, font: { ...title.font, color: css(palette.ink2) } },
    gridcolor: css(palette.grid),
    linecolor: css(palette.line),
    tickfont: { ...axis.tickfont, color: css(palette.ink3) },
  };
}

/** Return a layout with every colour taken from the palette; sizes and words stay. */
export function themedLayout(layout: Layout, palette: Palette): Layout {
  const title = layout.title ?? {};
  const font = { ...layout.font, color: css(palette.ink) };
  return {
    ...layout,
    title: { ...title, font: { ...title.font, color: css(palette.ink2) } },
    font,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: {
      bgcolor: css(palette.bg),
      bordercolor: css(palette.line),
      font: { ...font, size: 12 },
    },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css(palette.ink3), activecolor: css(palette.ink) },
    xaxis: themedAxis(layout.xaxis ?? {}, palette),
    yaxis: themedAxis(layout.yaxis ?? {}, palette),
  };
}

/**
 * Call back with the palette at `el`, now and whenever the theme changes; returns the function that stops.
 * A theme's style sheet may arrive after its name, so the colours are read once more a little later.
 */
export function watchPalette(el: Element, changed: (palette: Palette) => void): () => void {
  let seen = "";
  const read = (): void => {
    const palette = readPalette(el);
    const key = JSON.stringify(palette);
    if (key === seen) return;
    seen = key;
    changed(palette);
  };
  const timers = new Set<ReturnType<typeof setTimeout>>();
  const soon = (delay: number): void => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      read();
    }, delay);
    timers.add(timer);
  };
  const observer = new MutationObserver(() => [0, 150, 600].forEach(soon));
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class"],
  });
  read();
  return () => {
    observer.disconnect();
    timers.forEach(clearTimeout);
  };
}
