// One of some, in a box that opens: its options are pairs of a value and what is read.
import { Icon } from "./icons.tsx";

export function Select({
  value,
  options,
  onChoose,
  ...attributes
}: {
  value: string;
  options: readonly (readonly [value: string | number, label: string])[];
  onChoose: (value: string) => void;
  id?: string;
  "aria-label"?: string;
  "aria-describedby"?: string;
}) {
  return (
    <span class="select">
      <select
        class="field"
        value={value}
        onChange={(event) => onChoose(event.currentTarget.value)}
        {...attributes}
      >
        {options.map(([each, label]) => (
          <option key={each} value={each}>
            {label}
          </option>
        ))}
      </select>
      <Icon name="down" />
    </span>
  );
}
