/** One layer of the builder's row: its kind, the options one turns most, what it costs. */
import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Scalar } from "../wire/messages";
import { NumberBox, problemOf, type Problem } from "./field";
import { Icon } from "./icons";
import { useLatest } from "./latest";
import { optionOf, shapeText, type LayerKind, type LayerState } from "./layer_state";
import { coarseStep, formatBytes, grouped, type Parameter } from "./number";

interface OptionProps {
  parameter: Parameter;
  value: Scalar;
  label: string;
  /** "layer 2", for the names of its buttons. */
  place: string;
  off: string;
  tabIndex: number;
  invalid: boolean;
  send: (value: Scalar) => Promise<unknown>;
  onProblem: (problem: Problem | null) => void;
}

function Stepper({ parameter: p, value, label, place, off, tabIndex, invalid, send, ...props }: OptionProps) {
  const [wrong, setWrong] = useState(false);
  const onProblem = (problem: Problem | null): void => {
    setWrong(problem !== null);
    props.onProblem(problem);
  };
  const { shown, push } = useLatest<Scalar>(value, send, (error) => onProblem(problemOf(error)));
  const [cleared, setCleared] = useState(0);
  const number = typeof shown === "number" ? shown : Number(p.default);
  const step = (direction: 1 | -1): void => {
    setCleared((n) => n + 1);
    onProblem(null);
    push(coarseStep(p, number, direction));
  };
  const button = (direction: 1 | -1, words: string) => (
    <button
      class="mw-step"
      tabIndex={tabIndex}
      aria-label={`${words} ${p.label}, ${place}`}
      title={off || `${words} ${p.label}`}
      disabled={!!off || (direction < 0 ? number <= (p.low ?? -Infinity) : number >= (p.high ?? Infinity))}
      onClick={() => step(direction)}
    >
      <Icon name={direction < 0 ? "minus" : "plus"} />
    </button>
  );
  return (
    <span class="mw-stepper">
      {button(-1, "Less")}
      <NumberBox
        parameter={p}
        value={typeof shown === "number" ? shown : null}
        label={label}
        off={off}
        lenient
        pause={0}
        tabIndex={tabIndex}
        invalid={invalid || wrong}
        clear={cleared}
        step={(from, direction) => coarseStep(p, from, direction)}
        onValue={push}
        onProblem={onProblem}
      />
      {button(1, "More")}
    </span>
  );
}

function Choice({ parameter: p, value, label, off, tabIndex, send, onProblem }: OptionProps) {
  const { shown, push } = useLatest<Scalar>(value, send, (error) => onProblem(problemOf(error)));
  return (
    <select
      class="mw-layer-choice"
      aria-label={label}
      tabIndex={tabIndex}
      title={off || p.label}
      disabled={!!off}
      value={String(shown)}
      onChange={(event) => {
        onProblem(null);
        push(event.currentTarget.value);
      }}
    >
      {p.choices.map((choice) => (
        <option key={choice} value={choice}>
          {choice.replaceAll("_", " ")}
        </option>
      ))}
    </select>
  );
}

/** The layer's name, typed in place; Enter takes it, Escape leaves the old one. */
function NameBox({ layer, label, send, onProblem, close }: {
  layer: LayerState;
  label: string;
  send: (name: string) => Promise<unknown>;
  onProblem: (problem: Problem | null) => void;
  close: (refocus: boolean) => void;
}) {
  const [wrong, setWrong] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const under = useRef(false);
  // before the next key comes, which would else be one of the box's own
  useLayoutEffect(() => {
    input.current?.focus();
    input.current?.select();
  }, []);
  const take = async (refocus: boolean): Promise<void> => {
    const name = input.current?.value.trim() ?? "";
    if (under.current) return;
    if (name === layer.name) {
      onProblem(null);
      close(refocus);
      return;
    }
    under.current = true;
    try {
      await send(name);
      onProblem(null);
      close(refocus);
    } catch (error) {
      setWrong(true);
      onProblem(problemOf(error));
    } finally {
      under.current = false;
    }
  };
  return (
    <input
      ref={input}
      class="mw-name-box"
      aria-label={label}
      aria-invalid={wrong || undefined}
      maxLength={80}
      autocomplete="off"
      spellcheck={false}
      placeholder={layer.title}
      defaultValue={layer.name}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Enter") void take(true);
        else if (event.key === "Escape") {
          onProblem(null);
          close(true);
        } else return;
        event.preventDefault();
      }}
      onBlur={() => void take(false)}
    />
  );
}

export interface LayerBoxProps {
  layer: LayerState;
  kind: LayerKind | undefined;
  index: number;
  count: number;
  /** The box the keyboard is at; its controls alone are tab stops. */
  current: boolean;
  selected: boolean;
  failing: boolean;
  off: string;
  describedBy: string;
  /** The sources other than the box before, by name; `known` where a layer of that name stands before. */
  from: { name: string; known: boolean }[];
  /** Whether its name is being typed. */
  naming: boolean;
  /** How far a drag has moved it. */
  shift: { dx: number; dy: number } | null;
  hold: RefObject<(HTMLElement | null)[]>;
  update: (options: Record<string, Scalar>) => Promise<unknown>;
  rename: (name: string) => Promise<unknown>;
  stopNaming: (refocus: boolean) => void;
  disconnect: (name: string) => void;
  onProblem: (problem: Problem | null) => void;
  onSelect: (event: MouseEvent) => void;
  onName: () => void;
  onMenu: (anchor: HTMLElement) => void;
  onFocus: () => void;
  onKeyDown: (event: KeyboardEvent) => void;
  onPointerDown: (event: PointerEvent) => void;
}

