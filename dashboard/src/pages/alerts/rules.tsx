// The rules: each as a sentence, with how often it was raised of late, and a form.
import { call } from "../../api/client.ts";
import { invalidate } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Alert } from "../../api/types.ts";
import { adviceFor } from "../../logic/advice.ts";
import { period, plural } from "../../logic/format.ts";
import { Check, Choice, FormDialog, numberOf, TextField } from "../../parts/form.tsx";
import { Status } from "../../parts/status.tsx";
import { clock } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { params, setParams } from "../../router.ts";
import { type Rule, whenRaised } from "./rule-words.ts";
import { WORDS } from "./words.ts";

const DAY = 86_400_000;

export function RuleList({
  rules,
  raised,
  onChanged,
}: {
  rules: readonly Rule[];
  raised: readonly Alert[];
  onChanged: () => void;
}) {
  const changed = rules.find((rule) => rule.type === params.value.get("rule"));
  return (
    <>
      <p class="muted">{WORDS.rulesLead}</p>
      <ul class="list">
        {rules.map((rule) => (
          <RuleRow key={rule.type} rule={rule} raised={raised.filter((alert) => alert.type === rule.type)} />
        ))}
      </ul>
      {changed && may("admin") && <RuleForm key={changed.type} rule={changed} onChanged={onChanged} />}
    </>
  );
}

function RuleRow({ rule, raised }: { rule: Rule; raised: readonly Alert[] }) {
  const since = Math.floor(clock.value.now / 60_000) * 60_000 - DAY;
  const often = raised.filter((alert) => Date.parse(alert.created_at) >= since).length;
  return (
    <li class="alerts-rule" data-off={rule.enabled ? undefined : ""}>
      <Status of={rule.enabled ? rule.severity : "off"} plain />
      <div>
        <b>{adviceFor({ type: rule.type, subject: null }).name}</b> <code class="muted">{rule.type}</code>
        <p class="num">
          Raised {whenRaised(rule)}. Over after {period(rule.resolve_after_seconds)}.
        </p>
        <p class="muted">{rule.description}</p>
      </div>
      <span class="end muted num">{often > 0 ? `${plural(often, "alert")} in 24 h` : ""}</span>
      {may("admin") && (
        <button
          type="button"
          class="button"
          aria-label={`${WORDS.changeRule} ${rule.type}`}
          onClick={() => setParams({ rule: rule.type })}
        >
          {WORDS.changeRule}
        </button>
      )}
    </li>
  );
}

function RuleForm({ rule, onChanged }: { rule: Rule; onChanged: () => void }) {
  const close = () => setParams({ rule: null }, { replace: true });
  return (
    <FormDialog
      title={adviceFor({ type: rule.type, subject: null }).name}
      verb="Save the rule"
      initial={{
        threshold: String(rule.threshold),
        for_seconds: String(rule.for_seconds),
        resolve_after_seconds: String(rule.resolve_after_seconds),
        window_seconds: String(rule.window_seconds ?? ""),
        minimum_tasks: String(rule.minimum_tasks ?? ""),
        severity: rule.severity as string,
        enabled: rule.enabled,
      }}
      onClose={close}
      onSubmit={async (values) => {
        const wanted = {
          type: rule.type,
          // Whoever has changed it since it was read is not overwritten.
          updated_at: rule.updated_at,
          severity: values.severity,
          enabled: values.enabled,
          threshold: numberOf(values.threshold),
          for_seconds: numberOf(values.for_seconds),
          resolve_after_seconds: numberOf(values.resolve_after_seconds),
          ...(rule.window_seconds !== null && { window_seconds: numberOf(values.window_seconds) }),
          ...(rule.minimum_tasks !== null && { minimum_tasks: numberOf(values.minimum_tasks) }),
        };
        await call("PUT", "/alerts/rules", { body: { rules: [wanted] } });
        say("Saved: in force within 5 s", { tone: "completed" });
        onChanged();
        invalidate("alerts");
      }}
    >
      {(form) => (
        <>
          <p class="muted">{rule.description}</p>
          <Check
            form={form}
            name="enabled"
            label="Raise alerts of this kind"
            hint="Off resolves what is open."
          />
          <div class="form-row">
            <TextField
              form={form}
              name="threshold"
              label={rule.type === "NO_ACTIVE_WORKERS" ? "Below" : "Above"}
              unit={rule.unit}
              inputMode="decimal"
            />
            <TextField form={form} name="for_seconds" label="For" unit="seconds" inputMode="numeric" />
            <TextField
              form={form}
              name="resolve_after_seconds"
              label="Over after"
              unit="seconds"
              inputMode="numeric"
            />
          </div>
          {(rule.window_seconds !== null || rule.minimum_tasks !== null) && (
            <div class="form-row">
              {rule.window_seconds !== null && (
                <TextField
                  form={form}
                  name="window_seconds"
                  label="Measured over"
                  unit="seconds"
                  inputMode="numeric"
                />
              )}
              {rule.minimum_tasks !== null && (
                <TextField
                  form={form}
                  name="minimum_tasks"
                  label="Of at least"
                  unit="tasks"
                  inputMode="numeric"
                />
              )}
            </div>
          )}
          <Choice
            form={form}
            name="severity"
            label="How grave it is"
            options={[
              ["CRITICAL", "critical"],
              ["WARNING", "warning"],
              ["INFO", "info"],
            ]}
          />
        </>
      )}
    </FormDialog>
  );
}
