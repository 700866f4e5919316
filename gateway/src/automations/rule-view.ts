/** A rule as the local API says it; times in epoch ms. */
export interface RuleView {
  readonly id: string;
  readonly label: string | null;
  readonly enabled: boolean;
  readonly when: string | null;
  /** Whether its condition holds now. */
  readonly holds: boolean;
  /** When its schedule is due next. */
  readonly dueAtMs: number | null;
  readonly lastFiredAtMs: number | null;
  /** Since the rule says what it says, over restarts. */
  readonly firings: number;
  /** Since the gateway started, as `errors`. */
  readonly evaluations: number;
  readonly errors: number;
  readonly lastError: { readonly atMs: number; readonly message: string } | null;
}

/** All rules together, since the gateway started. */
export interface RuleCounts {
  readonly rules: number;
  readonly evaluations: number;
  readonly firings: number;
  readonly errors: number;
}