const said = (value: unknown): string => (typeof value === "object" ? JSON.stringify(value) : String(value));

/** What assistive technology says of a layer. */
export function layerWords(layer: LayerState, index: number, count: number): string {
  const options = Object.entries(layer.options).map(([name, value]) => `${name} ${said(value)}`);
  return [
    `Layer ${index + 1} of ${count}: ${layer.name ? `${layer.name}, ` : ""}${layer.title}`,
    ...options,
    ...(layer.inputs.length ? [`takes input from ${layer.inputs.join(" and ")}`] : []),
    `${layer.parameters} parameters`,
    ...(layer.init ? [`begins ${layer.init.replaceAll("_", " ")}`] : []),
    ...(layer.frozen ? ["frozen"] : []),
    layer.shape === null ? "output unknown" : `output ${shapeText(layer.shape)}`,
    ...(layer.error ? ["cannot be built"] : []),
  ].join(", ");
}

export function LayerBox(props: LayerBoxProps) {
  const { layer, kind, index, count, current, selected, failing, off, shift } = props;
  const tabIndex = current ? 0 : -1;
  const numeric = kind?.parameters.find((p) => p.kind === "int" || p.kind === "float");
  const choice = kind?.parameters.find((p) => p.kind === "choice");
  const common = (p: Parameter) => ({
    parameter: p,
    value: optionOf(layer, p),
    label: `Layer ${index + 1} ${p.label}`,
    place: `layer ${index + 1}`,
    off,
    tabIndex,
    invalid: failing,
    send: (value: Scalar) => props.update({ [p.id]: value }),
    onProblem: props.onProblem,
  });
  const className = typeof layer.options.class_ === "string" ? layer.options.class_ : "";
  return (
    <div
      ref={(element) => {
        if (props.hold.current) props.hold.current[index] = element;
      }}
      class={`mw-layer${selected ? " mw-selected" : ""}${failing ? " mw-failing" : ""}${shift ? " mw-dragging" : ""}${layer.frozen ? " mw-frozen" : ""}`}
      role="group"
      aria-roledescription="layer"
      aria-label={layerWords(layer, index, count)}
      aria-describedby={props.describedBy}
      aria-current={selected || undefined}
      data-layer={index}
      data-at={`layer:${index + 1}`}
      data-kind={layer.kind}
      tabIndex={tabIndex}
      style={shift ? { transform: `translate(${shift.dx}px, ${shift.dy}px)` } : undefined}
      onClick={props.onSelect}
      onFocusIn={props.onFocus}
      onKeyDown={props.onKeyDown}
      onPointerDown={props.onPointerDown}
    >
      {props.naming ? (
        <NameBox layer={layer} label={`Name of layer ${index + 1}`} send={props.rename} onProblem={props.onProblem} close={props.stopNaming} />
      ) : (
        <b class="mw-layer-name" title={layer.name ? `${layer.name}: ${layer.title}` : layer.title} onDblClick={() => !off && props.onName()}>
          {failing && <Icon name="warning" />} {layer.name || className || layer.title}
        </b>
      )}
      <button
        class="mw-icon mw-quiet mw-layer-menu"
        tabIndex={tabIndex}
        aria-label={`Menu of layer ${index + 1}`}
        aria-haspopup="menu"
        title={off || "What can be done with this layer"}
        disabled={!!off}
        onClick={(event) => {
          event.stopPropagation();
          props.onMenu(event.currentTarget);
        }}
      >
        <Icon name="menu" />
      </button>
      {layer.name && <span class="mw-layer-kind mw-tiny">{className || layer.title}</span>}
      {numeric && <Stepper key={`${layer.kind} ${numeric.id}`} {...common(numeric)} />}
      {choice && (
        <span class="mw-layer-note mw-tiny">
          <span class="mw-choice">
            <Choice key={`${layer.kind} ${choice.id}`} {...common(choice)} />
          </span>
        </span>
      )}
      {layer.parameters > 0 && (
        <span class="mw-layer-note mw-tiny" title={`${grouped(layer.parameters)} parameters, ${formatBytes(layer.bytes)} of memory`}>
          {grouped(layer.parameters)} · {formatBytes(layer.bytes)}
        </span>
      )}
      {props.from.length > 0 && (
        <span class="mw-layer-chips">
          {props.from.map(({ name, known }) => (
            <span key={name} class={`mw-chip${known ? "" : " mw-chip-lost"}`} title={known ? `takes input from ${name}` : `there is no layer ${name} before this one`}>
              <span class="mw-chip-words">from {name}</span>
              <button
                tabIndex={tabIndex}
                aria-label={`Disconnect ${name} from layer ${index + 1}`}
                title={off || `no longer take input from ${name}`}
                disabled={!!off}
                onClick={(event) => {
                  event.stopPropagation();
                  props.disconnect(name);
                }}
              >
                ×
              </button>
            </span>
          ))}
        </span>
      )}
      {(layer.frozen || layer.init) && (
        <span class="mw-layer-note mw-tiny mw-layer-badges">
          {layer.frozen && (
            <span title="Its weights stay as they are while the network trains">
              <Icon name="lock" /> frozen
            </span>
          )}
          {layer.init && <span title="How its weights begin">{layer.init.replaceAll("_", " ")}</span>}
        </span>
      )}
    </div>
  );
}
