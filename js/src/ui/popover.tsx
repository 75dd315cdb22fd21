/** A menu or a note above everything else on the page, beside the button that opened it. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Icon, type IconName } from "./icons";

const EDGE = 6;

interface PopoverProps {
  /** What it stands beside. */
  anchor: HTMLElement;
  label: string;
  role?: "menu" | "dialog";
  close: (refocus: boolean) => void;
  children: ComponentChildren;
}

/** Closes on Escape, on a press elsewhere and when the page scrolls away from under it. */
export function Popover({ anchor, label, role = "dialog", close, children }: PopoverProps) {
  const box = useRef<HTMLDivElement>(null);
  const latest = useRef(close);
  latest.current = close;
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    // the top layer lies above every clipped cell; where there is none the menu stands in the widget
    if (element.showPopover) element.showPopover();
    const place = (): void => {
      const at = anchor.getBoundingClientRect();
      const own = element.getBoundingClientRect();
      const left = Math.max(EDGE, Math.min(at.left, innerWidth - own.width - EDGE));
      const below = at.bottom + 4;
      const top = below + own.height > innerHeight - EDGE ? Math.max(EDGE, at.top - own.height - 4) : below;
      element.style.left = `${left}px`;
      element.style.top = `${top}px`;
    };
    place();
    const sized = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(place);
    sized?.observe(element);
    const pressed = (event: Event): void => {
      const target = event.target as Node;
      if (!element.contains(target) && !anchor.contains(target)) latest.current(false);
    };
    const scrolled = (event: Event): void => {
      if (!element.contains(event.target as Node)) place();
    };
    document.addEventListener("pointerdown", pressed, true);
    document.addEventListener("scroll", scrolled, true);
    addEventListener("resize", place);
    return () => {
      sized?.disconnect();
      document.removeEventListener("pointerdown", pressed, true);
      document.removeEventListener("scroll", scrolled, true);
      removeEventListener("resize", place);
    };
  }, [anchor]);
  useLayoutEffect(() => {
    const first = box.current?.querySelector<HTMLElement>("[data-first], [role^=menuitem]:not([disabled])");
    (first ?? box.current)?.focus();
  }, []);
  return (
    <div
      ref={box}
      class="mw-popover"
      popover="manual"
      role={role}
      aria-label={label}
      tabIndex={-1}
      onClick={(event) => event.stopPropagation()}
      onPointerDown={(event) => event.stopPropagation()}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key !== "Escape" && !(role === "menu" && event.key === "Tab")) return;
        event.preventDefault();
        close(true);
      }}
    >
      {children}
    </div>
  );
}

export interface MenuItem {
  label: string;
  act: () => void;
  icon?: IconName;
  /** The key that does the same from the box. */
  keys?: string;
  /** Present for what is on or off. */
  checked?: boolean;
  /** Why it is not possible; empty where it is. */
  off?: string;
  /** The menu stays open after it. */
  stays?: boolean;
}

/** A list of things to do, walked by arrows and by first letters. */
export function Menu({ anchor, label, entries, close, note }: {
  anchor: HTMLElement;
  label: string;
  entries: MenuItem[];
  close: (refocus: boolean) => void;
  note?: string;
}) {
  const walk = (event: KeyboardEvent): void => {
    const list = event.currentTarget as HTMLElement;
    const buttons = [...list.querySelectorAll<HTMLButtonElement>("button:not(:disabled)")];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const letter = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey ? event.key.toLowerCase() : "";
    const rest = [...buttons.slice(at + 1), ...buttons.slice(0, at + 1)];
    const next =
      event.key === "ArrowDown" ? rest[0]
      : event.key === "ArrowUp" ? (at <= 0 ? buttons.at(-1) : buttons[at - 1])
      : event.key === "Home" ? buttons[0]
      : event.key === "End" ? buttons.at(-1)
      : letter && letter !== " " ? rest.find((button) => button.dataset.label?.startsWith(letter))
      : undefined;
    if (!next) return;
    event.preventDefault();
    next.focus();
  };
  return (
    <Popover anchor={anchor} label={label} role="menu" close={close}>
      <div class="mw-menu" role="presentation" onKeyDown={walk}>
        {note && <p class="mw-tiny mw-menu-note">{note}</p>}
        {entries.map((entry) => (
          <button
            key={entry.label}
            role={entry.checked === undefined ? "menuitem" : "menuitemcheckbox"}
            aria-checked={entry.checked}
            aria-keyshortcuts={entry.keys}
            data-label={entry.label.toLowerCase()}
            disabled={!!entry.off}
            title={entry.off || undefined}
            tabIndex={-1}
            onClick={() => {
              if (!entry.stays) close(true);
              entry.act();
            }}
          >
            <span class="mw-menu-icon">
              {entry.checked ? <Icon name="check" /> : entry.icon && <Icon name={entry.icon} />}
            </span>
            <span class="mw-menu-words">{entry.label}</span>
            {entry.keys && <kbd aria-hidden="true">{entry.keys}</kbd>}
          </button>
        ))}
      </div>
    </Popover>
  );
}
