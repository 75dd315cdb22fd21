/** One layer of the builder's row: its kind, the options one turns most, what it costs. */
import type { RefObject } from "preact";
import { useState } from "preact/hooks";
import type { Scalar } from "../wire/messages";
import { NumberBox, problemOf, type Problem } from "./field";
import { Icon } from "./icons";
import { useLatest } from "./latest";
import { coarseStep, grouped, type Parameter } from "./number";

export interface LayerKind {
  kind: string;
  name: string;
  help: string;
  parameters: Parameter[];
}

/** A row of `Analysis`, with the layer's own options. */
export interface LayerState {
  kind: string;
  name: string;
  options: Record<string, Scalar>;
  output: number | null;
  parameters: number;
  error: string;
}

export const optionOf = (layer: LayerState, p: Parameter): Scalar => layer.options[p.id] ?? p.default;

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
  /** How far a drag has moved it. */
  shift: { dx: number; dy: number } | null;
  hold: RefObject<(HTMLElement | null)[]>;
  update: (options: Record<string, Scalar>) => Promise<unknown>;
  onProblem: (problem: Problem | null) => void;
  onSelect: () => void;
  onFocus: () => void;
  onKeyDown: (event: KeyboardEvent) => void;
  onPointerDown: (event: PointerEvent) => void;
}

/** What assistive technology says of a layer. */
export function layerWords(layer: LayerState, index: number, count: number): string {
  const options = Object.entries(layer.options).map(([name, value]) => `${name} ${value}`);
  return [
    `Layer ${index + 1} of ${count}: ${layer.name}`,
    ...options,
    `${layer.parameters} parameters`,
    layer.output === null ? "output unknown" : `output ${layer.output}`,
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
  return (
    <div
      ref={(element) => {
        if (props.hold.current) props.hold.current[index] = element;
      }}
      class={`mw-layer${selected ? " mw-selected" : ""}${failing ? " mw-failing" : ""}${shift ? " mw-dragging" : ""}`}
      role="group"
      aria-roledescription="layer"
      aria-label={layerWords(layer, index, count)}
      aria-describedby={props.describedBy}
      aria-current={selected || undefined}
      data-layer={index}
      data-kind={layer.kind}
      tabIndex={tabIndex}
      style={shift ? { transform: `translate(${shift.dx}px, ${shift.dy}px)` } : undefined}
      onClick={props.onSelect}
      onFocusIn={props.onFocus}
      onKeyDown={props.onKeyDown}
      onPointerDown={props.onPointerDown}
    >
      <b class="mw-layer-name">
        {failing && <Icon name="warning" />} {layer.name}
      </b>
      {numeric && <Stepper {...common(numeric)} />}
      <span class="mw-layer-note mw-tiny">
        {choice && (
          <span class="mw-choice">
            <Choice {...common(choice)} />
          </span>
        )}
        {layer.parameters > 0 && (
          <span title={`${grouped(layer.parameters)} parameters`}>
            {choice && "· "}
            {grouped(layer.parameters)}
          </span>
        )}
      </span>
    </div>
  );
}
