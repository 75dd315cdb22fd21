/** The workspace that an experiment is in: its name, whether everything is stored, and the way to it and its chat. */
import { labService } from "../lab/service";
import type { Context } from "../widgets/_base";
import { lastPlace } from "../state/presence";
import { placeOf, viewOf } from "../state/views";
import { Icon } from "./icons";
import { placeWords } from "./presence_layer";

/** As `Workspace.state` of medilytica_widgets/collab/workspace.py tells it. */
export interface SharedState {
  name: string;
  /** On the server; empty where the file is kept without one. */
  path: string;
  connected: boolean;
  saved: boolean;
  problems: string[];
  chat: string;
  /** The experiment's id in it. */
  experiment: string;
}

export function savedWords(shared: SharedState): string {
  if (!shared.connected) return "away; changes are kept here";
  return shared.saved ? "saved" : "not yet saved";
}

export function SharedPill({ shared, ctx }: { shared: SharedState; ctx: Context }) {
  const lab = labService();
  const refuse = (error: unknown): void => {
    ctx.notice.value = { level: "error", message: error instanceof Error ? error.message : String(error) };
  };
  const words = savedWords(shared);
  const view = viewOf(lastPlace.value);
  const what = placeOf(view) ? placeWords(placeOf(view)) : "this experiment";
  const share = `Share a link to ${what} into the chat`;
  return (
    <>
      <span class={`mw-pill mw-shared${shared.connected && shared.saved ? "" : " mw-shared-waits"}`} title={`Workspace ${shared.name}: ${words}`}>
        {lab && shared.path ? (
          <button class="mw-link" aria-label={`Open the workspace ${shared.name}`} onClick={() => lab.openWorkspace(shared.path).catch(refuse)}>
            {shared.name}
          </button>
        ) : (
          <bdi>{shared.name}</bdi>
        )}
        <span role="status">{words}</span>
      </span>
      {lab && shared.chat && (
        <>
          <button class="mw-icon" aria-label="Open the chat" title="Open the chat" onClick={() => lab.openChat(shared.chat).catch(refuse)}>
            <Icon name="chat" />
          </button>
          <button class="mw-icon" aria-label={share} title={ctx.readOnly || share} disabled={Boolean(ctx.readOnly)} onClick={() => ctx.tell("chat.share", { view: { ...view } })}>
            <Icon name="link" />
          </button>
        </>
      )}
    </>
  );
}
