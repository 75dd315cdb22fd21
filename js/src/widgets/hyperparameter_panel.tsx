/** The knobs of the chosen algorithm; the Python side is `medilytica_widgets/widgets/hyperparameter_panel.py`. */
import { useState } from "preact/hooks";
import { ParameterField } from "../ui/field";
import { Icon } from "../ui/icons";
import type { Parameter } from "../ui/number";
import { useUid } from "../ui/uid";
import type { Scalar } from "../wire/messages";
import type { WidgetProps } from "./_base";

export function HyperparameterPanel({ ctx }: WidgetProps) {
  const uid = useUid();
  const form = ctx.trait<Parameter[]>("form").value;
  const values = ctx.trait<Record<string, Scalar>>("values").value;
  const pending = ctx.trait<string[]>("pending").value;
  const algorithm = ctx.trait<{ id: string; name: string }>("algorithm").value;
  const canUndo = ctx.trait<boolean>("can_undo").value;
  const canRedo = ctx.trait<boolean>("can_redo").value;
  // counts what replaces values from outside the fields: then what is typed and wrong gives way too
  const [clear, setClear] = useState(0);
  const off = ctx.readOnly;
  const changed = (p: Parameter): boolean => (values[p.id] ?? null) !== p.default;
  const wholesale = (ask: () => Promise<unknown>) => (): void => {
    setClear((n) => n + 1);
    ask().catch(() => undefined); // the notice beside the widget says why
  };
  const anyChanged = form.some(changed);
  return (
    <section class="mw-card mw-hyper" aria-label="Hyperparameters">
      <h3 class="mw-title">
        Hyperparameters
        {pending.includes("algorithm") && (
          <span class="mw-pill mw-next-pill" title={`${algorithm.name} counts from the next run; another algorithm is training now`}>
            next run
          </span>
        )}
        <span class="mw-spread" />
        <button
          class="mw-icon mw-quiet"
          aria-label="Undo"
          title={off || "Undo the last change"}
          disabled={!!off || !canUndo}
          onClick={wholesale(() => ctx.ask("spec.undo", {}))}
        >
          <Icon name="undo" />
        </button>
        <button
          class="mw-icon mw-quiet"
          aria-label="Redo"
          title={off || "Bring back what was undone"}
          disabled={!!off || !canRedo}
          onClick={wholesale(() => ctx.ask("spec.redo", {}))}
        >
          <Icon name="redo" />
        </button>
        <button
          disabled={!!off || !anyChanged}
          title={off || (anyChanged ? "All hyperparameters back to their defaults" : "All are at their defaults")}
          onClick={wholesale(() => ctx.ask("hyperparameters.reset", { name: "" }))}
        >
          Reset
        </button>
      </h3>
      {form.length === 0 ? (
        <p class="mw-muted mw-hyper-none">{algorithm.name} has nothing to turn.</p>
      ) : (
        <div class="mw-fields">
          {form.map((p) => (
            <ParameterField
              key={`${algorithm.id}/${p.id}`}
              id={`${uid}-${p.id}`}
              parameter={p}
              value={values[p.id] ?? null}
              changed={changed(p)}
              nextRun={pending.includes(p.id)}
              off={off}
              clear={clear}
              send={(value) => ctx.ask("hyperparameters.set", { name: p.id, value }, { quiet: true })}
              reset={wholesale(() => ctx.ask("hyperparameters.reset", { name: p.id }))}
            />
          ))}
        </div>
      )}
    </section>
  );
}
