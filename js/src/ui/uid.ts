/** Ids that are unique on the page: one model may be shown by several views. */
import { useMemo } from "preact/hooks";

let views = 0;

export const useUid = (): string => useMemo(() => `mw-${++views}`, []);
