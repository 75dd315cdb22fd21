/** The table's keys, those of a spreadsheet. */
import type { GridTableProps } from "./grid_table";

export function gridKeys(
  props: GridTableProps,
  page: number,
  go: (row: number, column: number, extend?: boolean) => void,
): (event: KeyboardEvent) => void {
  const { source, columns, widths, active } = props;
  return (event) => {
    const { row, column } = active;
    const far = event.ctrlKey || event.metaKey;
    const inHeader = row < 0;
    if (!act()) return;
    event.preventDefault();
    event.stopPropagation();

    /** Do what the key says; false where it is not ours. */
    function act(): boolean {
      if (inHeader && event.altKey && event.key === "ArrowDown") return done(() => props.onMenu(column));
      if (event.altKey) return false;
      if (inHeader && event.shiftKey && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
        return done(() => props.onWidth(column, widths[column]! + (event.key === "ArrowRight" ? 16 : -16)));
      }
      if (inHeader && (event.key === "Enter" || event.key === " ")) return done(() => props.onSort(columns[column]!.name, event.shiftKey));
      if (event.key === " " && event.shiftKey) return done(() => props.onSelect(row, far ? "more" : "only"));
      if (far && event.key.toLowerCase() === "a") return done(() => props.onSelect(0, "all"));
      if (props.editable && !inHeader) {
        if (far && event.key.toLowerCase() === "z") return done(props.onUndo);
        if (!far && (event.key === "F2" || event.key === "Enter")) return done(() => props.onEdit({ row, column }));
        if (!far && event.key === "Delete") return done(props.onClear);
      }
      const last = source.total.peek() - 1;
      const target: Record<string, [number, number]> = {
        ArrowUp: far ? [Math.min(row, 0), column] : [row - 1, column],
        ArrowDown: far ? [last, column] : [row + 1, column],
        ArrowLeft: [row, far ? 0 : column - 1],
        ArrowRight: [row, far ? columns.length - 1 : column + 1],
        PageUp: [inHeader ? row : Math.max(0, row - page), column],
        PageDown: [row + page, column],
        Home: far ? [0, 0] : [row, 0],
        End: far ? [last, columns.length - 1] : [row, columns.length - 1],
      };
      const place = target[event.key];
      if (!place) return false;
      // a block never reaches into the header
      return done(() => go(event.shiftKey && !inHeader ? Math.max(0, place[0]) : place[0], place[1], event.shiftKey && !inHeader));
    }
  };
}

function done(work: () => void): true {
  work();
  return true;
}
