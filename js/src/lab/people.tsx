/** Who is here now. */
import type { PersonView } from "./read";

/** Shapes tell people apart too: initials stand in every circle. */
function Avatar({ person }: { person: PersonView }) {
  const style = person.color ? { background: person.color } : undefined;
  return (
    <span class="mw-avatar" style={style} aria-hidden="true">
      {person.avatar ? <img src={person.avatar} alt="" /> : person.initials || "?"}
    </span>
  );
}

export function People({ people }: { people: PersonView[] }) {
  return (
    <ul class="mw-people" aria-label="People here now">
      {people.map((person) => (
        <li key={person.id} title={person.at ? `${person.name}, at ${person.at}` : person.name}>
          <Avatar person={person} />
          <span class="mw-person-name">
            {person.name}
            {person.me && <span class="mw-muted"> (you)</span>}
            {person.at && <span class="mw-person-at">{person.at}</span>}
          </span>
        </li>
      ))}
    </ul>
  );
}
